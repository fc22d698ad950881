"""RAIL's evaluators, as the guide calls them, give the metrics of pix2z."""

import numpy as np
import pytest

pytest.importorskip("rail.core", reason="`make rail` installs RAIL")

from pix2z.dataset.store import open_galaxies
from pix2z.evaluation.arm_galaxies import galaxy_terms
from pix2z.evaluation.arm_metrics import metric_values
from pix2z.network.estimator import load_pool
from pix2z.network.predictions import write_pool_predictions
from pix2z.redshift_pdf.qp_files import read_prediction_chunks

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def predictions(trained_pool, sample_path, sample_split, tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictions")
    with open_galaxies(sample_path) as galaxies:
        write_pool_predictions(folder, load_pool(trained_pool), galaxies, sample_split)
    return folder / "pool.hdf5"


def evaluated(kind, predictions, folder, metrics, **options):
    """Metrics by a class of RAIL's, of predictions and of the redshifts in the same file."""
    from rail.core.data import QPHandle, TableHandle
    from rail.evaluation import dist_to_point_evaluator, point_to_point_evaluator

    classes = vars(dist_to_point_evaluator) | vars(point_to_point_evaluator)
    stage = classes[kind].make_stage(
        name=kind,
        metrics=metrics,
        force_exact=True,
        hdf5_groupname="ancil",
        reference_dictionary_key="z_spec",
        output=str(folder / "output.hdf5"),
        summary=str(folder / "summary.hdf5"),
        single_distribution_summary=str(folder / "single.hdf5"),
        **options,
    )
    handles = stage.evaluate(
        QPHandle("input", path=str(predictions)), TableHandle("truth", path=str(predictions))
    )
    return {name: float(value[0]) for name, value in handles["summary"]().items()}


def test_points(predictions, tmp_path):
    ours = metric_values(galaxy_terms(read_prediction_chunks(predictions)))
    names = {
        "point_bias": "bias_median",
        "point_stats_iqr": "sigma_iqr",
        "point_stats_sigma_mad": "nmad",
        "point_outlier_rate": "outlier_rail",
    }
    theirs = evaluated(
        "PointToPointEvaluator", predictions, tmp_path, list(names), point_estimate_key="z_phot"
    )
    for theirs_name, name in names.items():
        assert theirs[theirs_name] == pytest.approx(ours[name], rel=1e-12), name


def test_cde_loss_needs_the_grid(predictions, tmp_path):
    terms = galaxy_terms(read_prediction_chunks(predictions))
    ours = metric_values(terms)["cde_loss"]
    grid = {"cdeloss": {"eval_grid": terms.grid.centres.tolist()}}

    def cde_loss(folder, **options):
        return evaluated("DistToPointEvaluator", predictions, folder, ["cdeloss"], **options)[
            "cdeloss"
        ]

    assert cde_loss(tmp_path, metric_config=grid) == pytest.approx(ours, rel=1e-3)
    other = tmp_path / "other"
    other.mkdir()
    assert abs(cde_loss(other) - ours) > 0.01 * abs(ours)
    assert np.isfinite(ours)
