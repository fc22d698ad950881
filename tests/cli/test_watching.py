"""``pix2z catalogue --watch``: fields that come, that are damaged, that are done already."""

import re
import shutil

import pandas as pd
import pytest

from pix2z.cli import watching
from tests.catalogue.conftest import largest_file
from tests.cli.conftest import one_line
from tests.field.planted import plant, write_field

FIELD, OTHER = "000094-1-0012", "000094-1-0013"


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Band -> a frame."""
    paths = write_field(tmp_path_factory.mktemp("field"), plant(), packed="")
    return {path.name[0]: path for path in paths}


@pytest.fixture
def put(tmp_path, frames):
    """Return what puts frames of a field into the folder that is watched."""
    (tmp_path / "in").mkdir()

    def copy(field=FIELD, bands="ugriz"):
        for band in bands:
            shutil.copy(frames[band], tmp_path / f"in/frame-{band}-{field}.fits")

    return copy


@pytest.fixture
def watch(images_folder, pix2z_in, tmp_path, monkeypatch):
    """Return what watches the folder, does `steps` one after the other between looks, ends."""

    def run(*options, steps=(), frames=()):
        left = iter(steps)

        def sleep(_):
            step = next(left, None)
            if step is None and "--once" not in options:
                raise KeyboardInterrupt
            if step is not None:
                step()

        monkeypatch.setattr(watching.time, "sleep", sleep)
        wanted = ("--model", "full", "--watch", tmp_path / "in", "--out", tmp_path / "out")
        return pix2z_in(images_folder, "catalogue", *frames, *wanted, *options)

    return run


def nothing():
    pass


def written(tmp_path):
    return sorted(path.name for path in (tmp_path / "out").glob("*"))


def test_fields_that_come_become_tables_and_ctrl_c_ends_it(watch, put, tmp_path):
    put(bands="ugr")
    steps = [nothing, lambda: put(bands="iz"), nothing, lambda: put(OTHER, "ug"), nothing]
    code, said, errors = watch(steps=steps)
    assert code == 130
    first, field = said.splitlines()
    assert first == f"Watching {tmp_path}/in; tables in {tmp_path}/out; Ctrl-C ends it"
    line = rf"{FIELD}: 63 sources, 12 galaxies, (\d+) redshifts; latency (\d+\.\d) s"
    n, latency = re.fullmatch(line, field).groups()
    assert float(latency) < 60
    assert errors == (
        f"interrupted: 1 field written to {tmp_path}/out, 1 waiting for frames ({OTHER}: r i z); "
        "the same command goes on from there\n"
    )
    table = pd.read_parquet(tmp_path / f"out/{FIELD}.parquet")
    assert table["pix2z_z_median"].notna().sum() == int(n) > 5


def test_once_ends_by_itself_and_what_is_finished_is_not_done_again(watch, put, tmp_path):
    put()
    code, said, errors = watch("--once")
    assert (code, errors) == (0, "")
    assert said.splitlines()[-1] == f"1 field written to {tmp_path}/out"
    put(OTHER)
    inode = (tmp_path / f"out/{FIELD}.parquet").stat().st_ino
    code, said, _ = watch("--once")
    assert said.splitlines()[-1] == f"1 field written to {tmp_path}/out, 1 finished before"
    assert code == 0
    assert (tmp_path / f"out/{FIELD}.parquet").stat().st_ino == inode
    _, said, _ = watch("--once", "--limit", "17")
    assert said.splitlines()[-1] == f"2 fields written to {tmp_path}/out"
    (tmp_path / f"out/{FIELD}.parquet").write_text("no table")
    _, said, _ = watch("--once", "--limit", "17")
    assert said.splitlines()[-1] == f"1 field written to {tmp_path}/out, 1 finished before"


def test_a_folder_for_the_tables_may_have_a_point_in_its_name(watch, put, tmp_path):
    put()
    (tmp_path / "run.2").mkdir()
    code, _, errors = watch("--once", "--out", tmp_path / "run.2")
    assert (code, errors) == (0, "")
    assert (tmp_path / f"run.2/{FIELD}.parquet").is_file()


def test_a_damaged_frame_is_named_others_go_on_and_it_is_tried_again(watch, put, tmp_path):
    put()
    put(OTHER)
    damaged = tmp_path / f"in/frame-r-{FIELD}.fits"
    damaged.write_bytes(damaged.read_bytes()[:5000])
    (tmp_path / "in/notes.fits").write_text("no frame")
    steps = [nothing, nothing, lambda: put(FIELD, "r"), nothing]
    code, said, errors = watch(steps=steps)
    assert code == 130
    assert [line[:13] for line in said.splitlines()[1:]] == [OTHER, FIELD]
    damage, stranger, _ = errors.splitlines()
    assert damage.startswith(f"error: {FIELD}: {damaged}: not a FITS frame")
    assert stranger.startswith(f"error: {tmp_path}/in/notes.fits: ")
    assert written(tmp_path) == [f"{FIELD}.parquet", f"{OTHER}.parquet"]


def test_once_says_by_its_exit_code_that_a_field_failed_or_a_file_is_no_frame(watch, put, tmp_path):
    put()
    put(OTHER)
    shutil.copy(tmp_path / f"in/frame-u-{FIELD}.fits", tmp_path / f"in/frame-u-{FIELD}.fits.bz2")
    for failed in ("1 failed", "2 failed"):
        code, said, errors = watch("--once")
        assert code == 2
        assert errors.startswith(f"error: {FIELD}: ")
        assert said.splitlines()[-1].endswith(f", {failed}")
        (tmp_path / "in/notes.fits").write_text("no frame")


def test_what_was_mended_or_taken_away_is_not_counted_as_failed(watch, put, tmp_path):
    put()
    watch("--once")
    frame, stranger = tmp_path / f"in/frame-r-{FIELD}.fits", tmp_path / "in/notes.fits"
    whole = frame.read_bytes()
    frame.write_bytes(whole[:5000])
    stranger.write_text("no frame")
    steps = [nothing, lambda: frame.write_bytes(whole), stranger.unlink, nothing]
    _, _, errors = watch(steps=steps)
    *complaints, end = errors.splitlines()
    assert [line[:6] for line in complaints] == ["error:", "error:"]
    assert end.startswith(f"interrupted: 0 fields written to {tmp_path}/out, 1 finished before;")


def test_a_field_is_counted_once_whatever_becomes_of_its_frames(watch, put, tmp_path):
    put()
    frame = tmp_path / f"in/frame-r-{FIELD}.fits"
    for step in (lambda: frame.chmod(0o600), lambda: frame.write_bytes(frame.read_bytes() + b"x")):
        _, _, errors = watch(steps=[nothing, step, nothing, nothing])
        assert errors.startswith(f"interrupted: 1 field written to {tmp_path}/out;")


def test_a_full_disk_ends_it_and_keeps_what_is_finished(watch, put, tmp_path):
    put()
    watch("--once")
    put(OTHER)
    with largest_file(4000):
        code, _, errors = watch("--once")
    assert (code, errors.count("\n")) == (2, 1)
    assert f"{OTHER}.parquet: cannot be written" in errors
    assert written(tmp_path) == [f"{FIELD}.parquet"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--at", "list.csv"], "--at: is of one field; expected FRAMES instead of --watch"),
        (["--box", "1,2,3,4"], "--box: is of one field"),
        (["--pdf", "z.hdf5"], "--pdf: is of one field"),
        (["--plot", "z.png"], "--plot: is of one field"),
        (["--regions", "z.reg"], "--regions: is of one field"),
        (["--limit", "nan"], "--limit: expected a magnitude"),
        (["--watch", "nowhere"], "--watch nowhere: expected a folder; there is none"),
        (["--out", "all.parquet"], "--out all.parquet: expected the name of a folder"),
        (["--out", "galaxies.h5"], "--out galaxies.h5: expected the name of a folder"),
    ],
)
def test_options_that_do_not_go_with_it_are_one_line(watch, put, tmp_path, options, words):
    one_line(watch(*options), f"error: {words}")
    assert written(tmp_path) == []


def test_frames_and_a_folder_do_not_go_together(watch, put, frames, pix2z_in, images_folder):
    one_line(watch(frames=frames.values()), "expected FRAMES or --watch FOLDER, not both")
    call = ("catalogue", "--out", "a.csv")
    none, once = (pix2z_in(images_folder, *call, *also) for also in ((), (frames["u"], "--once")))
    one_line(none, "expected the five FRAMES of a field, or --watch FOLDER")
    one_line(once, "--once: expected --watch FOLDER with it")
