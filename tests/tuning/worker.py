"""A worker of a shared study whose trainings take no time: one process of several."""

import argparse
import fcntl
import json
import time
from pathlib import Path

from pix2z.tuning.shared import HEARTBEAT, open_storage, run_shared_study
from pix2z.tuning.space import Choice, Real

SPACE = {
    "dropout": Real(0.0, 0.4),
    "weight": Real(0.0, 1.0),
    "dense_units": Choice(((64,), (128, 64))),
}
BASELINE = {"dropout": 0.4, "weight": 1.0, "dense_units": (64,)}
EPOCHS = 4


def train(settings, report) -> float:
    """Loss that falls over the epochs; lower with less dropout and weight."""
    level = settings["dropout"] + settings["weight"] + 0.1 * (settings["dense_units"] == (64,))
    for epoch in range(EPOCHS):
        report(epoch, level + 1 / (epoch + 1))
    return level + 1 / EPOCHS


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("trained", type=Path, help="File that gets a line per training begun.")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--heartbeat", type=int, default=HEARTBEAT)
    parser.add_argument("--hang", action="store_true", help="In the first training.")
    wanted = parser.parse_args()

    def train_trial(settings, report) -> float:
        with wanted.trained.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps(settings) + "\n")
        if wanted.hang:
            time.sleep(3600)
        return train(settings, report)

    run_shared_study(
        storage=open_storage(wanted.url, heartbeat=wanted.heartbeat),
        name="study",
        n_trials=wanted.trials,
        seed=5,
        space=SPACE,
        baseline=BASELINE,
        train_trial=train_trial,
    )


if __name__ == "__main__":
    main()
