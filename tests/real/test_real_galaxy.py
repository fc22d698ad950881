"""A hybrid trained on rendered stamps alone reads the redshift of a real galaxy off real frames."""

import logging
import time
from pathlib import Path

import numpy as np
import pytest

from pix2z.archive.frames import cut_stamps, read_frame
from pix2z.config.networks import HybridConfig
from pix2z.config.split import SplitConfig
from pix2z.dataset.splits import make_splits
from pix2z.dataset.store import open_galaxies
from pix2z.ingest.galaxies import ingest
from pix2z.network.arm import PoolTraining, train_arm
from pix2z.network.estimator import Estimator, load_pool
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.sky.semireal import write_semireal

ROOT = Path(__file__).parents[2]
Z_SPEC = 0.0402  # SDSS spectrum 1678-53433-0425
GRID = RedshiftGrid(0.0, 0.4, 180)


@pytest.fixture(scope="module")
def pool(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Estimator:
    """Train a small hybrid on 4,500 rendered stamps, at most 60 s."""
    folder = tmp_path_factory.mktemp("small")
    start = time.perf_counter()
    config = SplitConfig.read(ROOT / "params.yaml")
    fractions = config.fractions.model_dump()
    write_semireal(
        folder / "raw.h5",
        seed=1,
        n_parents=4500,
        n_stamps=4500,
        max_shift=0.03,
        faint_limit=17.8,
        size_depends_on_redshift=True,
        split_seed=config.seed,
        fractions=fractions,
    )
    ingest(
        folder / "raw.h5",
        folder / "galaxies.h5",
        layout="sdss32",
        z_min=0.0,
        z_max=0.4,
        duplicate_radius_arcsec=2.0,
    )
    settings = HybridConfig.read(ROOT / "params.yaml").model_copy(update={"epochs": 12})
    with open_galaxies(folder / "galaxies.h5") as galaxies:
        splits = make_splits(
            group_id=galaxies.column("group_id"),
            object_id=galaxies.column("object_id"),
            z_spec=galaxies.column("specz_redshift"),
            moved=galaxies.column("moved"),
            seed=config.seed,
            fractions=fractions,
            clip_sigma=config.clip_sigma,
        )
        training = PoolTraining(
            galaxies=galaxies,
            split=splits["full"],
            settings=settings,
            grid=GRID,
            models=folder / "models",
            checkpoints=folder / "checkpoints",
            record={"arm": "small"},
            curve=lambda _seed: lambda _epoch, _record: None,
        )
        train_arm(training, (1,))
    logging.getLogger(__name__).info("trained in %.0f s", time.perf_counter() - start)
    return load_pool(folder / "models")


def test_the_interval_holds_the_spectroscopic_redshift(pool, real_data):
    frames = {
        b: read_frame(real_data / f"frames/frame-{b}-003918-3-0213.fits.bz2") for b in "ugriz"
    }
    stamp = cut_stamps(frames, ra=229.52557, dec=42.74585)
    estimate = pool.estimate(stamp[None], np.array([0.02]))  # E(B-V) there, SFD98: about 0.02
    low, high = float(estimate.err95_low[0]), float(estimate.err95_high[0])
    assert low < Z_SPEC < high
    assert high - low < 0.08
    assert abs(float(estimate.z_median[0]) - Z_SPEC) < 0.03
