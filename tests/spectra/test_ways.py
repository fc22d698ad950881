"""Ways to a redshift set against the direct one, and the trees that read spectra."""

import numpy as np
import pytest

from pix2z.config.spectrum import BoostingConfig
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.spectra.ways import best_over_spectrum, compare_ways, fit_boosted, way_terms

GRID = RedshiftGrid(0.0, 0.4, 100)
N = 400
RULES = {"margin": 0.02, "n_bootstrap": 200, "seed": 1}
RNG = np.random.default_rng(4)
Z = np.clip(RNG.gamma(3.6, 0.03, N), 0.004, 0.39)
Z_CALIBRATION = np.clip(RNG.gamma(3.6, 0.03, 300), 0.004, 0.39)
COLUMNS = {
    "row": np.arange(N),
    "object_id": np.arange(N),
    "group_id": np.arange(N) // 2,
    "z_spec": Z,
    "mag_r": np.full(N, 17.0),
    "ebv": np.zeros(N),
}


def way(sigma):
    rng = np.random.default_rng(1)
    return tuple(z + rng.normal(0, sigma, len(z)) for z in (Z_CALIBRATION, Z))


def terms(way):
    return way_terms(way, Z_CALIBRATION, COLUMNS, grid=GRID)


def compared(**sigmas):
    ways = {name: terms(way(sigma)) for name, sigma in sigmas.items()}
    return compare_ways(ways, clip_window=(-0.01, 0.2), **RULES)


def test_a_worse_way_is_worse_by_a_paired_interval():
    found = compared(direct=0.01, templates=0.02)
    entry = next(c for c in found["contrasts"] if c["metric"] == "mae" and c["subset"] == "whole")
    assert (entry["a"], entry["b"]) == ("templates", "direct")
    assert 0 < entry["low"] <= entry["difference"] <= entry["high"]
    values = {name: way["whole"]["mae"]["value"] for name, way in found["ways"].items()}
    assert values["templates"] - values["direct"] == pytest.approx(entry["difference"])
    assert entry["margin"] == pytest.approx(0.02 * values["direct"])
    assert (entry["outcome"], entry["single_seed"]) == ("worse", ["templates"])


def test_the_best_way_over_a_spectrum_is_chosen_on_calibration_galaxies():
    calibration, test = way(0.01)
    worse, never = calibration + 0.02, np.full_like(calibration, np.nan)
    ways = {"network": (Z_CALIBRATION, Z), "boosted": (calibration, test + 0.1)}
    best, errors = best_over_spectrum(ways | {"templates": (worse, Z)}, Z_CALIBRATION, grid=GRID)
    assert best == "boosted"  # though on test galaxies the other is perfect, and so is `network`
    assert errors["network"] == 0.0
    best, errors = best_over_spectrum(ways | {"templates": (never, Z)}, Z_CALIBRATION, grid=GRID)
    median = np.median(Z_CALIBRATION)
    assert errors["templates"] == pytest.approx(np.abs(Z_CALIBRATION - median).mean())


def test_a_galaxy_without_a_redshift_counts_with_the_calibration_median():
    calibration, z_phot = way(0.01)
    z_phot[:10] = np.nan
    calibration[:5] = np.nan
    found = terms((calibration, z_phot))
    np.testing.assert_allclose(found.z_phot[:10], np.median(Z_CALIBRATION))
    assert np.isfinite(found.crps).all()


def test_trees_read_redshifts_off_spectra_and_stop_early():
    rng = np.random.default_rng(6)
    z = rng.uniform(0.02, 0.35, 900)
    axis = np.linspace(0, 1, 30)
    flux = np.exp(-0.5 * ((axis - z[:, None] * 2.5) / 0.1) ** 2) + rng.normal(0, 0.02, (900, 30))
    settings = BoostingConfig(
        max_depth=4,
        learning_rate=0.3,
        subsample=0.8,
        colsample=0.8,
        most_rounds=300,
        patience=10,
        n_pixels=30,
        seed=3,
    )
    trees = fit_boosted((flux[:500], z[:500]), (flux[500:700], z[500:700]), settings=settings)
    error = np.abs(trees.predict(flux[700:]) - z[700:])
    assert error.mean() < 0.01
    assert trees.best_iteration < 299
    again = fit_boosted((flux[:500], z[:500]), (flux[500:700], z[500:700]), settings=settings)
    np.testing.assert_array_equal(again.predict(flux[700:]), trees.predict(flux[700:]))
