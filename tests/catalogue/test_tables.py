"""The files a prediction leaves: their columns, what they say of themselves, and failures."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import qp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pix2z.catalogue.tables import ROW_GROUP, chosen_columns, table_writer
from pix2z.errors import InputError
from pix2z.redshift_pdf.redshifts import COLUMNS
from tests.catalogue.conftest import (
    PixelReader,
    largest_file,
    make_survey,
    predict_and_write,
    redshift_of,
)
from tests.conftest import LACKS

ROOT = Path(__file__).parents[2]

FORMATS = (".parquet", ".csv")

NAMES = [
    "object_id",
    "ra",
    "dec",
    "pix2z_z_best",
    "pix2z_z_median",
    "pix2z_z_mean",
    "pix2z_z_mode",
    "pix2z_z_err68_low",
    "pix2z_z_err68_high",
    "pix2z_z_err95_low",
    "pix2z_z_err95_high",
    "pix2z_flags",
]
DTYPES = [np.int64, np.float64, np.float64, *[np.float32] * 8, np.int32]
REDSHIFTS = NAMES[3:-1]


def read(path):
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pandas()
    return pd.read_csv(path, dtype=dict(zip(NAMES, DTYPES, strict=True)))


def blank_every_tenth(rows, images):
    images[rows % 10 == 3] = np.nan


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_table_holds_one_row_per_galaxy_in_order(tmp_path, suffix):
    out = tmp_path / f"z{suffix}"
    done = []
    overview = predict_and_write(out, n=100, alter=blank_every_tenth, advance=done.append)
    table = read(out)
    assert list(table) == NAMES
    assert [table[name].dtype for name in NAMES] == DTYPES
    rows = np.arange(100)
    np.testing.assert_array_equal(table["object_id"], make_survey(100).table.object_id)
    blank = rows % 10 == 3
    np.testing.assert_array_equal(table["pix2z_flags"] & LACKS, np.where(blank, 9, 0))
    assert table.loc[blank, REDSHIFTS].isna().all(axis=None)
    assert table[["ra", "dec"]].isna().all(axis=None)  # this survey has no positions
    np.testing.assert_allclose(
        table["pix2z_z_median"][~blank], redshift_of(rows[~blank]), atol=1e-4
    )
    np.testing.assert_array_equal(overview.z_phot, table["pix2z_z_median"])
    assert overview.counts.n_flagged == np.count_nonzero(table["pix2z_flags"])
    n_by_flag = overview.counts.n_by_flag
    assert [n_by_flag[bit] for bit in (1, 2, 4, 8)] == [10, 0, 0, 10]
    assert done == [32, 32, 32, 4]
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("scratch")


@given(
    values=arrays(
        np.float32, st.integers(1, 30), elements=st.floats(width=32, allow_infinity=False)
    )
)
def test_csv_gives_every_float32_back(scratch, values):
    path = scratch / "z.csv"
    columns = {name: np.zeros(len(values), dtype) for name, dtype in zip(NAMES, DTYPES)}  # noqa: B905
    columns["pix2z_z_mean"] = values
    columns["object_id"][:] = np.iinfo(np.int64).max
    with table_writer(path, metadata={}) as append:
        append(columns)
    found = read(path)
    np.testing.assert_array_equal(found["pix2z_z_mean"].to_numpy(), values)
    assert (found["object_id"] == np.iinfo(np.int64).max).all()


def test_parquet_says_what_it_is(tmp_path):
    out = tmp_path / "z.parquet"
    predict_and_write(out, metadata={"pix2z.model_digest": "abc"})
    file = pq.ParquetFile(out)
    assert file.schema_arrow.metadata[b"pix2z.model_digest"] == b"abc"
    flags = file.schema_arrow.field("pix2z_flags").metadata[b"description"]
    assert b"4: E(B-V) is unknown" in flags
    for name in NAMES:
        meaning = file.schema_arrow.field(name).metadata[b"description"].decode()
        assert meaning == COLUMNS[name].meaning
    assert file.metadata.row_group(0).column(1).compression == "ZSTD"


def test_row_groups_are_large(tmp_path):
    block = {name: np.zeros(1000, dtype) for name, dtype in zip(NAMES, DTYPES, strict=True)}
    with table_writer(tmp_path / "z.parquet", metadata={}) as append:
        for _ in range(100):
            append(block)
    metadata = pq.ParquetFile(tmp_path / "z.parquet").metadata
    assert metadata.num_rows == 100_000
    assert metadata.row_group(0).num_rows >= ROW_GROUP
    assert metadata.num_row_groups == 2


@pytest.mark.filterwarnings("ignore:There are non-finite values")  # says qp of those that have none
def test_pdfs_are_read_by_qp_with_the_same_columns_and_blank_galaxies_have_none(tmp_path):
    out, pdf = tmp_path / "z.parquet", tmp_path / "z.hdf5"
    predict_and_write(out, pdf=pdf, n=70, alter=blank_every_tenth)
    ensemble, table = qp.read(str(pdf)), read(out)
    assert ensemble.npdf == 70
    named = ["object_id", *REDSHIFTS, "pix2z_flags"]
    rail = {"zmode": "pix2z_z_mode", "zmedian": "pix2z_z_median", "zmean": "pix2z_z_mean"}
    assert sorted(ensemble.ancil) == sorted([*named, *rail])
    for name, column in {**dict(zip(named, named, strict=True)), **rail}.items():
        np.testing.assert_array_equal(ensemble.ancil[name], table[column])
    with h5py.File(pdf) as file:
        density = file["data/pdfs"][...]
    blank = np.arange(70) % 10 == 3
    np.testing.assert_array_equal(np.isnan(density).all(axis=1), blank)
    centres = PixelReader.grid.centres[density[~blank].argmax(axis=1)]
    np.testing.assert_allclose(centres, table["pix2z_z_median"][~blank], atol=1e-3)


def test_chosen_columns_are_written_in_their_order_and_no_others_computed(tmp_path, monkeypatch):
    out, pdf = tmp_path / "z.parquet", tmp_path / "z.hdf5"
    predict_and_write(tmp_path / "all.parquet")
    names = chosen_columns("pix2z_z_err95_high, object_id,pix2z_z_best")
    for name in ("mode", "mean", "second_peak"):
        monkeypatch.setattr(f"pix2z.redshift_pdf.redshifts.{name}", lambda *_, **__: 1 / 0)
    overview = predict_and_write(out, columns=names)
    table = read(out)
    assert tuple(table) == names == ("pix2z_z_err95_high", "object_id", "pix2z_z_best")
    pd.testing.assert_frame_equal(table, read(tmp_path / "all.parquet")[list(names)])
    assert str(overview) == "100 redshifts."
    np.testing.assert_array_equal(overview.z_phot, table["pix2z_z_best"])
    monkeypatch.undo()
    predict_and_write(out, pdf=pdf, columns=["pix2z_z_mean"])
    assert sorted(qp.read(str(pdf)).ancil) == [
        "object_id",
        "pix2z_z_mean",
        "zmean",
        "zmedian",
        "zmode",
    ]


def test_columns_are_all_unless_chosen_and_others_are_refused_with_the_names():
    assert chosen_columns(None) == tuple(NAMES)
    for text, received in (("object_id,z", "'z'"), ("", "''"), ("ra,dec,ra", "'ra' twice")):
        with pytest.raises(InputError) as caught:
            chosen_columns(text)
        known = ", ".join(NAMES)
        assert str(caught.value) == f"--columns: expected some of {known}; received {received}"


def test_table_and_pdfs_cannot_be_one_file(tmp_path):
    with pytest.raises(InputError, match="is the table itself; expected another name"):
        predict_and_write(tmp_path / "z.parquet", pdf=tmp_path / "z.parquet")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for other in (tmp_path / "link/z.parquet", tmp_path / "a/../link/../a/z.parquet"):
        with pytest.raises(InputError, match="is the table itself; expected another name"):
            predict_and_write(tmp_path / "a/z.parquet", pdf=other)
    assert list((tmp_path / "a").iterdir()) == []


class Broken(Exception):
    pass


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_error_on_the_way_leaves_things_as_they_were(tmp_path, suffix):
    out, pdf = tmp_path / f"z{suffix}", tmp_path / "z.hdf5"
    out.write_bytes(b"earlier results")

    def alter(rows, images):
        if rows[0] > 50:
            raise Broken

    with pytest.raises(Broken):
        predict_and_write(out, pdf=pdf, alter=alter)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        out.name: b"earlier results"
    }


@pytest.mark.parametrize("which", ["out", "pdf"])
def test_a_file_that_cannot_be_written_is_named(tmp_path, which):
    (tmp_path / "blocked").write_text("not a folder")
    blocked = tmp_path / "blocked" / ("z.parquet" if which == "out" else "z.hdf5")
    paths = {"out": tmp_path / "z.parquet", "pdf": tmp_path / "z.hdf5"} | {which: blocked}
    with pytest.raises(InputError, match=rf"{blocked.name}: cannot be written \("):
        predict_and_write(**paths)
    assert [path.name for path in tmp_path.iterdir()] == ["blocked"]


@pytest.mark.parametrize(
    ("name", "limit"),
    [("z.csv", 10_000), ("z.parquet", 10_000), ("z.hdf5", 4_000), ("z.hdf5", 500_000)],
)
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, name, limit):
    pdf = tmp_path / name if name == "z.hdf5" else None
    out = tmp_path / "z.parquet" if pdf else tmp_path / name
    with (
        pytest.raises(InputError, match=rf"{name}: cannot be written \(.+\)$"),
        largest_file(limit),
    ):
        predict_and_write(out, pdf=pdf, n=4000)
    assert list(tmp_path.iterdir()) == []


RUN = """
import sys
from pathlib import Path
from tests.catalogue.conftest import predict_and_write

