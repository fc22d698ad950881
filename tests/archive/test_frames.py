"""Stamps cut from small frames, and frames whose header says that they are something else."""

import bz2
import io

import numpy as np
import pytest
from astropy.io import fits

from pix2z.archive.frames import cut_stamps, read_frame, read_frames
from pix2z.errors import InputError
from tests.archive.synthetic_sdss import DEC, RA, SCALE, frame_bytes, place_in

SIGMA = 0.005
"""Noise of the frames' sky."""


@pytest.fixture
def frames(tmp_path):
    """The r frame, of a galaxy of 750 sigma at its core."""
    (tmp_path / "frame-r.fits.bz2").write_bytes(frame_bytes("r"))
    return {"r": read_frame(tmp_path / "frame-r.fits.bz2")}


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("size", [1, 3])
def test_masked_pixels_leave_the_others_as_they_are(frames, value, size):
    """Once, a NaN at the core was 0 when it was shifted, and rang through 64 pixels."""
    whole = cut_stamps(frames, ra=RA, dec=DEC)[..., 2]
    column, row = (int(place) for place in place_in("r"))
    frames["r"].pixels[row : row + size, column : column + size] = value
    masked = cut_stamps(frames, ra=RA, dec=DEC)[..., 2]
    lost = np.isnan(masked)
    assert size**2 <= lost.sum() <= (size + 1) ** 2
    assert np.abs(np.argwhere(lost) - 15.5).max() < 3
    assert np.abs((masked - whole)[~lost]).max() < 3 * SIGMA


def test_a_stamp_without_masked_pixels_is_only_shifted(frames):
    """Its flux is that of the frame around the place."""
    stamp = cut_stamps(frames, ra=RA, dec=DEC)[..., 2]
    assert np.isfinite(stamp).all()
    assert stamp.sum() == pytest.approx(150.0, rel=0.01)


@pytest.mark.parametrize("value", [-9999.0, -99.0])
def test_pixels_far_below_the_sky_are_masked_and_no_others(tmp_path, value):
    with fits.open(io.BytesIO(bz2.decompress(frame_bytes("r")))) as hdus:
        hdus[0].data[:20, :30] = value
        hdus.writeto(tmp_path / "frame.fits")
    masked = np.isnan(read_frame(tmp_path / "frame.fits").pixels)
    assert masked[:20, :30].all()
    assert masked.sum() == 20 * 30


# Headers.


@pytest.fixture
def write(tmp_path):
    """Return what writes an r frame with these cards, its pixels over a number."""

    def write_frame(over=1.0, **cards):
        with fits.open(io.BytesIO(bz2.decompress(frame_bytes("r")))) as hdus:
            hdus[0].data = (hdus[0].data / over).astype(np.float32)
            hdus[0].header.update(cards)
            hdus.writeto(tmp_path / "frame.fits", overwrite=True)
        return tmp_path / "frame.fits"

    return write_frame


@pytest.mark.parametrize(
    ("over", "cards"),
    [
        (1.0, {"BUNIT": "nanomaggy", "SOFTBIAS": 1000, "FILTER": "r"}),  # as SDSS writes it
        (1 / 3.631, {"BUNIT": "uJy"}),
        (0.1, {"BUNIT": "adu", "MAGZERO": 25.0}),
        (2.0, {"BUNIT": "2 nanomaggy", "FILTER": "SDSS r"}),
    ],
)
def test_a_frame_is_in_nanomaggies_whatever_its_unit(write, over, cards):
    plain = read_frame(write()).pixels
    np.testing.assert_allclose(read_frames({"r": write(over, **cards)})["r"].pixels, plain, 1e-5)


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("frame-r-000094-1-0012.fits", True),
        ("frame-r-000095-1-0012.fits", False),
        ("frame-r-000094-1-0013.fits", False),
        ("frame-g-000094-1-0012.fits", False),
        ("mine.fits", True),
    ],
)
def test_a_name_that_contradicts_the_header_is_refused(write, name, holds):
    path = write(FILTER="r", RUN=94, CAMCOL=1, FRAME=12)
    path = path.rename(path.with_name(name))
    if holds:
        assert read_frame(path).run == "94-1"
    else:
        with pytest.raises(InputError, match=f"{name}: is the r frame of field 000094-1-0012 by"):
            read_frame(path)


@pytest.mark.parametrize(
    ("cards", "words"),
    [
        ({"BUNIT": "DN"}, "BUNIT 'DN': expected a flux density"),
        ({"BUNIT": "counts", "SOFTBIAS": 1000}, "BUNIT 'counts': expected a flux density"),
        ({"SOFTBIAS": 1000}, "SOFTBIAS 1000 without BUNIT: expected a corrected frame"),
        ({"FILTER": "g"}, "FILTER 'g' contradicts what is given, r"),
        ({"MAGZERO": "unknown zero"}, "MAGZERO 'unknown zero': expected"),
        (
            {"CD1_1": -0.2 / 3600, "CD2_2": 0.2 / 3600},
            r"expected pixels of 0.396 arcsec; received, by its WCS \(CD or CDELT\), 0.2 x 0.2",
        ),
        ({"CD2_2": 2 * SCALE}, "received, by its WCS .* 0.396 x 0.792"),
        (
            {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN"},
            r"no celestial WCS with RA first \(CTYPE1\)",
        ),
        ({"RADESYS": "FK4", "EQUINOX": 1950.0}, r"expected coordinates in ICRS.* FK4 of 1950$"),
        ({"RADESYS": "GAPPT"}, r"expected coordinates in ICRS.*, GAPPT of"),
    ],
)
def test_another_image_is_refused_by_the_card(write, cards, words):
    path = write(**cards)
    with pytest.raises(InputError, match=words) as caught:
        read_frames({"r": path})
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
