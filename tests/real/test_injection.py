"""Rendered galaxies in real frames: the seeing is that of SDSS, stamps hold what was put in."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pix2z.field.frames import open_field
from pix2z.injection.detected import completeness, search
from pix2z.injection.galaxies import read_drawn
from pix2z.injection.measured import in_field
from pix2z.injection.seeing import measure_seeing
from tests.real.test_catalogue import REFERENCE

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def field(real_data: Path):
    frames = open_field(sorted((real_data / "frames").glob(f"frame-?-{REFERENCE}.fits.bz2")))
    return frames, measure_seeing(frames)


@pytest.fixture(scope="module")
def galaxies(rendered):
    sky, split = rendered
    return read_drawn(sky / "raw.h5").take(split.test[:120])


def test_the_seeing_is_that_of_sdss(field, real_data: Path):
    table = fits.getdata(real_data / f"catalogues/photoObj-{REFERENCE}.fits")
    ratio = field[1].fwhm / np.median(table["PSF_FWHM"], axis=0)
    assert (ratio > 0.95).all()
    assert (ratio < 1.01).all()


def test_most_places_hold_the_galaxy_and_little_else(field, galaxies):
    frames, seeing = field
    found = in_field(frames, seeing, galaxies, np.random.default_rng(1))
    assert np.isfinite(found.real).all()
    assert 0.85 < (found.fainter > 2.5).mean() < 1
    excess = (found.real - found.alone).sum(axis=(1, 2))[:, 2] / galaxies.sources.flux[:, 2]
    assert abs(np.median(excess)) < 0.03


def test_galaxies_are_found_and_stars_are_not_called_galaxies(field, galaxies):
    frames, seeing = field
    result = search(frames, seeing, galaxies.take(np.arange(60)), np.random.default_rng(1))
    whole = completeness(result)[-1]
    assert whole["complete"]["value"] > 0.9
    assert whole["star_called_galaxy"]["value"] < 0.1
