"""``pix2z catalogue`` on a planted field, and how it ends."""

import bz2
import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.catalogue.conftest import largest_file
from tests.cli.conftest import one_line
from tests.field.planted import plant, write_field


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return write_field(tmp_path_factory.mktemp("field"), plant(), packed="")


@pytest.fixture
def run(images_folder, pix2z_in, tmp_path, paths):
    """Return what runs ``pix2z catalogue`` there: exit code, stdout, stderr."""

    def call(*options, frames=paths, out="field.parquet"):
        wanted = ("--model", "full", "--out", tmp_path / out)
        return pix2z_in(images_folder, "catalogue", *frames, *wanted, *options)

    return call


def test_a_field_becomes_a_table_pdfs_regions_and_a_picture(run, tmp_path):
    options = [f"--{name}={tmp_path / file}" for name, file in BESIDE.items()]
    code, said, errors = run("--ebv", "0.03", *options)
    assert code == 0, errors
    assert said.startswith(
        "63 sources: 12 galaxies, 2 of them fainter than the limit, and 51 stars"
    )
    assert "\n10 redshifts with a typical error of " in said
    table = pq.read_table(tmp_path / "field.parquet").to_pandas()
    assert table["pix2z_z_median"].notna().sum() == 10
    metadata = pq.read_schema(tmp_path / "field.parquet").metadata
    assert metadata[b"pix2z.arm"] == b"full"
    assert metadata[b"pix2z.ebv"] == b"0.03 mag for every galaxy"
    assert sorted(json.loads(metadata[b"pix2z.input_sha256"])) == [
        f"{band}.fits" for band in "giruz"
    ]
    assert all((tmp_path / file).is_file() for file in BESIDE.values())


BESIDE = {"pdf": "field.hdf5", "regions": "field.reg", "plot": "field.png"}


def test_a_list_gets_a_redshift_at_each_of_its_positions(run, tmp_path, paths):
    positions = tmp_path / "list.csv"
    positions.write_text("ra,dec,objid\n150.002,2.001,7\n10,20,8\n149.99,1.99,9\n")
    code, said, errors = run("--at", positions, out="at.csv")
    assert code == 0, errors
    assert "\nPositions outside the r frame: 1\n" in said
    table = pd.read_csv(tmp_path / "at.csv")
    assert table["object_id"].tolist() == [7, 9]
    assert table["ra"].tolist() == [150.002, 149.99]
    assert table["pix2z_z_median"].notna().all()
    assert (table["pix2z_flags"] & 4 == 4).all()  # no --ebv


def test_a_box_holds_what_lies_in_it(run, tmp_path):
    code, _, errors = run(out="all.csv")
    assert code == 0, errors
    code, _, errors = run("--box", "149.99,150.01,1.995,2.02", out="box.csv")
    assert code == 0, errors
    whole, box = pd.read_csv(tmp_path / "all.csv"), pd.read_csv(tmp_path / "box.csv")
    inside = whole["ra"].between(149.99, 150.01) & whole["dec"].between(1.995, 2.02)
    pd.testing.assert_frame_equal(box, whole[inside].reset_index(drop=True))
    assert 3 < len(box) < len(whole)


def test_a_faint_limit_is_an_option(run, tmp_path):
    code, said, errors = run("--limit", "12", out="none.csv")
    assert code == 0, errors
    assert "None is a galaxy brighter than r = 12." in said
    assert np.isnan(pd.read_csv(tmp_path / "none.csv")["pix2z_z_median"]).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--box", "1,2,3,4"], "--box 1,2,3,4: no source lies in this field"),
        (["--box", "1,2"], "--box: expected RA,RA,DEC,DEC"),
        (["--box", ""], "--box: expected RA,RA,DEC,DEC"),
        (["--pdf", "z.txt"], "z.txt: expected a name ending in .hdf5"),
        (["--limit", "nan"], "--limit: expected a magnitude; received nan"),
        (["--limit", "12", "--pdf", "z.hdf5"], "z.hdf5: no galaxy to write"),
        (["--at", "nothing.csv"], "nothing.csv: cannot be read"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(run, tmp_path, options, words):
    one_line(run(*options), words)
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_and_a_missing_frame(run, tmp_path, paths):
    (tmp_path / "file").touch()
    one_line(run(out="file/field.csv"), "cannot be written")
    one_line(run(frames=paths[:4]), "none is of u")
    one_line(run(frames=[*paths[:4], tmp_path / "u.fits"]), "u.fits: cannot be opened")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("where", [20, 5000, -20])
def test_a_packed_frame_with_a_damaged_byte_is_one_line(
    run, tmp_path, tmp_path_factory, paths, where
):
    damaged = tmp_path_factory.mktemp("damaged") / "z.fits.bz2"
    content = bytearray(bz2.compress(paths[0].read_bytes(), 1))
    content[where] ^= 0xFF
    damaged.write_bytes(content)
    one_line(run(frames=[damaged, *paths[1:]]), "z.fits.bz2: not a FITS frame")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("n_bytes", "failing", "kept"),
    [(4000, "field.hdf5", []), (60_000, "field.png", ["field.parquet", "field.reg"])],
)
def test_a_full_disk_is_one_line_and_what_is_finished_is_kept(
    run, tmp_path, n_bytes, failing, kept
):
    beside = BESIDE if failing == "field.hdf5" else {"plot": "field.png", "regions": "field.reg"}
    options = [f"--{name}={tmp_path / file}" for name, file in beside.items()]
    with largest_file(n_bytes):
        code, _, errors = run(*options)
    assert (code, errors.count("\n")) == (2, 1)
    assert f"{failing}: cannot be written" in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
