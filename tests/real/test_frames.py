"""Stamps cut from real SDSS frames."""

import bz2
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pix2z.archive.frames import Frame, cut_stamps, read_frame
from pix2z.dataset.photometry import aperture_photometry, magnitude, sky_sigma
from pix2z.errors import InputError
from pix2z.imaging import SKY_SIGMA

GALAXY = {"ra": 229.52557, "dec": 42.74585}
BANDS = "ugriz"


@pytest.fixture(scope="module")
def frames(real_data: Path) -> dict[str, Frame]:
    return {b: read_frame(real_data / f"frames/frame-{b}-003918-3-0213.fits.bz2") for b in BANDS}


def test_the_galaxy_is_centred_in_every_band(frames):
    stamp = cut_stamps(frames, **GALAXY)
    assert stamp.shape == (32, 32, 5)
    assert np.isfinite(stamp).all()
    for band in (1, 2, 3, 4):  # in u its companion is as bright
        peak = np.unravel_index(np.argmax(stamp[..., band]), (32, 32))
        assert np.hypot(peak[0] - 15.5, peak[1] - 15.5) < 1.5, BANDS[band]


def test_its_colours_are_a_galaxys(frames):
    flux, _, _ = aperture_photometry(cut_stamps(frames, **GALAXY)[None])
    u, g, r, i, z = magnitude(flux)[0, 4]
    assert 0.5 < u - g < 2.5
    assert 0.2 < g - r < 1.2
    assert 0.0 < r - i < 0.7
    assert 0.0 < i - z < 0.6


def test_blank_sky_has_the_noise_of_sdss(frames):
    wcs = frames["r"].wcs
    noises = []
    for row, column in [(200, 300), (700, 900), (1200, 1500), (400, 1700), (1000, 400)]:
        ra, dec = (float(v) for v in wcs.all_pix2world(column, row, 0))
        noises.append(sky_sigma(cut_stamps(frames, ra=ra, dec=dec)[None])[0])
    # fields differ by some tens of percent
    assert (np.abs(np.median(noises, axis=0) / np.array(SKY_SIGMA) - 1) < 0.35).all()


def test_pixels_off_the_frame_and_missing_bands_are_nan(frames):
    ra, dec = (float(v) for v in frames["r"].wcs.all_pix2world(3.0, 700.0, 0))
    stamp = cut_stamps({b: frames[b] for b in "gri"}, ra=ra, dec=dec)
    assert np.isnan(stamp[..., [0, 4]]).all()
    assert np.isnan(stamp[:, 0, 2]).all()
    assert np.isfinite(stamp[:, -1, 2]).all()


def test_a_file_without_an_image_is_named(tmp_path):
    fits.PrimaryHDU().writeto(tmp_path / "frame-r.fits")
    with pytest.raises(InputError, match=r"frame-r\.fits"):
        read_frame(tmp_path / "frame-r.fits")


def test_bz2_and_plain_frames_are_the_same(real_data, tmp_path):
    source = real_data / "frames/frame-u-003918-3-0213.fits.bz2"
    plain = tmp_path / "frame-u.fits"
    plain.write_bytes(bz2.decompress(source.read_bytes()))
    np.testing.assert_array_equal(read_frame(plain).pixels, read_frame(source).pixels)
