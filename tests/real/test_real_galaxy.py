"""A hybrid trained on rendered stamps alone reads the redshift of a real galaxy off real frames."""

from pathlib import Path

import numpy as np
import pytest

from pix2z.archive.frames import cut_stamps, read_frame
from pix2z.config.networks import HybridConfig
from pix2z.dataset.store import open_galaxies
from pix2z.network.arm import PoolTraining, train_arms
from pix2z.network.estimator import Estimator, load_pool
from pix2z.redshift_pdf.grid import RedshiftGrid
from tests.real.conftest import ROOT

Z_SPEC = 0.0402  # SDSS spectrum 1678-53433-0425


@pytest.fixture(scope="module")
def pool(rendered, tmp_path_factory: pytest.TempPathFactory) -> Estimator:
    """Train a small hybrid on the rendered stamps."""
    (sky, split), folder = rendered, tmp_path_factory.mktemp("small")
    settings = HybridConfig.read(ROOT / "params.yaml").model_copy(update={"epochs": 12})
    with open_galaxies(sky / "galaxies.h5") as galaxies:
        training = PoolTraining(
            galaxies=galaxies,
            split=split,
            settings=settings,
            grid=RedshiftGrid(0.0, 0.4, 180),
            models=folder / "models",
            checkpoints=folder / "checkpoints",
            record={"arm": "small"},
            curve=lambda _seed: lambda _epoch, _record: None,
        )
        train_arms([(training, (1,))])
    return load_pool(folder / "models")


def test_the_interval_holds_the_spectroscopic_redshift(pool, real_data: Path):
    frames = {
        b: read_frame(real_data / f"frames/frame-{b}-003918-3-0213.fits.bz2") for b in "ugriz"
    }
    stamp = cut_stamps(frames, ra=229.52557, dec=42.74585)
    estimate = pool.estimate(stamp[None], np.array([0.02]))  # E(B-V) there, SFD98: about 0.02
    low, high = float(estimate.err95_low[0]), float(estimate.err95_high[0])
    assert low < Z_SPEC < high
    assert high - low < 0.08
    assert abs(float(estimate.z_median[0]) - Z_SPEC) < 0.03
