"""Train one arm and predict with it: ``python -m pix2z.stages.train ARM``."""

import sys
from functools import partial
from pathlib import Path

from pix2z.config.compute import ComputeConfig
from pix2z.config.training import read_training
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.network.arm import PoolTraining, train_arm, training_record
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.stages.runner import live_curve, run

GALAXIES, SPLITS = Path("data/galaxies.h5"), Path("data/splits")


def main() -> None:
    """Save the arm's networks under models/ARM, and what their pool predicts in predictions/ARM.

    Predicted are validation, calibration and test rows of the selection `full`, alike for all arms.
    """
    name = sys.argv[1]
    training = read_training(name)
    rows = SPLITS / f"{training.arm.selection}.h5"
    record = training_record(training, galaxies=GALAXIES, rows=rows)
    key = record["training_key"]
    with open_galaxies(GALAXIES) as galaxies:
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
        train_arm(
            pool,
            training.arm.seeds,
            processes=ComputeConfig.read().processes,
            predict=(Path("predictions") / name, read_split(SPLITS / "full.h5")),
        )


if __name__ == "__main__":
    run(main)
