"""Arrays of numpy, by themselves or in an npz, give the stamps that HDF5 gives."""

import zipfile
from functools import partial

import numpy as np
import pytest
from numpy.lib import format as npy

from pix2z.config.ingest import Hdf5Mapping
from pix2z.errors import InputError
from pix2z.files import file_digest, files_of, total_digest
from pix2z.ingest.source import detect_layout, open_source
from tests.ingest import layout_files

read = partial(layout_files.read, unit="nanomaggy")

COLUMNS = {"redshift": "z", "ebv": "ebv", "object_id": "object_id"}


def save(folder, arrays):
    folder.mkdir()
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
    return folder


@pytest.mark.parametrize("how", ["npz", "folder", "npy"])
def test_columns_are_other_arrays(galaxies, tmp_path, write_npz, how):
    arrays = {name: galaxies[name] for name in ("stamps", *COLUMNS.values())}
    path = write_npz(arrays) if how == "npz" else save(tmp_path / "arrays", arrays)
    path = path / "stamps.npy" if how == "npy" else path
    images, survey = read(path, images="stamps", **COLUMNS)
    np.testing.assert_array_equal(images, galaxies["stamps"])
    np.testing.assert_array_equal(survey.table.z_spec, galaxies["z"])
    np.testing.assert_array_equal(survey.table.ebv, galaxies["ebv"])
    np.testing.assert_array_equal(survey.table.object_id, galaxies["object_id"])
    assert survey.layout == ("npz" if how == "npz" else "npy")
    with pytest.raises(InputError, match=r"none\.npy|'none' is missing"):
        read(path, images="stamps", ebv="none")


def test_ingest_records_every_file_of_a_folder(galaxies, tmp_path, run_ingest):
    folder = save(tmp_path / "arrays", {name: galaxies[name] for name in ("stamps", "z")})
    mapping = Hdf5Mapping(images="stamps", redshift="z", unit="nanomaggy")
    _, report = run_ingest(folder, layout=None, mapping=mapping)
    assert report["n_good"] == 12
    assert report["raw"]["sha256"] == total_digest(files_of(folder))
    digests = [file_digest(folder / name) for name in ("stamps.npy", "z.npy")]
    paths = [folder / "stamps.npy", folder / "z.npy"]
    assert report["raw"]["files"][0]["sha256"] == total_digest(paths, digests)


def test_files_beside_the_images_are_named_as_left_out(galaxies, tmp_path, caplog):
    arrays = {"images": galaxies["stamps"], "more": galaxies["stamps"], "z": galaxies["z"]}
    _, survey = read(save(tmp_path / "arrays", arrays), redshift="z")
    assert survey.converted["left out"] == "more.npy"
    assert "left out" in caplog.text


def test_one_galaxy_and_many_files_of_stamps(galaxies, tmp_path):
    stamps = galaxies["stamps"].transpose(0, 3, 1, 2)
    folder = save(tmp_path / "each", {"a": stamps[0], "b": stamps[1:]})
    np.testing.assert_array_equal(read(folder)[0], galaxies["stamps"])
    np.testing.assert_array_equal(read(folder / "a.npy")[0], galaxies["stamps"][:1])
    assert detect_layout(folder) == "npy"
    with pytest.raises(InputError, match=r"a\.npy: expected the images 'b'; received 'a'"):
        read(folder / "a.npy", images="b")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((4, 40, 40)), r"expected shape \(N, H, W, 5\)"),
        (np.zeros((1, 5, 40, 40), "U3"), "expected numbers"),
        (np.asfortranarray(np.zeros((2, 5, 40, 40))), "is in Fortran order"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, values, words):
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(InputError, match=words):
        read(tmp_path / "x.npy")
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-5])
    with pytest.raises(InputError, match=r"x\.npy: x: header claims"):
        read(tmp_path / "x.npy")


def test_the_unit_is_asked_for(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 5, 40, 40)))
    with pytest.raises(InputError, match=r"x\.npy: the unit of the images is not known"):
        layout_files.read(tmp_path / "x.npy")


# The npz of Pasquet et al.: what its cube and labels may be.

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
    with open_source(write_npz({"cube": cube(), "labels": labels(z=Z, **columns)})) as survey:
        table = survey.table
    assert table.origin["object_id"] == f"labels[{used!r}]"
    np.testing.assert_array_equal(table.object_id, columns[used])


def test_case_is_forgiven_where_one_column_is_meant(write_npz):
    columns = {"RA": Z, "DEC": Z, "ebv": Z, "z": Z, "Z": Z + 1}
    with open_source(write_npz({"cube": cube(), "labels": labels(**columns)})) as survey:
        origin = survey.table.origin
    assert origin["position"] == "labels['RA'], labels['DEC']"
    assert origin["z_spec"] == "labels['z']"
    assert origin["ebv"] == "labels['ebv'] (N,), taken as E(B-V)"


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (
            {"cube": cube()[:-1], "labels": labels(z=Z)},
            r"labels: expected a structured array of sh",
        ),
        ({"cube": cube(), "labels": np.zeros((N, 2))}, r"labels: .* received shape \(6, 2\) of fl"),
        ({"cube": cube()}, "array 'labels' is missing; the file has cube"),
        ({"cube": cube(), "labels": np.array([{}] * N)}, "labels: holds Python objects"),
        ({"cube": cube(), "labels": labels(EbV=Z, ebv=Z)}, "one column 'EBV'; received EbV, ebv"),
        ({"cube": cube(), "labels": labels(z=np.ones((N, 2)))}, r"labels\['z'\]: expected shape"),
    ],
)
def test_labels_and_cubes_that_do_not_fit_are_named(write_npz, arrays, words):
    path = write_npz(arrays)
    with pytest.raises(InputError, match=words) as caught, open_source(path):
        pass
    assert str(caught.value).startswith(str(path))


def test_code_in_the_header_of_a_member_is_not_run(write_npz):
    path = write_npz({"cube": cube()})
    header = b"__import__('os').abort() or {'descr': '<f4', 'fortran_order': False, 'shape': (6,)}"
    content = npy.magic(1, 0) + len(header).to_bytes(2, "little") + header + bytes(24)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.npy", content)
    with pytest.raises(InputError, match=r"labels: cannot be read \(ValueError"):
        open_source(path).__enter__()


@pytest.mark.parametrize("compressed", [False, True])
def test_an_encrypted_member_is_named(write_npz, compressed):
    path = write_npz({"cube": cube(), "labels": labels(z=Z)}, compressed=compressed)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\1\2")  # in the directory at the end: that of the labels
    content[entry + 8] |= 1  # flags: encrypted
    path.write_bytes(content)
    with pytest.raises(InputError, match="labels: is encrypted"):
        open_source(path).__enter__()


def test_many_labels_are_read_in_blocks(write_npz, monkeypatch):
    monkeypatch.setattr("pix2z.ingest.arrays.BLOCK_ROWS", 4)
    path = write_npz({"cube": cube(), "labels": labels(z=Z, bestObjID=np.arange(N))})
    with open_source(path) as survey:
        np.testing.assert_array_equal(survey.table.z_spec, Z.astype(np.float32))
        np.testing.assert_array_equal(survey.table.object_id, np.arange(N))
