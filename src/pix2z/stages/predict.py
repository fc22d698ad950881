"""Predict the test galaxies with one arm: ``python -m pix2z.stages.predict ARM``."""

import sys
from pathlib import Path

from pix2z.config.arms import read_arm
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.network.estimator import load_pool
from pix2z.network.predictions import write_pool_predictions
from pix2z.stages.runner import run


def main() -> None:
    """Write predictions/ARM/seed-<k>.hdf5 and pool.hdf5 for the rows of the test set."""
    name = sys.argv[1]
    arm = read_arm(name)
    pool = load_pool(Path("models") / name)
    split = read_split(f"data/splits/{arm.selection}.h5")
    with open_galaxies("data/galaxies.h5") as galaxies:
        write_pool_predictions(Path("predictions") / name, pool, galaxies, split.test)


if __name__ == "__main__":
    run(main)
