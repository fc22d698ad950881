import numpy as np
import pytest

from pix2z.evaluation.arm_galaxies import galaxy_terms, select_terms
from pix2z.evaluation.arm_metrics import coverage, metric_intervals, metric_values, seed_spread
from pix2z.evaluation.pdf_metrics import pdf_metrics
from pix2z.evaluation.point_metrics import point_metrics


def test_values_are_those_of_the_two_metric_modules(predictions):
    sample = predictions(100)
    keep = sample.z_spec < 0.1
    found = metric_values(select_terms(galaxy_terms([sample]), keep))
    z_phot, z_spec = sample.z_phot[keep], sample.z_spec[keep]
    expected = point_metrics(z_phot, z_spec)
    expected |= pdf_metrics(sample.density[keep], sample.grid, z_spec)
    assert found == pytest.approx(expected)


def test_intervals_hold_the_value_and_shrink_with_the_sample(terms):
    widths = []
    for n in (100, 1600):
        found = metric_intervals(terms(n), n_bootstrap=200, seed=1)
        for name in ("mae", "crps", "nmad"):
            assert found[name]["low"] < found[name]["value"] < found[name]["high"]
        widths.append(found["mae"]["high"] - found["mae"]["low"])
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.35)  # sqrt(1600 / 100)


def test_a_choice_of_metrics_has_the_values_of_all(terms):
    sample = terms(80)
    every = metric_intervals(sample, n_bootstrap=30, seed=1)
    for chosen in (("nmad", "crps"), ("seed_precision",), ("pit_ks", "rmse"), ()):
        found = metric_intervals(sample, n_bootstrap=30, seed=1, only=chosen)
        assert found == {name: every[name] for name in every if name in chosen}


def test_undefined_metrics_are_none_and_never_nan(terms):
    none = select_terms(terms(5), np.zeros(5, bool))
    found = metric_intervals(none, n_bootstrap=10, seed=1)
    assert all(entry == {"value": None, "low": None, "high": None} for entry in found.values())


def test_coverage_stands_beside_its_band():
    pit = (np.arange(1000) + 0.5) / 1000
    found = coverage(pit)
    assert found["coverage_68"]["value"] == pytest.approx(0.68)
    assert found["coverage_68"]["band_low"] < 0.68 < found["coverage_68"]["band_high"]
    assert coverage(pit**4)["coverage_95"]["value"] < found["coverage_95"]["band_low"]
    assert coverage(np.array([]))["coverage_95"]["value"] is None


def test_the_spread_of_seeds():
    assert seed_spread([{"mae": 1.0}, {"mae": 3.0}]) == {"mae": pytest.approx(np.sqrt(2))}
    assert seed_spread([{"mae": 1.0}]) == {"mae": None}
    assert seed_spread([]) == {}
