"""A split of the artificial galaxies; settings of networks that learn little, and quickly."""

import numpy as np
import pytest

from pix2z.config.networks import HybridConfig
from pix2z.dataset.splits import Split, ids_digest
from pix2z.redshift_pdf.grid import RedshiftGrid

GRID = RedshiftGrid(0.0, 0.4, 60)
HYBRID = HybridConfig(
    precision="float32",
    use_ebv=True,
    trunk_filters=(),
    dense_units=(32,),
    dropout=0.0,
    learning_rate=0.01,
    weight_decay=0.0,
    label_smoothing_dz=0.005,
    batch_size=50,
    epochs=4,
    patience=4,
    augment=False,
    band_dropout=0.0,
)


@pytest.fixture
def study_split(sample) -> Split:
    rows = np.random.default_rng(3).permutation(len(sample))
    train, validation, calibration, test = (
        np.sort(part) for part in np.split(rows, [400, 500, 600])
    )
    digest = ids_digest(sample.column("object_id", test))
    return Split("full", train, validation, calibration, test, (0.0, 0.3), digest)
