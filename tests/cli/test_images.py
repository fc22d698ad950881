"""What ``pix2z predict`` and ``pix2z spectrum`` refuse alike, in one line."""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from pix2z.ingest import plausibility
from tests.cli.conftest import one_line

SDSS = "sdss32.h5"

COMMANDS = {"predict": ("z.parquet", "predicts"), "spectrum": ("s.hdf5", "reconstructs")}
"""Command -> name of its output, and what it says that it does."""


@pytest.fixture(params=COMMANDS)
def command(request):
    return request.param


@pytest.fixture
def run(on_images):
    """Return what runs a command there: exit code, stdout, stderr."""

    def call(command, *given, model="full"):
        return on_images(command, *given, out=COMMANDS[command][0], model=model)

    return call


ALIKE = [
    ("models/full/pool.json", (), "pool.json: expected HDF5; received text"),
    (SDSS, ("--layout", "zip"), "layout: expected one of "),
    (SDSS, ("--layout", "nersc"), "images"),  # another shape than the layout has
    (SDSS, ("--ebv", "dust"), "--ebv: 'dust' is no number, and "),
    (SDSS, ("--ebv", "-0.1"), "--ebv: expected E(B-V) of 0 to 3 mag, or a key; received '-0.1'"),
    (SDSS, ("--ebv", "nan"), "--ebv: expected E(B-V) of 0 to 3 mag, or a key; received 'nan'"),
    (SDSS, ("--ebv", "0.1", "-m", "ebv=e_bv"), "--ebv 0.1 or an entry -m ebv, not both"),
    (SDSS, ("--model", "none"), "model 'none': not found; expected one of full"),
    (SDSS, ("--params", "no.yaml"), "no.yaml: cannot be read"),
    ("hdf5.h5", ("-m", "stamps=pix"), "option -m: expected one of images, axes, "),
    ("hdf5.h5", ("-m", "unit"), "option -m: expected KEY=VALUE; received 'unit'"),
    ("hdf5.h5", ("-m", "images=pix/stamps", "-m", "bands=zirgu"), "hdf5.h5: "),  # of what unit?
]

OF_ONE = [
    ("predict", ("--pdf", "z.h5"), "z.h5: expected a name ending in .hdf5"),
    ("predict", ("--out", "z.fits"), "z.fits: expected a name ending in .parquet or .csv"),
    ("predict", ("--out", f"{SDSS}/z.csv"), f"{SDSS}/z.csv: cannot be written ("),
    ("predict", ("--out", "folder.csv"), "folder.csv: is a folder; expected the name of a file"),
    ("spectrum", ("--out", "s.csv"), "s.csv: expected a name ending in .hdf5 or .h5"),
    ("spectrum", ("--plot", "p.pdf"), "p.pdf: expected a name ending in .png"),
    ("spectrum", ("--out", SDSS), f"{SDSS}: is the input itself; expected another name"),
    ("spectrum", ("--out", f"{SDSS}/s.h5"), f"{SDSS}/s.h5: cannot be written ("),
    ("spectrum", ("--model", "models:/pix2z-spectrum@full"), "name one with --repo or PIX2Z"),
]


@pytest.mark.parametrize(
    ("command", "file", "options", "words"),
    [(command, *case) for case in ALIKE for command in COMMANDS]
    + [(command, SDSS, *case) for command, *case in OF_ONE],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    run, images_folder, tmp_path, command, file, options, words
):
    (images_folder / "folder.csv").mkdir(exist_ok=True)
    before = {path: path.stat().st_mtime_ns for path in images_folder.iterdir()}
    one_line(run(command, file, *options), words)
    assert list(tmp_path.iterdir()) == []
    assert {path: path.stat().st_mtime_ns for path in images_folder.iterdir()} == before


@pytest.mark.parametrize(
    ("command", "folder", "altered"),
    [
        ("predict", "models/full", "pool.onnx"),
        ("spectrum", "spectrum/models/full", "weights.weights.h5"),
    ],
)
def test_an_altered_model_is_refused_with_a_code_of_its_own(
    run, images_folder, tmp_path, command, folder, altered
):
    shutil.copytree(images_folder / folder, tmp_path / "altered")
    with (tmp_path / "altered" / altered).open("ab") as file:
        file.write(b"0")
    one_line(run(command, SDSS, model=tmp_path / "altered"), "match", code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["altered"]


def test_counts_are_refused_unless_they_are_wanted(run, images_folder, tmp_path, command):
    """They only look like nanomaggies: whole numbers, 213 electrons to each."""
    with h5py.File(tmp_path / "counts.h5", "w") as file, h5py.File(images_folder / SDSS) as raw:
        file["images"] = np.rint(np.nan_to_num(raw["images"][...]) * 213)
    out, does = COMMANDS[command]
    hint = f"(--no-check {does} all the same)"
    one_line(run(command, tmp_path / "counts.h5"), "counts", hint)
    assert not (tmp_path / out).exists()
    code, _, errors = run(command, tmp_path / "counts.h5", "--no-check")
    assert code == 0, errors
    assert (tmp_path / out).exists()


def test_a_file_cut_short_while_it_is_read_is_one_line(
    run, images_folder, tmp_path, command, monkeypatch
):
    """Once, the rows beyond its end came out as NaN, with exit code 0."""
    raw = Path(shutil.copy(images_folder / SDSS, tmp_path / "raw.h5"))
    look = plausibility.photometry_problems

    def look_and_cut(survey):
        problems = look(survey)
        os.truncate(raw, raw.stat().st_size // 2)
        return problems

    monkeypatch.setattr(plausibility, "photometry_problems", look_and_cut)
    code, _, errors = run(command, raw)
    assert code == 2
    assert f"{raw}: changed while it was read" in errors
    assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["raw.h5"]


def test_an_output_is_replaced_by_success_only(run, images_folder, tmp_path, command):
    out = tmp_path / COMMANDS[command][0]
    out.write_bytes(b"earlier")
    with h5py.File(tmp_path / "cut.h5", "w") as file, h5py.File(images_folder / SDSS) as raw:
        file.create_dataset("images", data=raw["images"][...], chunks=(8, 5, 32, 32), shuffle=True)
        offset = file["images"].id.get_chunk_info(4).byte_offset
    with (tmp_path / "cut.h5").open("r+b") as file:
        file.truncate(offset)
    code, _, errors = run(command, tmp_path / "cut.h5", "--no-check")
    assert code == 2
    assert errors.count("\n") == 1
    assert out.read_bytes() == b"earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["cut.h5", out.name])
    assert run(command, SDSS)[0] == 0
    assert out.read_bytes() != b"earlier"
