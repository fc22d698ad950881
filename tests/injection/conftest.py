"""A blank field, the planted field, and galaxies of known light."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from pix2z.archive.frames import Frame
from pix2z.injection.galaxies import DrawnGalaxies
from pix2z.sky.rendering import Sources
from tests.field.conftest import frames, paths, planted  # noqa: F401
from tests.field.planted import BANDS, SHAPE, SKY, wcs_of

COLOUR = np.array([0.2, 0.5, 1.0, 1.4, 1.8])


def sources_of(n, *, mag_r=16.5, radius=2.0, fwhm=1.3):
    """Galaxies, half of the light in the bulge, a quarter of a pixel off their places."""
    one = np.ones(n)
    flux = 10 ** (0.4 * (22.5 - mag_r))
    return Sources(
        flux=flux * np.tile(COLOUR, (n, 1)),
        bulge_fraction=np.full((n, 5), 0.5),
        disc_half_light_radius=radius * one,
        bulge_half_light_radius=radius / 2 * one,
        disc_axis_ratio=0.6 * one,
        bulge_axis_ratio=0.8 * one,
        position_angle=30 * one,
        offset_x=0.1 * one,
        offset_y=-0.08 * one,
        psf_fwhm=np.full((n, 5), fwhm),
        psf_wings=np.full((n, 5), 0.3),
    )


def galaxies_of(n, **options):
    number = np.arange(n)
    return DrawnGalaxies(
        sources=sources_of(n, **options),
        z=0.05 + 0.2 * number / n,
        ebv=np.full(n, 0.03),
        parent=100 + number,
        copy=np.zeros(n, np.int64),
    )


def write_drawn(path, galaxies, *, n_moved=0):
    """Write them as the renderer does; the last ones are moved stamps of the first."""
    n = len(galaxies)
    moved = np.arange(n) >= n - n_moved
    parent = np.where(moved, galaxies.parent - (n - n_moved), galaxies.parent)
    truth = {
        "parent": parent,
        "moved": moved.astype(np.uint8),
        "z": galaxies.z,
        "ebv": galaxies.ebv,
        **vars(galaxies.sources),
    }
    with h5py.File(path, "w") as file:
        file["ObjID"] = file["specObjID"] = 10 * parent + moved
        file["ra"], file["dec"] = parent / 10.0, (parent % 90) / 1.0
        file["e_bv"] = galaxies.ebv.astype(np.float32)
        file["specz_redshift"] = galaxies.z.astype(np.float32)
        file["specz_redshift_err"] = np.full(n, 1e-4, np.float32)
        for name, values in truth.items():
            file[f"truth/{name}"] = values
    return path


def noise_of(band, *, scale=1.0):
    """A frame of white noise; bands are shifted as those of the planted field are."""
    index = BANDS.index(band)
    pixels = np.random.default_rng([7, index]).normal(0, SKY[index] * scale, SHAPE)
    return Frame(Path(f"{band}.fits"), pixels.astype(np.float32), wcs_of(band), band, "94-1")


@pytest.fixture(scope="session")
def blank():
    return {band: noise_of(band, scale=0.0) for band in BANDS}


@pytest.fixture(scope="session")
def noisy():
    return {band: noise_of(band) for band in BANDS}
