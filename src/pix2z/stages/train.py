"""Train one arm: ``python -m pix2z.stages.train ARM``."""

import sys
from functools import partial
from pathlib import Path

from pix2z.config.training import read_training
from pix2z.network.training_inputs import train_from_files, training_inputs
from pix2z.stages.runner import run
from pix2z.tracking.live import live_curve

GALAXIES = Path("data/galaxies.h5")


def main() -> None:
    """Train every seed of the arm, calibrate, pool, save under models/ARM."""
    name = sys.argv[1]
    training = read_training(name)
    rows = Path(f"data/splits/{training.arm.selection}.h5")
    inputs = training_inputs(training, galaxies=GALAXIES, rows=rows)
    train_from_files(
        inputs,
        galaxies=GALAXIES,
        rows=rows,
        models=Path("models") / name,
        checkpoints=Path(".checkpoints"),
        curve=partial(live_curve, arm=name, training_key=inputs.key),
    )


if __name__ == "__main__":
    run(main)
