"""Galaxies made of frames and spectra that a server on this machine has, or has not."""

import bz2
import gc
import shutil
import subprocess
import sys
import textwrap
import tracemalloc
from itertools import pairwise

import h5py
import numpy as np
import pytest

from pix2z.archive.frames import unpacked_frame
from pix2z.archive.sdss.fetching import MOST_IN_A_ROW
from pix2z.archive.sdss.spectral_grid import LOGLAM
from pix2z.archive.softening import soften
from pix2z.dataset.photometry import aperture_photometry
from pix2z.errors import InputError, Pix2zError
from pix2z.files import file_digest
from pix2z.ingest.source import open_source
from pix2z.ingest.units import SOFTENED_UNIT
from tests.archive.server import answer, stall, truncate
from tests.archive.synthetic_sdss import (
    BANDS,
    FLUX,
    add_field,
    add_spectrum,
    frame_bytes,
    frame_path,
    spectrum_path,
)

N_FILES = 3 + 2 * len(BANDS)
HTML = b"<!DOCTYPE html><title>Scheduled maintenance</title>" * 10


def read(path):
    with h5py.File(path, "r") as file:
        found = {}
        file.visititems(
            lambda key, held: found.update({key: held[...]} if hasattr(held, "dtype") else {})
        )
        return found, dict(file.attrs)


def reasons(outcome):
    return {failure.name: failure.reason for failure in outcome.failures}


def test_the_file_holds_what_the_archive_has(fetch, out):
    outcome = fetch()
    assert (outcome.n_galaxies, outcome.n_fields, outcome.failures) == (3, 2, ())
    assert outcome.absent == dict.fromkeys(BANDS, 0)
    found, attributes = read(out)
    assert found["images"].shape == (3, 5, 32, 32)
    assert found["images"].dtype == np.float32
    assert found["specz_redshift"].tolist() == pytest.approx([0.05, 0.10, 0.15])
    assert found["specz_redshift_err"].tolist() == pytest.approx([1e-5] * 3)
    assert found["ObjID"].tolist() == [300_51000_0001, 300_51000_0002, 300_51000_0003]
    assert found["zwarning"].tolist() == [0, 0, 0]
    assert found["class"].tolist() == [b"GALAXY"] * 3
    assert found["ra"].tolist() == [150.0, 150.001, 150.0]
    assert found["dec"].tolist() == [2.0] * 3
    assert "e_bv" not in found
    assert attributes["unit"] == "nanomaggies"
    assert attributes["bands"] == BANDS
    assert attributes["pixel_scale"] == 0.396
    assert attributes["source"].startswith("real SDSS galaxies, data release 17")
    for name in ("flux", "ivar", "model"):
        assert found[f"spectra/{name}"].shape == (3, len(LOGLAM))
    np.testing.assert_array_equal(found["spectra/loglam"], LOGLAM)
    np.testing.assert_array_equal(found["spectra/flux"][1, 300:500], np.arange(200))
    assert np.isnan(found["spectra/model"][:, :300]).all()
    assert (found["spectra/ivar"][:, 500:] == 0).all()


def test_the_galaxy_is_in_the_middle_with_its_flux_in_every_band(fetch, out):
    fetch()
    images = read(out)[0]["images"]
    axis = np.arange(32) - 15.5
    for stamp in images[[0, 2]]:
        for band, pixels in zip(BANDS, stamp, strict=True):
            assert pixels.sum() == pytest.approx(FLUX[band], abs=2.0)
            assert abs((pixels.sum(axis=1) * axis).sum() / pixels.sum()) < 0.2
            assert abs((pixels.sum(axis=0) * axis).sum() / pixels.sum()) < 0.2
    # the second lies 3.6 arcsec, 9.1 pixels, to the east of the blob
    off = images[1, 2]
    assert abs((off.sum(axis=0) * axis).sum() / off.sum() - 9.08) < 0.3


