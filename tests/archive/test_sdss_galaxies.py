"""Galaxies made of frames and spectra that a server on this machine has, or has not."""

import gc
import shutil
import tracemalloc

import h5py
import numpy as np
import pytest

from pix2z.archive import sdss_stamps
from pix2z.archive.frames import read_frames
from pix2z.archive.many_downloads import MOST_IN_A_ROW
from pix2z.archive.sdss_galaxies import failures_path
from pix2z.archive.sdss_spectra import LOGLAM
from pix2z.errors import InputError, Pix2zError
from pix2z.files import file_digest
from tests.archive.server import answer, truncate
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
FRAME = frame_path("r", 1000, 2, 30)
SPECTRUM = spectrum_path(300, 51000, 1)


def read(path):
    """Arrays by key, and the attributes of the file."""
    with h5py.File(path, "r") as file:
        arrays = {}
        file.visititems(
            lambda key, held: arrays.update({key: held[...]} if hasattr(held, "dtype") else {})
        )
        return arrays, dict(file.attrs)


def reasons(outcome):
    return {failure.name: failure.reason for failure in outcome.failures}


# The file


def test_the_file_holds_what_the_archive_has(fetch, out):
    outcome = fetch()
    assert (outcome.n_galaxies, outcome.n_fields, outcome.failures) == (3, 2, ())
    assert outcome.absent == dict.fromkeys(BANDS, 0)
    arrays, attributes = read(out)
    assert arrays["images"].shape == (3, 5, 32, 32)
    assert arrays["specz_redshift"].tolist() == pytest.approx([0.05, 0.10, 0.15])
    assert arrays["ObjID"].tolist() == [300_51000_0001, 300_51000_0002, 300_51000_0003]
    assert arrays["zwarning"].tolist() == [0, 0, 0]
    assert arrays["class"].tolist() == [b"GALAXY"] * 3
    assert arrays["ra"].tolist() == [150.0, 150.001, 150.0]
    assert "e_bv" not in arrays
    assert attributes["unit"] == "nanomaggies"
    assert attributes["bands"] == BANDS
    assert attributes["pixel_scale"] == 0.396
    assert attributes["source"].startswith("real SDSS galaxies, data release 17")
    np.testing.assert_array_equal(arrays["spectra/loglam"], LOGLAM)
    np.testing.assert_array_equal(arrays["spectra/flux"][1, 300:500], np.arange(200))
    assert np.isnan(arrays["spectra/model"][:, :300]).all()
    assert (arrays["spectra/ivar"][:, 500:] == 0).all()


def test_the_galaxy_is_in_the_middle_with_its_flux_in_every_band(fetch, archive, out):
    add_spectrum(archive, 300, 51000, 3, ra=150.0 + 55 * 0.396 / 3600)  # at the frame's edge
    fetch()
    images = read(out)[0]["images"]
    axis = np.arange(32) - 15.5
    for band, pixels in zip(BANDS, images[0], strict=True):
        assert pixels.sum() == pytest.approx(FLUX[band], abs=2.0)
        assert abs((pixels.sum(axis=1) * axis).sum() / pixels.sum()) < 0.2
        assert abs((pixels.sum(axis=0) * axis).sum() / pixels.sum()) < 0.2
    # the second lies 3.6 arcsec, 9.1 pixels, to the east of the blob
    assert abs((images[1, 2].sum(axis=0) * axis).sum() / images[1, 2].sum() - 9.08) < 0.3
    off = np.isnan(images[2])
    assert off.any(axis=(1, 2)).all()
    assert not off.all(axis=(1, 2)).any()


def test_the_field_in_the_list_goes_before_that_in_the_spectrum(fetch, archive, out):
    add_spectrum(archive, 300, 51000, 4, field=(0, 0, 0))
    add_spectrum(archive, 300, 51000, 5, field=(0, 0, 0))
    text = "plate,mjd,fiberid,run,camcol,field,ebv\n300,51000,4,1000,2,31,0.03\n"
    outcome = fetch(f"{text}300,51000,1,,,,\n300,51000,5,,,,\n")
    assert reasons(outcome) == {
        "0300-51000-0005": "neither the list nor the spectrum (spec-0300-51000-0005.fits) says "
        "run, camcol and field of its image"
    }
    assert sum(path.endswith("1000-2-0031.fits.bz2") for path in archive.asked) == 5
    assert read(out)[0]["e_bv"].tolist() == pytest.approx([0.03, np.nan], nan_ok=True)


def test_spectra_of_boss_come_from_their_own_branch(fetch, archive):
    add_spectrum(archive, 4000, 55000, 8, run2d="v5_13_2")
    outcome = fetch("plate,mjd,fiberid,run2d\n4000,55000,8,v5_13_2\n")
    assert outcome.n_galaxies == 1
    assert archive.asked[0] == (
        "/sas/dr17/eboss/spectro/redux/v5_13_2/spectra/lite/4000/spec-4000-55000-0008.fits"
    )


# Nothing twice


def test_each_file_is_asked_for_once_and_a_second_run_asks_for_nothing(fetch, archive, out):
    fetch()
    assert len(archive.asked) == len(set(archive.asked)) == N_FILES
    first, _ = read(out)
    archive.asked.clear()
    assert fetch().n_galaxies == 3
    assert archive.asked == []
    again, _ = read(out)
    for key, values in first.items():
        np.testing.assert_array_equal(again[key], values)
    (frame,) = (out.parent / "files").rglob("frame-r-001000-2-0030.fits.bz2")
    frame.write_bytes(frame.read_bytes()[:-9] + b"x" * 9)
    fetch()
    assert archive.asked == [FRAME]  # what was altered, and no other


