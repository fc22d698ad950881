from pathlib import Path
from typing import Any

import pytest

from pix2z.config.networks import (
    AperturesConfig,
    CatalogueConfig,
    HybridConfig,
    PublishedCnnConfig,
)
from pix2z.dataset.store import open_galaxies
from pix2z.network.arm import PoolTraining, train_arms
from pix2z.redshift_pdf.grid import RedshiftGrid

GRID = RedshiftGrid(0.0, 0.4, 60)
HYBRID = HybridConfig(
    precision="float32",
    use_ebv=True,
    trunk_filters=(4, 8),
    dense_units=(32,),
    dropout=0.2,
    learning_rate=0.005,
    weight_decay=1e-4,
    label_smoothing_dz=0.005,
    batch_size=64,
    epochs=6,
    patience=6,
    augment=True,
    band_dropout=0.1,
)
SHARED = HYBRID.model_dump(exclude={"trunk_filters", "augment"})
APERTURES = AperturesConfig(**SHARED)
CATALOGUE = CatalogueConfig(**SHARED, aperture_arcsec=2.3)


def pool_training(galaxies, split, folder: Path, **changes: Any) -> PoolTraining:
    """Return a training of small hybrids into `folder`."""
    values = {
        "settings": HYBRID,
        "grid": GRID,
        "models": folder / "models/full",
        "checkpoints": folder / "checkpoints",
        "record": {"arm": "full", "selection": "full"},
        "curve": lambda _seed: lambda _epoch, _record: None,
    }
    return PoolTraining(galaxies=galaxies, split=split, **(values | changes))


@pytest.fixture(scope="session")
def grid() -> RedshiftGrid:
    return GRID


@pytest.fixture(scope="session")
def hybrid() -> HybridConfig:
    return HYBRID


PUBLISHED_CNN = PublishedCnnConfig(
    precision="float32",
    batch_size=125,
    batch_size_clipped=250,
    epochs=2,
    patience=10,
    n_phot_bins=4,
)


@pytest.fixture(scope="session")
def trained_published(sample_path, sample_split, tmp_path_factory) -> Path:
    """Folder of the published network, trained for two epochs; no test may change it."""
    with open_galaxies(sample_path) as galaxies:
        folder = tmp_path_factory.mktemp("published")
        training = pool_training(galaxies, sample_split, folder, settings=PUBLISHED_CNN)
        train_arms([(training, (1,))])
    return training.models
