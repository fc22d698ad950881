"""Where a command runs: settings of other programs, odd names, pipes, folders and full disks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.catalogue.conftest import largest_file
from tests.cli.conftest import one_line

ROOT = Path(__file__).parents[2]

NOT_TEXT = os.fsdecode(b"caf\xe9")


@pytest.fixture
def predicted(images_folder, pix2z_in, tmp_path):
    """Return what predicts a file of the folder: exit code, stdout, stderr."""

    def call(file, out):
        arguments = ("predict", file, "--model", "full", "--out", out)
        return pix2z_in(images_folder, *arguments)

    return call


def test_settings_of_other_programs_change_nothing(images_folder, predicted, tmp_path):
    """Of a notebook, of Keras, of a terminal in Latin-1, without a home that can be written."""
    plain, there = tmp_path / "plain.parquet", tmp_path / "there.parquet"
    assert predicted("sdss32.h5", plain)[0] == 0
    home = tmp_path / "home"
    (home / ".keras").mkdir(parents=True)
    config = {"backend": "jax", "floatx": "float64", "image_data_format": "channels_first"}
    (home / ".keras/keras.json").write_text(json.dumps(config))
    theirs = {
        "HOME": str(home),
        "KERAS_BACKEND": "torch",
        "MPLBACKEND": "module://matplotlib_inline.nowhere",
        "PYTHONIOENCODING": "latin-1",
        "PYTHONPATH": str(ROOT / "src"),
    }
    command = "from pix2z.cli import main; main()"
    arguments = ("predict", "sdss32.h5", "--model", "full", "--out", there)
    done = subprocess.run(
        [sys.executable, "-c", command, *arguments],
        cwd=images_folder,
        env={name: v for name, v in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"} | theirs,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert pq.read_table(there).to_pandas().equals(pq.read_table(plain).to_pandas())


def test_a_name_in_bytes_that_are_no_text_is_a_name(images_folder, predicted, tmp_path):
    file = tmp_path / f"{NOT_TEXT}.h5"
    file.write_bytes((images_folder / "sdss32.h5").read_bytes())
    out = tmp_path / f"{NOT_TEXT}.parquet"
    code, _, err = predicted(file, out)
    assert (code, err) == (0, "")
    with out.open("rb") as table:
        assert pq.read_schema(table).metadata[b"pix2z.input"] == rb"caf\xe9.h5"
    one_line(predicted(tmp_path / f"{NOT_TEXT}.npz", out), "no such file")


def test_a_pipe_that_nobody_writes_to_is_refused_at_once(predicted, pix2z_in, tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    no_file = "pipe.h5: expected a file"
    one_line(predicted(tmp_path / "pipe.h5", tmp_path / "z.csv"), no_file)
    one_line(pix2z_in(tmp_path, "inspect", "pipe.h5"), no_file)
    one_line(pix2z_in(tmp_path, "redshift", "pipe.h5", "--out", "z.csv"), "a pipe or a device")
    one_line(pix2z_in(tmp_path, "fetch", "sdss", "pipe.h5"), "pipe.h5: not CSV: it is empty")
    one_line(pix2z_in(tmp_path, "inspect", "a.h5", "--params", "pipe.h5"), "pipe.h5: expected")


def test_what_a_folder_holds_besides_galaxies_is_named(images_folder, predicted, tmp_path):
    folder = tmp_path / "night"
    (folder / "more").mkdir(parents=True)
    (folder / "a.h5").write_bytes((images_folder / "sdss32.h5").read_bytes())
    (folder / "a.cat.gz").write_bytes(b"of another telescope")
    out = tmp_path / "z.parquet"
    assert predicted(folder, out)[0] == 0
    converted = json.loads(pq.read_schema(out).metadata[b"pix2z.input_converted"])
    assert converted["left out"] == "a.cat.gz, more"


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_network_that_cannot_be_exported_is_one_line(pix2z_in, trained_pool, tmp_path, suffix):
    (tmp_path / "file").write_text("no folder")
    export = ("export", trained_pool / "seed-1", "--out")
    blocked, out = tmp_path / f"file/network{suffix}", tmp_path / f"network{suffix}"
    one_line(pix2z_in(tmp_path, *export, blocked), f"{blocked}: cannot be written (")
    with largest_file(20_000):
        answer = pix2z_in(tmp_path, *export, out)
    one_line(answer, f"{out}: cannot be written (", "File too large")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
