import json

import pytest
from pix2z.evaluation.arm_report import arm_report

from pix2z.evaluation.arm_galaxies import ArmGalaxies
from pix2z.evaluation.arm_metrics import subset_values
from pix2z.evaluation.point_metrics import point_metrics


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