def test_ingest_and_every_reader_take_it_for_a_seed_file(fetch, out):
    fetch()
    with open_source(out) as survey:
        assert survey.layout == "seed"
        assert survey.converted["unit"].startswith("nanomaggy, as attribute 'unit'")
        assert survey.table.has_positions
        assert survey.table.spectral_class.tolist() == [b"GALAXY"] * 3
        flux, _, _ = aperture_photometry(survey.read_images(0, 3))
    assert flux[0, -1, 2] == pytest.approx(FLUX["r"], rel=0.05)


def test_each_file_is_asked_for_once_however_many_galaxies_share_it(fetch, archive):
    fetch()
    assert len(archive.asked) == len(set(archive.asked)) == N_FILES


def test_a_second_run_asks_for_nothing_and_writes_the_same(fetch, archive, out):
    fetch()
    first, _ = read(out)
    archive.asked.clear()
    assert fetch().n_galaxies == 3
    assert archive.asked == []
    second, _ = read(out)
    for key, values in first.items():
        np.testing.assert_array_equal(values, second[key])


def test_frames_are_unpacked_once_and_stamps_cut_again_only_where_something_changed(
    fetch, archive, out, monkeypatch
):
    unpacked = []

    def counting(path):
        unpacked.append(path.name)
        return unpacked_frame(path)

    monkeypatch.setattr("pix2z.archive.sdss.assembly.unpacked_frame", counting)
    fetch()
    assert len(unpacked) == len(set(unpacked)) == 10
    first, _ = read(out)
    fetch()
    assert len(unpacked) == 10
    for key, values in read(out)[0].items():
        np.testing.assert_array_equal(values, first[key])
    archive.files[frame_path("r", 1000, 2, 31)].content = frame_bytes("r", seed=9)
    fetch(force=True)  # another frame in the one field
    assert unpacked[10:] == [f"frame-{band}-001000-2-0031.fits.bz2" for band in BANDS]
    fetch("plate,mjd,fiberid\n300,51000,2\n")  # another list for the other field
    assert unpacked[15:] == [f"frame-{band}-001000-2-0030.fits.bz2" for band in BANDS]
    np.testing.assert_array_equal(read(out)[0]["images"][0], first["images"][1])


@pytest.mark.parametrize("damage", [b"", b"PK\3\4", b"x" * 5000])
def test_damaged_stamps_are_cut_again(fetch, out, tmp_path, damage):
    fetch()
    first, _ = read(out)
    for path in (tmp_path / "files/stamps").rglob("*.npz"):
        path.write_bytes(damage or path.read_bytes()[:-200])
    assert fetch().n_galaxies == 3
    np.testing.assert_array_equal(read(out)[0]["images"], first["images"])


def test_with_force_everything_is_fetched_again(fetch, archive):
    fetch()
    archive.asked.clear()
    fetch(force=True)
    assert len(archive.asked) == N_FILES


def test_an_altered_file_of_the_cache_is_fetched_again(fetch, archive, tmp_path):
    fetch()
    (frame,) = tmp_path.rglob("frame-r-001000-2-0030.fits.bz2")
    frame.write_bytes(frame.read_bytes()[:-9] + b"x" * 9)
    archive.asked.clear()
    assert fetch().n_galaxies == 3
    assert archive.asked == [frame_path("r", 1000, 2, 30)]


def test_the_place_in_the_list_goes_before_that_in_the_spectrum(fetch, archive, out):
    add_spectrum(archive, 300, 51000, 4, field=(0, 0, 0))
    text = "plate,mjd,fiberid,run,camcol,field,ebv\n300,51000,4,1000,2,31,0.03\n300,51000,1,,,,\n"
    outcome = fetch(text)
    assert outcome.failures == ()
    assert archive.asked_for("1000-2-0031.fits.bz2") == 5
    assert read(out)[0]["e_bv"].tolist() == pytest.approx([0.03, np.nan], nan_ok=True)


