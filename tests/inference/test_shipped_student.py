"""The network that comes with the package: light, sealed, and the one that docs speak of."""

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np

from pix2z.inference.estimator import load_pool
from pix2z.saved.sealed import read_pool
from pix2z.tracking.model_names import SHIPPED
from tests.conftest import artificial_stamps

ROOT = Path(__file__).parents[2]
REPORT = json.loads((ROOT / "docs/reference/student.json").read_text())

WITHOUT_TRAINING = """
import sys
from pix2z.inference.estimator import load_pool
load_pool(sys.argv[1])
heavy = {"tensorflow", "keras", "mlflow", "sklearn"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else 0)
"""


def test_it_is_the_one_whose_numbers_stand_in_docs():
    assert files("pix2z") / "student" == SHIPPED
    assert read_pool(SHIPPED)["digest"] == REPORT["pool_digest"]
    change = REPORT["differences"]["tuned minus base"]["crps"]
    assert abs(change["value"]) < 0.01 * REPORT["metrics"]["base"]["crps"]["value"]


def test_docs_say_what_it_reaches():
    change, of = REPORT["differences"]["tuned minus base"]["crps"], REPORT["metrics"]
    base = of["base"]["crps"]["value"]
    value, low, high = (f"{100 * change[k] / base:+.2f}" for k in ("value", "low", "high"))
    assert float(low) < 0 < float(high), "the two are told apart: say so"
    for name in ("README.md", "docs/guide.md"):
        words = " ".join((ROOT / name).read_text().split())
        assert f"{of['tuned']['crps']['value']:.5f}" in words
        assert f"{base:.5f}" in words
        assert f" {value} % (" in words
        assert f"{low} to {high} %" in words
    held = (f"{100 * of[name]['coverage_95']['value']:.1f} %" for name in ("tuned", "base"))
    assert all(share in words for share in held)
    nmad = " and ".join(f"{of[name]['nmad']['value']:.4f}" for name in ("tuned", "base"))
    assert f"NMAD is {nmad}" in words


def test_it_is_small_and_says_that_its_galaxies_are_semi_real():
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < 1.2e6
    assert load_pool(SHIPPED).record["trained_on"].startswith("semi-real: ")
    assert not list(SHIPPED.rglob("*.h5"))


def test_it_loads_without_what_trains():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TRAINING, str(SHIPPED)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_its_pdfs_integrate_to_one():
    rng = np.random.default_rng(1)
    images = artificial_stamps(rng.uniform(0.05, 0.3, 50), seed=2)
    images[:5, ..., 0], images[5:9, 4, 4] = np.nan, np.nan
    found = load_pool(SHIPPED).estimate(images, rng.uniform(0, 0.1, 50))
    np.testing.assert_allclose(found.pdf.density.sum(axis=1) * found.grid.width, 1, rtol=1e-5)
    assert np.isfinite(found.z_phot).all()
