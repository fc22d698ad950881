import numpy as np
import pytest

from pix2z.evaluation.bootstrap import Resamples
from pix2z.study.attenuation import attenuation, colour_cells, slope_difference

MEANS = np.array([0.06, 0.12, 0.20])


@pytest.fixture(scope="module")
def galaxies():
    """Three colours with their own redshifts; an estimator that sees 0.6 of what is left."""
    rng = np.random.default_rng(4)
    cells = rng.integers(0, 3, 3000)
    z_spec = MEANS[cells] + rng.normal(0, 0.015, 3000)
    seen = MEANS[cells] + 0.6 * (z_spec - MEANS[cells]) + rng.normal(0, 0.003, 3000)
    resamples = Resamples(np.arange(3000), 200, 1)
    return z_spec, seen, cells, resamples


def test_a_planted_slope_is_found_in_every_cell_though_hardly_seen_over_all(galaxies):
    z_spec, seen, cells, resamples = galaxies
    report = attenuation(seen, z_spec, cells, resamples)
    for of in (report["pooled"], *report["cells"]):
        slope = of["along_z_spec"]
        assert slope["value"] == pytest.approx(0.6, abs=0.03)
        assert slope["low"] < slope["value"] < slope["high"] < 0.7
    assert np.polyfit(z_spec, seen, 1)[0] > 0.9
    assert sum(cell["n"] for cell in report["cells"]) == 3000


def test_a_posterior_mean_is_attenuated_and_right_along_z_phot(galaxies):
    z_spec, _, cells, resamples = galaxies
    noisy = z_spec + np.random.default_rng(5).normal(0, 0.015, len(z_spec))
    mean = MEANS[cells] + 0.5 * (noisy - MEANS[cells])
    pooled = attenuation(mean, z_spec, cells, resamples)["pooled"]
    assert pooled["along_z_spec"]["value"] == pytest.approx(0.5, abs=0.03)
    assert pooled["along_z_phot"]["low"] < 1 < pooled["along_z_phot"]["high"]


def test_the_difference_of_two_estimators_is_paired(galaxies):
    z_spec, seen, cells, resamples = galaxies
    same = slope_difference((seen, seen), z_spec, cells, resamples)["along_z_spec"]
    assert (same["value"], same["low"], same["high"]) == (0, 0, 0)
    more = slope_difference((z_spec, seen), z_spec, cells, resamples)["along_z_spec"]
    assert more["value"] == pytest.approx(0.4, abs=0.03)
    assert more["low"] > 0.35


def test_cells_are_fitted_to_training_galaxies_and_unknown_colours_have_none():
    rng = np.random.default_rng(6)
    blue, red = (rng.normal(centre, 0.05, (200, 4)) for centre in (0.3, 1.2))
    asked = np.array([[1.2] * 4, [0.3] * 4, [np.nan, 0.3, 0.3, 0.3]])
    cells = colour_cells(np.concatenate([red, blue]), asked, n_cells=2, seed=1)
    assert cells.tolist() == [1, 0, -1]


def test_a_band_that_is_absent_takes_only_its_colours_away():
    rng = np.random.default_rng(6)
    blue, red = (rng.normal(centre, 0.05, (200, 4)) for centre in (0.3, 1.2))
    training, asked = np.concatenate([red, blue]), np.array([[1.2] * 4, [0.3] * 4])
    for absent in ([0], [0, 1], [0, 1, 2]):
        training[:, absent] = asked[:, absent] = np.nan
        assert colour_cells(training, asked, n_cells=2, seed=1).tolist() == [1, 0]
    training[:, 3] = np.nan
    assert colour_cells(training, asked, n_cells=2, seed=1).tolist() == [-1, -1]


def test_galaxies_without_a_cell_are_left_out_and_small_cells_have_no_slopes(galaxies):
    z_spec, seen, cells, resamples = galaxies
    few = np.where(np.arange(3000) < 2985, np.where(cells == 2, -1, cells), 2)
    report = attenuation(seen, z_spec, few, resamples)
    assert set(report["cells"][2]) == {"n", "z_mean"}
    assert sum(cell["n"] for cell in report["cells"]) == np.count_nonzero(few >= 0) < 3000