def test_without_any_place_a_galaxy_fails_and_the_others_do_not(fetch, archive):
    add_spectrum(archive, 300, 51000, 4, field=(0, 0, 0))
    outcome = fetch("plate,mjd,fiberid\n300,51000,4\n300,51000,1\n")
    assert outcome.n_galaxies == 1
    assert reasons(outcome) == {
        "0300-51000-0004": "neither the list nor the spectrum (spec-0300-51000-0004.fits) says "
        "run, camcol and field of its image"
    }


def test_spectra_of_boss_come_from_their_own_branch(fetch, archive):
    add_spectrum(archive, 4000, 55000, 8, run2d="v5_13_2")
    outcome = fetch("plate,mjd,fiberid,run2d\n4000,55000,8,v5_13_2\n")
    assert outcome.n_galaxies == 1
    assert archive.asked[0] == (
        "/sas/dr17/eboss/spectro/redux/v5_13_2/spectra/lite/4000/spec-4000-55000-0008.fits"
    )


def test_a_band_without_a_frame_is_nan(fetch, archive, out):
    del archive.files[frame_path("u", 1000, 2, 30)]
    outcome = fetch()
    assert outcome.n_galaxies == 3
    assert outcome.absent == {"u": 2, "g": 0, "r": 0, "i": 0, "z": 0}
    images = read(out)[0]["images"]
    assert np.isnan(images[:2, 0]).all()
    assert np.isfinite(images[:2, 1:]).all()
    assert np.isfinite(images[2]).all()


def test_a_field_without_any_frame_fails(fetch, archive):
    for band in BANDS:
        del archive.files[frame_path(band, 1000, 2, 30)]
    outcome = fetch()
    assert outcome.n_galaxies == 1
    assert [failure.row for failure in outcome.failures] == [1, 2]
    for reason in reasons(outcome).values():
        assert reason.startswith("field 001000-2-0030 has no frame in any band: http://127.0.0.1:")
        assert reason.endswith("the server answers HTTP 404 Not Found")


FRAME = frame_path("r", 1000, 2, 30)
SPECTRUM = spectrum_path(300, 51000, 1)


@pytest.mark.parametrize("path", [FRAME, SPECTRUM])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (HTML, "begins with b'<!DOCTYPE html>"),
        (b"", "begins with b''"),
        ([answer(403)] * 9, "HTTP 403"),
        ([answer(500)] * 9, "gave up after 2 attempts without progress"),
        ([truncate(0)] * 9, "gave up after 2 attempts without progress"),
    ],
)
def test_a_file_that_does_not_come_fails_its_galaxies_alone(fetch, archive, path, change, words):
    if isinstance(change, bytes):
        archive.files[path].content = change
    else:
        archive.files[path].script = change
    outcome = fetch()
    failed = {"0300-51000-0001"} | ({"0300-51000-0002"} if path == FRAME else set())
    assert set(reasons(outcome)) == failed
    assert outcome.n_galaxies == 3 - len(failed)
    for reason in reasons(outcome).values():
        assert words in reason
        assert archive.url + path in reason
        assert "\n" not in reason


def broken(what):
    whole = frame_bytes("r")
    if what == "cut short in its bz2":
        return whole[: len(whole) // 2]
    if what == "damaged in its bz2":
        return whole[:2000] + bytes(50) + whole[2050:]
    if what == "no fits":
        return bz2.compress(HTML)
    if what == "cut short in its fits":
        return bz2.compress(bz2.decompress(whole)[:8000])
    if what == "without wcs":
        return frame_bytes("r", wcs=False)
    raise ValueError(what)


@pytest.mark.parametrize(
    "what",
    [
        "cut short in its bz2",
        "damaged in its bz2",
        "no fits",
        "cut short in its fits",
        "without wcs",
    ],
)
def test_a_frame_that_cannot_be_read_fails_its_field_alone(fetch, archive, what):
    archive.files[FRAME].content = broken(what)
    outcome = fetch()
    assert outcome.n_galaxies == 1
    assert set(reasons(outcome)) == {"0300-51000-0001", "0300-51000-0002"}
    for reason in reasons(outcome).values():
        assert "frame-r-001000-2-0030.fits.bz2" in reason
        assert "\n" not in reason


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.8])
def test_a_spectrum_that_is_cut_short_fails_alone(fetch, archive, keep):
    whole = archive.files[SPECTRUM].content
    archive.files[SPECTRUM].content = whole[: int(keep * len(whole))]
    outcome = fetch()
    assert outcome.n_galaxies == 2
    assert "spec-0300-51000-0001.fits" in reasons(outcome)["0300-51000-0001"]


