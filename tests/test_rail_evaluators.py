"""The guide's lines for RAIL, run as they are written; RAIL gives the metrics of pix2z."""

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rail.core", reason="`make rail` installs RAIL")

import pix2z
from pix2z.dataset.store import open_galaxies
from pix2z.evaluation.arm_galaxies import galaxy_terms
from pix2z.evaluation.arm_metrics import metric_values
from pix2z.network.estimator import load_pool
from pix2z.network.predictions import write_pool_predictions
from pix2z.redshift_pdf.qp_files import read_prediction_chunks

pytestmark = pytest.mark.long

GUIDE = Path(__file__).parents[1] / "docs/guide.md"
OURS = {
    "cdeloss": "cde_loss",
    "point_bias": "bias_median",
    "point_stats_iqr": "sigma_iqr",
    "point_stats_sigma_mad": "nmad",
    "point_outlier_rate": "outlier_rail",
}


@pytest.fixture
def workspace(trained_pool, sample_path, sample_split, tmp_path, monkeypatch):
    """A folder with a model, its galaxies, and its predictions of test galaxies."""
    for name, target in (("models/full", trained_pool), ("data/galaxies.h5", sample_path)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).symlink_to(target)
    with open_galaxies(sample_path) as galaxies:
        folder = tmp_path / "predictions/full"
        write_pool_predictions(folder, load_pool(trained_pool), galaxies, sample_split)
    monkeypatch.chdir(tmp_path)


def blocks():
    section = GUIDE.read_text().partition("## With RAIL\n")[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)


def run(block):
    names = {}
    exec(block, names)
    return names


@pytest.mark.usefixtures("workspace")
def test_stages(trained_pool):
    stages, _ = blocks()
    ensemble = run(stages)["pdfs"]()
    with open_galaxies("data/galaxies.h5") as galaxies:
        images, ebv = galaxies.images(range(100)), galaxies.column("ebv", range(100))
    direct = pix2z.load(trained_pool).estimate(images, ebv)
    np.testing.assert_allclose(ensemble.ancil["zmedian"][:100], direct.z_median, rtol=1e-5)


@pytest.mark.usefixtures("workspace")
def test_evaluators():
    _, evaluators = blocks()
    ours = metric_values(galaxy_terms(read_prediction_chunks("predictions/full/pool.hdf5")))
    theirs = run(evaluators)["metrics"]
    assert theirs.keys() == OURS.keys()
    for name, value in theirs.items():
        assert value == pytest.approx(ours[OURS[name]], rel=1e-7), name  # PDFs are float32


@pytest.mark.usefixtures("workspace")
def test_without_its_grid_the_cde_loss_is_another():
    _, evaluators = blocks()
    grid = re.compile(r"^    metric_config=.*\n", re.MULTILINE)
    other = run(grid.sub("", evaluators))["metrics"]["cdeloss"]
    assert abs(other / run(evaluators)["metrics"]["cdeloss"] - 1) > 1e-3
