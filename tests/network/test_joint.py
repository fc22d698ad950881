import keras
import numpy as np
import pytest

from pix2z.network.estimator import Estimator, Member, fresh_model
from pix2z.network.joint import joined
from pix2z.redshift_pdf.calibration import Temperature
from pix2z.redshift_pdf.residual import fit_residual_pdf


@pytest.fixture
def images() -> np.ndarray:
    rng = np.random.default_rng(3)
    images = rng.normal(0.1, 0.05, (7, 32, 32, 5)).astype(np.float32)
    images[1, :, :, 0] = np.nan
    images[2, :4] = np.nan
    return images


def pool_of(architecture, settings, calibration, grid) -> Estimator:
    members = []
    for seed in (1, 2, 3):
        keras.utils.set_random_seed(seed)
        members.append(
            Member(
                architecture=architecture,
                model=fresh_model(architecture, settings, grid=grid),
                grid=grid,
                settings=settings,
                record={"seed": seed},
                calibration=calibration,
            )
        )
    return Estimator(tuple(members), calibration, "digest")


def assert_same(pool: Estimator, images: np.ndarray) -> None:
    joint = joined(pool)
    assert joint.digest == pool.digest
    for n in (1, 2, 7, 1):
        ebv = np.linspace(0.0, 0.1, n)
        expected, found = (one.estimate(images[:n], ebv) for one in (pool, joint))
        np.testing.assert_allclose(found.density, expected.density, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(found.z_median, expected.z_median, rtol=1e-5)
        np.testing.assert_array_equal(found.flags, expected.flags)


def test_a_joint_pool_of_hybrids_answers_as_its_members_do(grid, hybrid, images):
    settings = hybrid.model_dump(mode="json")
    pool = pool_of("hybrid", settings, Temperature(1.2), grid)
    apart = [member.raw(images, np.zeros(7, np.float32)) for member in pool.members]
    assert not np.allclose(apart[0], apart[1])  # the average is of networks that differ
    assert_same(pool, images)


def test_a_joint_pool_of_point_estimators_answers_as_its_members_do(grid, images):
    z_spec = np.linspace(0.05, 0.35, 400)
    noise = np.random.default_rng(0).normal(0, 0.01, 400)
    residuals = fit_residual_pdf(z_spec + noise, z_spec, grid=grid, n_phot_bins=4)
    settings = {"z_low": 0.02, "z_high": 0.35, "precision": "float32"}
    assert_same(pool_of("published_cnn", settings, residuals, grid), images)
