import json

import numpy as np
import pytest

from pix2z.evaluation.arm_galaxies import ArmGalaxies, galaxy_terms, select_terms
from pix2z.evaluation.arm_metrics import (
    arm_report,
    bin_edges,
    binned_metrics,
    coverage,
    metric_intervals,
    metric_values,
    seed_spread,
    subset_values,
)
from pix2z.evaluation.metric_names import METRICS
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


def test_every_metric_of_the_comparison_is_measured(terms):
    measured = metric_values(terms(20))
    assert set(METRICS) <= set(measured)
    assert {name for name in measured if not name.startswith("seed_")} <= set(METRICS)


@pytest.fixture(scope="module")
def report(terms):
    window = (-0.006, 0.224)
    arm = ArmGalaxies(terms(200), {1: subset_values(terms(200, seed=2), window)})
    return arm_report("full", arm, clip_window=window, n_bootstrap=40, seed=1)


def test_the_report_is_json_of_all_subsets(report):
    json.dumps(report, allow_nan=False)
    assert report["n"]["inside"] + report["n"]["outside"] == report["n"]["whole"] == 200
    for subset in ("whole", "inside", "outside"):
        assert {"mae", "seed_outlier_005", "crps", "coverage_95"} <= set(report["pool"][subset])
        assert report["coverage"][subset]["coverage_68"]["n"] == report["n"][subset]


def test_seeds_are_measured_one_by_one(report, predictions):
    sample = predictions(200, seed=2)
    expected = point_metrics(sample.z_phot, sample.z_spec)
    assert report["seeds"]["1"]["whole"]["nmad"] == pytest.approx(expected["nmad"])


def test_the_pool_is_followed_along_every_variable(report):
    assert set(report["bins"]) == {"z_spec", "z_phot", "mag_r", "ebv"}
    for bins in report["bins"].values():
        assert sum(entry["n"] for entry in bins) >= 195  # the tails of 1 % may fall out
        assert any(entry["crps"]["value"] for entry in bins)


def test_edges_are_multiples_of_the_width_and_span_the_values():
    values = np.append(np.linspace(0.013, 0.19, 500), np.nan)
    edges = bin_edges(values, 0.025)
    np.testing.assert_allclose(edges, np.arange(9) * 0.025)
    assert len(bin_edges(np.array([np.nan]), 0.5)) == 0
    np.testing.assert_allclose(bin_edges(np.array([17.0, 17.0]), 0.5), [17.0, 17.5])


def test_bins_stand_at_their_centres_and_measure_their_own_galaxies(terms):
    sample = terms(300)
    edges = np.array([0.0, 0.1, 0.2, 0.4])
    found = binned_metrics(sample, sample.z_spec, edges, n_bootstrap=50, seed=1)
    assert [entry["centre"] for entry in found] == pytest.approx([0.05, 0.15, 0.3])
    assert sum(entry["n"] for entry in found) == 300
    keep = (sample.z_spec >= 0.1) & (sample.z_spec < 0.2)
    expected = point_metrics(sample.z_phot[keep], sample.z_spec[keep])
    assert found[1]["nmad"]["value"] == pytest.approx(expected["nmad"])
    assert found[1]["bias_mean"]["low"] < expected["bias_mean"] < found[1]["bias_mean"]["high"]


def test_thin_bins_keep_their_count_and_nothing_else(terms):
    sample = terms(100)
    edges = np.array([0.0, 0.39, 0.4, 0.41])
    found = binned_metrics(sample, sample.z_spec, edges, n_bootstrap=20, seed=1)
    assert found[1]["n"] < 8
    assert found[1]["crps"] == {"value": None, "low": None, "high": None}


def test_the_last_edge_belongs_to_the_last_bin_and_nan_to_none(terms):
    sample = terms(20)
    variable = np.full(20, 0.5)
    variable[:3] = np.nan
    found = binned_metrics(sample, variable, np.array([0.0, 0.5]), n_bootstrap=5, seed=1)
    assert [entry["n"] for entry in found] == [17]