def test_a_position_outside_its_frames_fails_alone(fetch, archive):
    add_spectrum(archive, 300, 51000, 2, ra=151.0)
    outcome = fetch()
    assert outcome.n_galaxies == 2
    reason = reasons(outcome)["0300-51000-0002"]
    assert reason.startswith("position 151.00000, +2.00000 is outside ")
    assert "frame-u-001000-2-0030.fits.bz2" in reason


def test_pixels_off_the_frame_are_nan(fetch, archive, out):
    add_spectrum(archive, 300, 51000, 2, ra=150.0 + 55 * 0.396 / 3600)  # 55 pixels to the east
    assert fetch().n_galaxies == 3
    off = np.isnan(read(out)[0]["images"][1])
    assert off.any(axis=(1, 2)).all()
    assert not off.all(axis=(1, 2)).any()


def test_other_spectral_pixels_fail_alone(fetch, archive):
    add_spectrum(archive, 300, 51000, 2, step=1.5)
    outcome = fetch()
    assert outcome.n_galaxies == 2
    assert "expected loglam in steps of 0.0001" in reasons(outcome)["0300-51000-0002"]


def test_nothing_at_all_leaves_what_was_there(fetch, archive, out):
    fetch()
    before = file_digest(out)
    outcome = fetch("plate,mjd,fiberid\n1,2,3\n")
    assert outcome.n_galaxies == 0
    assert "HTTP 404" in reasons(outcome)["0001-00002-0003"]
    assert file_digest(out) == before
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []


def test_a_file_that_comes_after_an_error_and_in_pieces_is_whole(fetch, archive, out):
    fetch()
    expected = read(out)[0]
    for path in (FRAME, SPECTRUM):
        archive.files[path].script = [answer(503), truncate(1000), truncate(700)]
        archive.files[path].requests.clear()
    fetch(force=True)
    for path in (FRAME, SPECTRUM):
        assert archive.files[path].starts == [0, 0, 1000, 1700]
    for key, values in read(out)[0].items():
        np.testing.assert_array_equal(values, expected[key])


def test_a_silent_server_is_left_and_taken_up_again(fetch, archive):
    archive.files[FRAME].script = [stall(1500)]
    assert fetch(read_timeout=0.3).n_galaxies == 3
    assert archive.files[FRAME].starts == [0, 1500]


def test_a_server_that_is_gone_is_not_asked_for_every_file(fetch, archive, tmp_path):
    for server in archive.files.values():
        server.script = [answer(503)] * 9
    rows = "".join(f"300,51000,{fiber}\n" for fiber in range(1, 41))
    for fiber in range(4, 41):
        archive.add(spectrum_path(300, 51000, fiber), b"").script = [answer(503)] * 9
    with pytest.raises(Pix2zError, match=f"{MOST_IN_A_ROW} files in a row did not come") as caught:
        fetch(f"plate,mjd,fiberid\n{rows}", attempts=1)
    assert str(caught.value).endswith(
        f"what has come is kept in {tmp_path / 'files'}, and the same command goes on from it"
    )
    assert type(caught.value) is Pix2zError
    assert len(archive.asked) < MOST_IN_A_ROW + 8
    assert not (tmp_path / "sdss.h5").exists()