def alter(rows, images):
    if rows[0] >= 96:
        print("in the middle", flush=True)
        sys.stdin.read()

predict_and_write(Path("z.parquet"), pdf=Path("z.hdf5"), n=200, alter=alter)
"""


def test_a_kill_in_the_middle_leaves_no_result(tmp_path):
    """Nothing runs in a process that gets SIGKILL; the next run clears what it left."""
    out, pdf = tmp_path / "z.parquet", tmp_path / "z.hdf5"
    out.write_bytes(b"earlier results")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    process = subprocess.Popen(
        [sys.executable, "-c", RUN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert process.stdout.readline() == "in the middle\n"
    process.kill()
    process.communicate()
    assert out.read_bytes() == b"earlier results"
    assert not pdf.exists()
    assert all(path == out or path.name.startswith(".partial-") for path in tmp_path.iterdir())
    predict_and_write(out, pdf=pdf, n=200)
    assert sorted(path.name for path in tmp_path.iterdir()) == [pdf.name, out.name]
    assert len(read(out)) == 200


def test_memory_does_not_grow_with_the_survey(tmp_path):
    """Beyond a few columns per galaxy, which are held whole, nothing depends on their number."""

    def peak(n):
        tracemalloc.start()
        predict_and_write(tmp_path / "z.parquet", pdf=tmp_path / "z.hdf5", n=n)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(64)  # what is imported and made once
    small, large = peak(400), peak(2_400)
    assert large - small < 2_000 * 300  # bytes; a stamp alone has 20,480
