"""Train all arms, or those named, and predict: ``python -m pix2z.stages.train [ARM...]``."""

import sys
from functools import partial
from pathlib import Path

from pix2z.config.arms import read_arms
from pix2z.config.compute import ComputeConfig
from pix2z.config.training import read_training
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import Galaxies, open_galaxies
from pix2z.files import file_digest
from pix2z.network.arm import Arm, PoolTraining, train_arms, training_record
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.stages.runner import live_curve, run

GALAXIES, SPLITS = Path("data/galaxies.h5"), Path("data/splits")


def main() -> None:
    """Save each arm's networks under models/ARM, and what their pool predicts in predictions/ARM.

    Predicted are validation, calibration and test rows of the selection `full`, alike for all arms.
    What trained here before with the same key is not trained again.
    """
    names, digest = sys.argv[1:] or list(read_arms()), file_digest(GALAXIES)
    with open_galaxies(GALAXIES) as galaxies:
        train_arms(
            [_arm(name, galaxies, digest) for name in names],
            processes=ComputeConfig.read().processes,
            predict=(Path("predictions"), read_split(SPLITS / "full.h5")),
        )


def _arm(name: str, galaxies: Galaxies, digest: str) -> Arm:
    training = read_training(name)
    rows = SPLITS / f"{training.arm.selection}.h5"
    record = training_record(training, galaxies_sha256=digest, rows=rows)
    key = record["training_key"]
    pool = PoolTraining(
        galaxies=galaxies,
        split=read_split(rows),
        settings=training.settings,
        grid=RedshiftGrid(**training.pdf.model_dump()),
        models=Path("models") / name,
        checkpoints=Path(".checkpoints") / key,
        record=record,
        curve=partial(live_curve, arm=name, training_key=key, stage="train"),
    )
    return pool, training.arm.seeds


if __name__ == "__main__":
    run(main)
