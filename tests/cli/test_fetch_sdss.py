"""``pix2z fetch sdss`` against a server on this machine: what it says, and how it ends."""

import signal
import subprocess
import sys
import time

import pytest

from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError
from pix2z.ingest.galaxies import ingest
from tests.archive.server import archive_serving, stall
from tests.archive.synthetic_sdss import (
    add_field,
    add_search,
    add_spectrum,
    frame_path,
    spectrum_path,
)
from tests.cli.conftest import one_line

FRAME = frame_path("r", 1000, 2, 30)
LISTED = "plate,mjd,fiberid\n300,51000,1\n300,51000,2\n"


@pytest.fixture
def archive():
    with archive_serving() as served:
        add_field(served, 1000, 2, 30)
        add_spectrum(served, 300, 51000, 1)
        add_spectrum(served, 300, 51000, 2, ra=150.001)
        yield served


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, with a list of two galaxies in another."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/galaxies.csv").write_text(LISTED)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(archive, folder, monkeypatch, pix2z_in):
    """Run the command: exit code, stdout, stderr."""
    monkeypatch.setattr("urllib3.util.Retry.sleep", lambda *_: None)
    command = ("fetch", "sdss", "lists/galaxies.csv", "--base-url", archive.url)
    return lambda *options: pix2z_in(folder, *command, *options)


def test_the_file_lies_beside_the_list_and_what_failed_is_named(run, folder, archive):
    del archive.files[spectrum_path(300, 51000, 1)]
    del archive.files[frame_path("u", 1000, 2, 30)]
    code, said, errors = run()
    assert (code, errors) == (0, "")
    lines = said.splitlines()
    assert lines[:3] == [
        "lists/sdss.h5: 1 of 2 galaxies, from 1 field",
        "  without a frame in u: 1",
        "1 failed, also listed in lists/sdss.failures.csv:",
    ]
    assert lines[3].startswith("  row 1, 0300-51000-0001: http://127.0.0.1:")
    assert lines[3].endswith("HTTP 404 Not Found")
    assert "Next: pix2z predict lists/sdss.h5 --out z.csv\n" in said
    assert "ingest:\n  source: lists/sdss.h5\n  layout: sdss32\n" in said
    assert "Funding for the Sloan Digital Sky Survey IV has been provided by" in said
    found = sorted(path.name for path in (folder / "lists").iterdir())
    assert found == ["galaxies.csv", "sdss-files", "sdss.failures.csv", "sdss.h5"]
    report = (folder / "lists/sdss.failures.csv").read_text().splitlines()
    assert len(report) == 2
    assert report[1].startswith("1,0300-51000-0001,http://127.0.0.1:")


def test_positions_are_a_list_too_and_what_has_no_redshift_is_said(run, folder, archive):
    with_spectrum = "1237650000000000001,150.0,2.0,1000,301,2,30,0.2751,300,51000,1,26"
    without = "1237650000000000002,150.002,2.0,1000,301,2,30,0.2751,null,null,null,null"
    query_url = add_search(archive, with_spectrum, without)
    (folder / "lists/galaxies.csv").write_text("ra,dec\n150,2\n150.002,2\n")
    code, said, errors = run("--query-url", query_url)
    assert (code, errors) == (0, "")
    assert said.splitlines()[:2] == [
        "lists/sdss.h5: 2 of 2 galaxies, from 1 field",
        "  without a spectrum, and so without a redshift: 1",
    ]
    assert "layout: sdss32" in said
    (folder / "lists/galaxies.csv").write_text("ra,dec\n150.002,2\n")
    _, said, _ = run("--query-url", query_url)
    assert "Next: pix2z predict lists/sdss.h5 --out z.csv\n" in said
    assert "ingest:" not in said


def test_names_of_files_can_be_given_and_only_some_of_many_failures_are_shown(run, folder):
    rows = "".join(f"300,51000,{fiber}\n" for fiber in range(1, 31))
    (folder / "lists/galaxies.csv").write_text(f"plate,mjd,fiberid\n{rows}")
    code, said, _ = run("--out", "a/b.h5", "--cache", "c", "--jobs", "8")
    assert code == 0
    assert (folder / "a/b.h5").is_file()
    assert said.count("\n  row ") == 20
    assert "\n  and 8 more\n" in said
    assert (folder / "a/b.failures.csv").read_text().count("\n") == 29
    assert len(list((folder / "c").rglob("*.fits"))) == 2


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("ra,de\n1,2\n", [], "lists/galaxies.csv: columns plate, mjd, fiberid missing"),
        (LISTED, ["--jobs", "9"], "--jobs: expected 1 to 8; received 9"),
        (LISTED, ["--out", "x.csv"], "x.csv: expected a name ending in .h5 or .hdf5"),
    ],
)
def test_a_list_or_an_option_that_cannot_be_is_one_line(run, folder, archive, text, options, words):
    (folder / "lists/galaxies.csv").write_text(text)
    one_line(run(*options), words)
    assert archive.asked == []
    assert [path.name for path in (folder / "lists").iterdir()] == ["galaxies.csv"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sdss.failures.csv", "is the list of objects, and lists/sdss.h5 has what failed listed"),
        ("sdss.h5", "is the input itself; expected another name"),
    ],
)
def test_no_output_replaces_the_list(pix2z_in, archive, folder, name, words):
    (folder / f"lists/{name}").write_text(LISTED)
    command = ("fetch", "sdss", f"lists/{name}", "--base-url", archive.url)
    one_line(pix2z_in(folder, *command), f"error: lists/{name}: {words}")
    assert (folder / f"lists/{name}").read_text() == LISTED
    assert archive.asked == []


def test_a_signal_ends_it_at_once_and_the_same_command_goes_on(run, folder, archive):
    archive.files[FRAME].script = [stall(900)]
    process = subprocess.Popen(
        [sys.executable, "-c", "from pix2z.cli import main; main()"]
        + ["fetch", "sdss", "lists/galaxies.csv", "--base-url", archive.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    partial = folder / f"lists/sdss-files/frames/301/1000/2/.partial-{FRAME.rsplit('/', 1)[1]}"
    deadline = time.monotonic() + 60
    while not (
        partial.exists()
        and partial.stat().st_size == 900
        and len(list(partial.parent.glob("frame-*.bz2"))) == 4
    ):
        assert time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    said, errors = process.communicate(timeout=30)  # the server stays silent for longer
    assert (process.returncode, said, errors) == (143, "", "")
    found = sorted(path.name for path in (folder / "lists").iterdir())
    assert found == ["galaxies.csv", "sdss-files"]
    archive.asked.clear()
    assert run()[0] == 0
    assert archive.asked == [FRAME]
    assert archive.files[FRAME].starts == [0, 900]


def test_softened_pixels_are_refused_by_name_where_photometry_is_checked(run, folder):
    assert run("--soften")[0] == 0
    limits = {"layout": "sdss32", "z_min": 0.0, "z_max": 0.4, "duplicate_radius_arcsec": 2.0}
    with pytest.raises(InputError, match="its pixels are softened to .0, 1., no flux"):
        ingest("lists/sdss.h5", "g.h5", **limits)
    assert ingest("lists/sdss.h5", "g.h5", check_photometry=False, **limits)["n_good"] == 2
    with open_galaxies("g.h5") as galaxies:
        assert galaxies.attribute("unit") == "softened to [0, 1], no flux"
