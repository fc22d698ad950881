import json
from dataclasses import replace

import numpy as np
import pytest

from pix2z.evaluation.arm_galaxies import ArmGalaxies, select_terms
from pix2z.evaluation.arm_metrics import (
    arm_report,
    binned_metrics,
    binned_reports,
    coverage,
    measure,
    measure_all,
    measure_subsets,
    subset_values,
)
from pix2z.evaluation.point_metrics import point_metrics
from tests.evaluation.conftest import make_terms


def test_a_choice_of_metrics_has_the_values_of_all():
    sample = make_terms(80)
    every = measure(sample, n_bootstrap=30, seed=1).intervals()
    for chosen in (("nmad", "crps"), ("seed_precision",), ("pit_ks", "rmse"), ()):
        found = measure(sample, n_bootstrap=30, seed=1, only=chosen).intervals()
        assert found == {name: every[name] for name in every if name in chosen}


def test_coverage_stands_beside_its_band():
    pit = (np.arange(1000) + 0.5) / 1000
    number = np.arange(1000)
    found = coverage(pit, number)
    assert found["coverage_68"]["value"] == pytest.approx(0.68)
    assert found["coverage_68"]["band_low"] < 0.68 < found["coverage_68"]["band_high"]
    assert coverage(pit**4, number)["coverage_95"]["value"] < found["coverage_95"]["band_low"]
    assert coverage(np.array([]), np.array([], int))["coverage_95"]["value"] is None
    # Stamps of one galaxy are one galaxy: they make no band narrower.
    twice = coverage(np.repeat(pit, 2), np.repeat(number, 2))
    assert twice == {name: {**entry, "n": 2000} for name, entry in found.items()}


def test_the_report_is_json_of_all_subsets():
    window = (-0.006, 0.224)
    arm = ArmGalaxies(make_terms(200), {1: subset_values(make_terms(200, seed=2), window)})
    resampling = {"n_bootstrap": 40, "seed": 1}
    measured = measure_subsets({"full": arm.pool}, window, **resampling)["full"]
    bins = binned_reports({"full": arm.pool}, **resampling)["full"]
    report = arm_report("full", arm, measured, clip_window=window, bins=bins)
    json.dumps(report, allow_nan=False)
    assert set(report["pool"]) == set(report["seeds"]["1"]) == {"whole", "inside", "outside"}
    assert report["n"]["inside"] + report["n"]["outside"] == report["n"]["whole"] == 200
    for subset in ("whole", "inside", "outside"):
        assert {"mae", "seed_outlier_005", "crps", "coverage_95"} <= set(report["pool"][subset])
        assert report["coverage"][subset]["coverage_68"]["n"] == report["n"][subset]
    assert set(report["bins"]) == {"z_spec", "z_phot", "mag_r", "ebv"}
    for bins in report["bins"].values():
        assert sum(entry["n"] for entry in bins) >= 195  # the tails of 1 % may fall out


def test_the_interval_of_a_distance_holds_its_value_though_resampling_adds_chance():
    """Evenly spread PITs have a KS distance of 0.5 / n, less than any resample has."""
    terms = replace(make_terms(200), pit=(np.arange(200) + 0.5) / 200)
    measured = measure(terms, n_bootstrap=200, seed=1, only=["pit_ks"])
    entry = measured.intervals()["pit_ks"]
    assert measured.replicates["pit_ks"].min() > entry["value"] == pytest.approx(0.0025)
    assert 0 <= entry["low"] <= entry["value"] < entry["high"]


def test_bins_stand_at_their_centres_and_measure_their_own_galaxies():
    sample = make_terms(300)
    found = binned_metrics({"full": sample}, "z_spec", 0.1, n_bootstrap=50, seed=1)["full"]
    assert [entry["centre"] for entry in found] == pytest.approx([0.05, 0.15, 0.25, 0.35])
    assert sum(entry["n"] for entry in found) == 300
    own = select_terms(sample, (sample.z_spec >= 0.1) & (sample.z_spec < 0.2))
    expected = point_metrics(own.z_phot, own.z_spec)
    assert found[1]["nmad"]["value"] == pytest.approx(expected["nmad"])
    assert found[1]["crps"]["value"] == pytest.approx(own.crps.mean())
    assert found[1]["bias_mean"]["low"] < expected["bias_mean"] < found[1]["bias_mean"]["high"]


def test_thin_bins_keep_their_count_alone_the_last_edge_is_inside_and_nan_is_in_none():
    ebv = np.r_[[np.nan] * 3, [0.25] * 4, [1.0] * 13]
    terms = replace(make_terms(20), ebv=ebv)
    thin, last = binned_metrics({"full": terms}, "ebv", 0.5, n_bootstrap=5, seed=1)["full"]
    assert (thin["n"], last["n"]) == (4, 13)
    assert thin["crps"] == {"value": None, "low": None, "high": None}


def test_samples_that_share_their_resamples_are_measured_as_each_by_itself():
    samples = {"one": make_terms(100), "other": make_terms(100, seed=2)}
    resampling = {"n_bootstrap": 30, "seed": 1}
    for name, found in measure_all(samples, **resampling).items():
        alone = measure(samples[name], **resampling)
        assert found.values == alone.values
        for metric, replicates in alone.replicates.items():
            np.testing.assert_array_equal(found.replicates[metric], replicates)
    strangers = replace(samples["other"], group_id=samples["other"].group_id + 1)
    with pytest.raises(ValueError, match="same group_id"):
        measure_all(samples | {"other": strangers}, **resampling)
