import numpy as np
import pytest
from hypothesis import settings

from pix2z.redshift_pdf.density import median, normalise
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import Predictions

# The same examples on every run, and no deadline: a busy machine must not fail a test.
settings.register_profile("pix2z", derandomize=True, deadline=None)
settings.load_profile("pix2z")

GRID = RedshiftGrid(z_min=0.0, z_max=0.4, n_bins=180)


def gaussian_density(centre, sigma, grid=GRID):
    z = grid.centres[None, :]
    return normalise(np.exp(-0.5 * ((z - centre[:, None]) / sigma[:, None]) ** 2) + 1e-9, grid)


def make_predictions(n=400, *, sigma=0.015, offset=0.0, seed=1, clip=None):
    """Plausible predictions of the same n galaxies, whatever the arm.

    `sigma` and `offset` are the arm's own error and bias; `clip` is a largest redshift, as a
    network would have that never saw higher ones.
    """
    truth = np.random.default_rng(77)
    z_spec = np.clip(truth.gamma(3.6, 0.03, n), 0.003, 0.39)
    mag_r = 17.8 - truth.exponential(0.8, n)
    ebv = truth.gamma(2.0, 0.02, n)
    rng = np.random.default_rng(seed)
    centre = np.clip(z_spec + offset + rng.normal(0, sigma, n), 0.002, clip or 0.398)
    density = gaussian_density(centre, np.full(n, sigma))
    return Predictions(
        grid=GRID,
        density=density,
        row=np.arange(n) * 2,
        object_id=10 * np.arange(n) + 10**12,
        group_id=np.arange(n),
        z_spec=z_spec,
        z_phot=median(density, GRID),
        mag_r=mag_r,
        ebv=ebv,
    )


@pytest.fixture(scope="session")
def grid():
    return GRID


@pytest.fixture(scope="session")
def predictions():
    return make_predictions