def test_stamps_are_cut_again_only_where_something_changed(
    fetch, archive, out, tmp_path, monkeypatch
):
    unpacked = []

    def counting(paths):
        unpacked.append({path.name[8:-9] for path in paths.values()})
        return read_frames(paths)

    monkeypatch.setattr(sdss_stamps, "read_frames", counting)
    fetch()
    assert unpacked == [{"001000-2-0030"}, {"001000-2-0031"}]
    first, _ = read(out)
    fetch()
    assert len(unpacked) == 2
    archive.files[frame_path("r", 1000, 2, 31)].content = frame_bytes("r", seed=9)
    fetch(force=True)  # another frame in the one field
    assert unpacked[2:] == [{"001000-2-0031"}]
    fetch("plate,mjd,fiberid\n300,51000,2\n")  # another list for the other field
    assert unpacked[3:] == [{"001000-2-0030"}]
    (stamps,) = (tmp_path / "files/stamps").rglob("*0030.npz")
    stamps.write_bytes(stamps.read_bytes()[:-200])
    fetch("plate,mjd,fiberid\n300,51000,2\n")
    np.testing.assert_array_equal(read(out)[0]["images"][0], first["images"][1])
    assert len(unpacked) == 4 + 1


# What is missing or broken


def test_a_band_without_a_frame_is_nan_and_a_field_without_any_fails(fetch, archive, out):
    del archive.files[frame_path("u", 1000, 2, 30)]
    for band in BANDS:
        del archive.files[frame_path(band, 1000, 2, 31)]
    outcome = fetch()
    assert outcome.n_galaxies == 2
    assert outcome.absent == {"u": 2, "g": 0, "r": 0, "i": 0, "z": 0}
    images = read(out)[0]["images"]
    assert np.isnan(images[:, 0]).all()
    assert np.isfinite(images[:, 1:]).all()
    (failure,) = outcome.failures
    assert failure.row == 3
    assert failure.reason.startswith("field 001000-2-0031 has no frame in any band: http://127.0.")
    assert failure.reason.endswith("the server answers HTTP 404 Not Found")
    assert failures_path(out).read_text().splitlines() == [
        "row,object,reason",
        f"3,0300-51000-0003,{failure.reason}",
    ]


WHOLE = frame_bytes("r")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(WHOLE[:2000] + bytes(50) + WHOLE[2050:], id="damaged in its bz2"),
        pytest.param(frame_bytes("r", wcs=False), id="without wcs"),
    ],
)
def test_a_frame_that_cannot_be_read_fails_its_field_alone(fetch, archive, content):
    archive.files[FRAME].content = content
    outcome = fetch()
    assert outcome.n_galaxies == 1
    assert set(reasons(outcome)) == {"0300-51000-0001", "0300-51000-0002"}
    for reason in reasons(outcome).values():
        assert "frame-r-001000-2-0030.fits.bz2" in reason
        assert "\n" not in reason


def test_a_galaxy_whose_spectrum_or_position_is_bad_or_does_not_come_fails_alone(fetch, archive):
    whole = archive.files[SPECTRUM].content
    archive.files[SPECTRUM].content = whole[: len(whole) // 2]
    add_spectrum(archive, 300, 51000, 2, ra=151.0)
    add_spectrum(archive, 300, 51000, 4, step=1.5)
    add_spectrum(archive, 300, 51000, 5)
    archive.files[spectrum_path(300, 51000, 5)].script = [truncate(0)] * 9
    outcome = fetch("plate,mjd,fiberid\n" + "".join(f"300,51000,{n}\n" for n in range(1, 6)))
    assert outcome.n_galaxies == 1
    short, outside, steps, dropped = reasons(outcome).values()
    assert "spec-0300-51000-0001.fits" in short
    assert outside.startswith("position 151.00000, +2.00000 is outside ")
    assert "frame-u-001000-2-0030.fits.bz2" in outside
    assert "expected loglam in steps of 0.0001" in steps
    assert "0005.fits: gave up after 2 attempts without progress" in dropped


def test_nothing_at_all_is_one_line_and_leaves_what_was_there(fetch, out):
    fetch()
    before = file_digest(out)
    with pytest.raises(InputError, match=r"none of 1 galaxies .* 0001-00002-0003: .*HTTP 404"):
        fetch("plate,mjd,fiberid\n1,2,3\n")
    assert file_digest(out) == before
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []
    assert failures_path(out).read_text().count("\n") == 2


def test_a_server_that_is_gone_is_not_asked_for_every_file(fetch, archive, tmp_path):
    rows = "".join(f"300,51000,{fiber}\n" for fiber in range(1, 41))
    for fiber in range(1, 41):
        archive.add(spectrum_path(300, 51000, fiber), b"").script = [answer(503)] * 9
    with pytest.raises(Pix2zError, match=f"{MOST_IN_A_ROW} files in a row did not come") as caught:
        fetch(f"plate,mjd,fiberid\n{rows}", attempts=2)
    assert str(caught.value).endswith(
        f"what has come is kept in {tmp_path / 'files'}, and the same command goes on from it"
    )
    assert type(caught.value) is Pix2zError
    assert len(set(archive.asked)) < 40
    assert not (tmp_path / "sdss.h5").exists()


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
        assert fetch(text, jobs=1).n_galaxies == n_fields
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few, many = peak(2), peak(6)
    # four more stamps and spectra take 0.3 MB, their frames 0.9 MB
    # (the rows of lists and reports are kept, and what other tests left behind moves about)
    assert many - few < 0.25e6
