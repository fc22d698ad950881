"""Train one arm and predict with it: ``python -m pix2z.stages.train ARM``."""

import sys
from functools import partial
from pathlib import Path

from pix2z.config.compute import ComputeConfig
from pix2z.config.training import read_training
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.network.arm import train_arm, training_inputs
from pix2z.stages.runner import run
from pix2z.tracking.live import live_curve

GALAXIES, SPLITS = Path("data/galaxies.h5"), Path("data/splits")


def main() -> None:
    """Save the arm's networks under models/ARM, and what their pool predicts in predictions/ARM.

    Predicted are validation, calibration and test rows of the selection `full`, alike for all arms.
    """
    name = sys.argv[1]
    training = read_training(name)
    rows = SPLITS / f"{training.arm.selection}.h5"
    inputs = training_inputs(training, galaxies=GALAXIES, rows=rows)
    with open_galaxies(GALAXIES) as galaxies:
        train_arm(
            galaxies,
            read_split(rows),
            architecture=training.arm.architecture,
            settings=training.settings,
            seeds=training.arm.seeds,
            grid=inputs.grid,
            models=Path("models") / name,
            checkpoints=Path(".checkpoints") / inputs.key,
            record=inputs.record,
            curve=partial(live_curve, arm=name, training_key=inputs.key),
            processes=ComputeConfig.read().processes,
            predict=(Path("predictions") / name, read_split(SPLITS / "full.h5")),
        )


if __name__ == "__main__":
    run(main)