def test_softened_pixels_say_so(fetch, out):
    fetch()
    plain = read(out)[0]["images"]
    fetch(softened=True)
    found, attributes = read(out)
    assert attributes["unit"] == SOFTENED_UNIT
    assert "softened" in attributes["source"]
    expected = soften(np.moveaxis(plain, 1, -1))
    np.testing.assert_array_equal(np.moveaxis(found["images"], 1, -1), expected)


def test_progress_counts_every_file_and_byte_once(fetch, archive):
    seen = []
    fetch(progress=seen.append)
    stages = {stage: [now for now in seen if now.doing == stage] for stage in ("spectra", "frames")}
    for stage, ending in (("spectra", ".fits"), ("frames", ".bz2")):
        sent = sum(
            len(server.content) for path, server in archive.files.items() if path.endswith(ending)
        )
        last = stages[stage][-1]
        assert last.n_done == last.n_files == {"spectra": 3, "frames": 10}[stage]
        assert last.n_bytes == sent
        assert all(a.n_bytes <= b.n_bytes for a, b in pairwise(stages[stage]))


def test_jobs_are_few(fetch):
    for jobs in (0, 9):
        with pytest.raises(InputError, match=f"--jobs: expected 1 to 8; received {jobs}"):
            fetch(jobs=jobs)


@pytest.mark.parametrize("url", ["ftp://host", "data.sdss.org", "http://host/?x=1", "http://h/#a"])
def test_other_servers_than_those_of_http_are_refused(fetch, url, out):
    with pytest.raises(InputError, match="expected a URL"):
        fetch(base_url=url)
    assert not out.exists()


def test_a_file_that_cannot_be_written_is_named(fetch, out):
    out.mkdir()
    with pytest.raises(InputError, match=r"sdss\.h5: cannot be written"):
        fetch()


def test_memory_is_that_of_a_field_not_of_the_list(fetch, archive, tmp_path):
    def peak(n_fields):
        rows = []
        for number in range(n_fields):
            add_field(archive, 2000, 1, number + 1)
            add_spectrum(archive, 400, 52000, number + 1, field=(2000, 1, number + 1))
            rows.append(f"400,52000,{number + 1}\n")
        text = "plate,mjd,fiberid\n" + "".join(rows)
        fetch(text)  # so that nothing of the server is counted
        shutil.rmtree(tmp_path / "files/stamps")
        gc.collect()
        tracemalloc.start()
        assert fetch(text).n_galaxies == n_fields
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few, many = peak(3), peak(12)
    # nine more stamps and spectra take 0.7 MB, their frames 1.9 MB
    # (the rows of lists and reports are kept, and what other tests left behind moves about)
    assert many - few < 0.6e6


def test_a_killed_process_goes_on_with_what_is_missing(archive, tmp_path, fetch, out):
    archive.files[FRAME].script = [stall(1000)]
    code = textwrap.dedent("""
        import sys
        from pathlib import Path
        from pix2z.archive.sdss.assembly import fetch_galaxies
        from pix2z.archive.sdss.objects import read_objects

        folder = Path(sys.argv[1])
        fetch_galaxies(read_objects(folder / "objects.csv"), folder / "sdss.h5",
                       cache=folder / "files", base_url=sys.argv[2], jobs=1,
                       progress=lambda now: print(now.n_done, now.n_bytes, flush=True))
    """)
    (tmp_path / "objects.csv").write_text("plate,mjd,fiberid\n300,51000,1\n")
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), archive.url], stdout=subprocess.PIPE, text=True
    ) as process:
        partial = tmp_path / "files/frames/301/1000/2/.partial-frame-r-001000-2-0030.fits.bz2"
        for _ in process.stdout:
            if partial.exists() and partial.stat().st_size == 1000:
                break
        process.kill()
    assert not out.exists()
    before = list(archive.asked)
    assert before[-1] == FRAME
    archive.asked.clear()
    assert fetch("plate,mjd,fiberid\n300,51000,1\n").n_galaxies == 1
    assert set(archive.asked).isdisjoint(before[:-1])
    assert archive.files[FRAME].starts == [0, 1000]
    assert len(archive.asked) == 6 - len(before) + 1
