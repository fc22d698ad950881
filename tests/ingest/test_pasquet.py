"""The layout of Pasquet et al.: what its cube and labels may be."""

import numpy as np
import pytest

from pix2z.errors import InputError
from pix2z.ingest.pasquet import open_pasquet

N = 6


def labels(**columns):
    """Structured array (N,) of the given columns."""
    dtype = [(name, values.dtype, values.shape[1:]) for name, values in columns.items()]
    array = np.zeros(N, dtype)
    for name, values in columns.items():
        array[name] = values
    return array


def cube():
    return np.random.default_rng(1).normal(size=(N, 64, 64, 5)).astype(np.float32)


Z = np.linspace(0.01, 0.3, N)


@pytest.mark.parametrize(
    ("present", "used"),
    [
        (("OBJID", "bestObjID", "specObjID"), "OBJID"),
        (("bestObjID", "specObjID"), "bestObjID"),
        (("rounded", "specObjID"), "specObjID"),
    ],
)
def test_the_id_used_is_recorded(write_npz, present, used):
    columns = {name: np.arange(N) + 100 * (k + 1) for k, name in enumerate(present)}
    if "rounded" in columns:  # floats, which round long ids, are passed over
        columns["objID"] = columns.pop("rounded") * 1.0
    with open_pasquet(write_npz({"cube": cube(), "labels": labels(z=Z, **columns)})) as survey:
        table = survey.table
    assert table.origin["object_id"] == f"labels[{used!r}]"
    np.testing.assert_array_equal(table.object_id, columns[used])


def test_case_is_forgiven_where_one_column_is_meant(write_npz):
    columns = {"RA": Z, "DEC": Z, "ebv": Z, "z": Z, "Z": Z + 1}
    with open_pasquet(write_npz({"cube": cube(), "labels": labels(**columns)})) as survey:
        origin = survey.table.origin
    assert origin["position"] == "labels['RA'], labels['DEC']"
    assert origin["z_spec"] == "labels['z']"
    assert origin["ebv"] == "labels['ebv'] (N,), taken as E(B-V)"


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"labels": labels(z=Z)}, r"array 'cube' is missing; the file has labels$"),
        (
            {"cube": cube()[:-1], "labels": labels(z=Z)},
            r"labels: expected a structured array of sh",
        ),
        ({"cube": cube(), "labels": labels(EbV=Z, ebv=Z)}, "one column 'EBV'; received EbV, ebv"),
        ({"cube": cube(), "labels": labels(z=np.ones((N, 2)))}, r"labels\['z'\]: expected shape"),
        ({"cube": np.asfortranarray(cube()), "labels": labels(z=Z)}, "cube: is in Fortran order"),
        (
            {"cube": cube(), "labels": np.array([{"z": 1}] * N, object)},
            "labels: holds Python objects, which are never unpickled",
        ),
    ],
)
def test_what_does_not_fit_is_named(write_npz, arrays, words):
    path = write_npz(arrays)
    with pytest.raises(InputError, match=words) as caught, open_pasquet(path):
        pass
    assert str(caught.value).startswith(str(path))


def test_many_labels_are_read_in_blocks(write_npz, monkeypatch):
    monkeypatch.setattr("pix2z.ingest.pasquet.BLOCK_ROWS", 4)
    path = write_npz({"cube": cube(), "labels": labels(z=Z, bestObjID=np.arange(N))})
    with open_pasquet(path) as survey:
        np.testing.assert_array_equal(survey.table.z_spec, Z.astype(np.float32))
        np.testing.assert_array_equal(survey.table.object_id, np.arange(N))
