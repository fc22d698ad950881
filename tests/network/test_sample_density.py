"""Planted galaxies that are unlike a sample are told apart; galaxies like it hardly ever are."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from pix2z.dataset.splits import Draws
from pix2z.errors import IntegrityError
from pix2z.network import arm
from pix2z.network import pool as saving
from pix2z.network.estimator import load_pool
from pix2z.network.sample_density import fit_sample_density
from pix2z.redshift_pdf.flags import ImageFlag
from pix2z.saved.sample_density import SampleDensity, density_features
from pix2z.saved.sealed import write_sealed
from tests.conftest import SKY, artificial_stamps
from tests.network.conftest import pool_training

N, N_TRAIN, N_CALIBRATION = 4200, 1500, 700


@pytest.fixture(scope="module")
def stamps():
    """(N, 32, 32, 5) artificial galaxies and their E(B-V): one distribution, in random order."""
    rng = np.random.default_rng(5)
    images = artificial_stamps(rng.uniform(0.02, 0.35, N), seed=6)
    return images, rng.uniform(0.01, 0.02, N).astype(np.float32)


@pytest.fixture(scope="module")
def density(stamps) -> SampleDensity:
    images, ebv = stamps
    galaxies = SimpleNamespace(images=lambda rows: images[rows], column=lambda _name: ebv)
    train, calibration = np.arange(N_TRAIN), np.arange(N_TRAIN, N_TRAIN + N_CALIBRATION)
    return fit_sample_density(galaxies, train=train, calibration=calibration)


@pytest.fixture(scope="module")
def held_out(stamps):
    """2,000 galaxies that neither the density nor its limit has seen."""
    images, ebv = stamps
    return images[N_TRAIN + N_CALIBRATION :], ebv[N_TRAIN + N_CALIBRATION :]


def test_one_percent_of_galaxies_like_the_sample_are_false_alarms(density, held_out):
    """Of 2,000: 7 of 700 lie below the limit, so that the share is known to 0.4 points."""
    assert 0.002 < density.unlike(*held_out).mean() < 0.022


@pytest.mark.parametrize("ebv_of_sample", [0.0, 0.02, 0.08])
def test_a_field_of_one_ebv_makes_no_galaxy_of_the_next_field_unlike(stamps, ebv_of_sample):
    images = stamps[0][: N_TRAIN + N_CALIBRATION + 500]
    ebv = np.full(len(images), ebv_of_sample, np.float32)
    galaxies = SimpleNamespace(images=lambda rows: images[rows], column=lambda _name: ebv)
    train, rest = np.arange(N_TRAIN), slice(N_TRAIN + N_CALIBRATION, None)
    of_field = fit_sample_density(
        galaxies, train=train, calibration=np.arange(N_TRAIN, N_TRAIN + N_CALIBRATION)
    )
    for apart in (0.002, 0.02):
        assert of_field.unlike(images[rest], ebv[rest] + np.float32(apart)).mean() < 0.03
    assert of_field.unlike(images[rest], ebv[rest] + np.float32(0.5)).mean() > 0.9


def test_the_density_is_that_of_normal_distributions(density, held_out):
    values = density_features(*held_out)[:50]
    normals = zip(density.weights, density.means, density.covariances, strict=True)
    expected = sum(
        weight * multivariate_normal(mean, covariance).pdf(values[:, density.features])
        for weight, mean, covariance in normals
    )
    np.testing.assert_allclose(density.log_density(values), np.log(expected), atol=1e-6)


def altered(images, case):
    images = images.copy()
    if case == "a star":
        star = np.zeros((32, 32))
        star[15:17, 15:17] = 0.25
        flux = images.sum(axis=(1, 2))
        noise = np.random.default_rng(1).normal(size=images.shape) * SKY
        return (star[None, :, :, None] * flux[:, None, None] + noise).astype(np.float32)
    if case == "g and r swapped":
        return images[..., [0, 2, 1, 3, 4]]
    if case == "i shifted by 4 pixels":
        images[..., 3] = np.roll(images[..., 3], 4, axis=1)
    if case == "i 20 % too bright":
        images[..., 3] *= 1.2
    if case == "empty sky":
        images[:] = np.random.default_rng(1).normal(size=images.shape) * SKY
    return images


@pytest.mark.parametrize(
    "case",
    ["a star", "g and r swapped", "i shifted by 4 pixels", "i 20 % too bright", "empty sky"],
)
def test_a_planted_case_is_unlike(density, held_out, case):
    images, ebv = (values[:200] for values in held_out)
    assert density.unlike(altered(images, case), ebv).mean() > 0.9


@pytest.mark.parametrize("missing", [0, 1, 2, 3, 4, "pixels", "ebv", "all"])
def test_what_is_missing_makes_no_galaxy_unlike(density, held_out, missing):
    images, ebv = (values[:1000].copy() for values in held_out)
    if missing == "ebv":
        ebv[:] = np.nan
    elif missing == "pixels":
        images[:, :6] = np.nan
    elif missing == "all":
        images[:], ebv[:] = np.nan, np.nan
    else:
        images[..., missing] = np.nan
    assert np.isfinite(density.log_density(density_features(images, ebv))).all()
    assert density.unlike(images, ebv).mean() < 0.025


def test_a_mixture_follows_a_sample_of_two_kinds():
    """In the middle between two kinds of galaxies there are none: one normal would not see it."""
    mean = np.array([[-3.0], [3.0]])
    two = SampleDensity(np.array([0]), np.array([0.5, 0.5]), mean, np.ones((2, 1, 1)), -5.0)
    found = two.log_density(np.array([[-3.0], [0.0], [3.0], [np.nan]]))
    normal = -0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(found[[0, 2]], normal + np.log(0.5), atol=1e-6)
    np.testing.assert_allclose(found[[1, 3]], normal - 4.5)  # what is missing is put at the mean


def test_too_small_a_sample_has_none(sample, sample_split):
    few = sample_split.calibration[:98]
    assert fit_sample_density(sample, train=sample_split.train, calibration=few) is None
    few = sample_split.train[:180]
    assert fit_sample_density(sample, train=few, calibration=sample_split.calibration) is None


def test_the_density_of_an_arm_is_fitted_to_all_that_some_seed_may_have_seen(
    sample, sample_split, tmp_path, monkeypatch
):
    draws = Draws(sample_split.train, seed=1)
    drawn = replace(sample_split, train=sample_split.train[:100], draws=draws)
    monkeypatch.setattr(arm, "_train_seed", lambda _task: np.zeros(1))
    monkeypatch.setattr(arm.PoolTraining, "calibration", lambda *_: None)
    saved = []
    monkeypatch.setattr(saving, "save_pool", lambda *given: saved.append(given[-1]))
    arm.train_arms([(pool_training(sample, drawn, tmp_path), (1,))])
    whole = fit_sample_density(
        sample, train=sample_split.train, calibration=sample_split.calibration
    )
    assert saved[0].to_dict() == whole.to_dict()


def test_a_pool_keeps_it_and_flags_a_star(trained_pool, sample, sample_split, tmp_path):
    pool = load_pool(trained_pool)
    again = SampleDensity.from_dict(json.loads(json.dumps(pool.sample_density.to_dict())))
    images, ebv = sample.images(sample_split.test), sample.column("ebv", sample_split.test)
    features = density_features(images, ebv)
    np.testing.assert_array_equal(
        pool.sample_density.log_density(features), again.log_density(features)
    )
    unlike = pool.estimate(images, ebv).flags & ImageFlag.UNLIKE_SAMPLE != 0
    assert unlike.mean() <= 0.06
    stars = pool.estimate(altered(images, "a star"), ebv).flags & ImageFlag.UNLIKE_SAMPLE != 0
    assert stars.mean() > 0.9
    forgetful = replace(pool, sample_density=None)  # as a pool of an earlier version
    assert not (forgetful.estimate(images, ebv).flags & ImageFlag.UNLIKE_SAMPLE).any()


def test_an_altered_density_is_refused_and_a_pool_without_one_loads(trained_pool, tmp_path):
    folder = tmp_path / "pool"
    shutil.copytree(trained_pool, folder)
    description = json.loads((folder / "pool.json").read_text())
    description["sample_density"]["lowest_log_density"] -= 1
    (folder / "pool.json").write_text(json.dumps(description))
    with pytest.raises(IntegrityError, match="does not match its digest"):
        load_pool(folder)
    del description["sample_density"], description["digest"]
    write_sealed(folder / "pool.json", description)
    assert load_pool(folder).sample_density is None
