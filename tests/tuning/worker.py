"""A worker of a shared study whose trainings take no time: one process of several."""

import argparse
import fcntl
import json
import math
import time
from pathlib import Path

from optuna.distributions import CategoricalDistribution, FloatDistribution

from pix2z.tuning.shared import HEARTBEAT, open_storage, run_shared_study
from pix2z.tuning.trials import Trial, WantedTrial

SPACE = {
    "dropout": FloatDistribution(0.0, 0.4),
    "weight": FloatDistribution(0.0, 1.0),
    "dense_units": CategoricalDistribution(("64", "128-64")),
}
BASELINE = {"dropout": 0.4, "weight": 1.0, "dense_units": (64,)}
EPOCHS = 4


def level(settings) -> float:
    """Lower with less dropout and weight."""
    return settings["dropout"] + settings["weight"] + 0.1 * (settings["dense_units"] == (64,))


def trained(wanted: WantedTrial, loss: float, *, epochs: int = EPOCHS) -> Trial:
    """Train in no time: a loss that falls over the epochs towards `loss`."""
    curve = {}
    for epoch in range(epochs):
        curve[epoch] = loss + 1 / (epoch + 1)
        if curve[epoch] > wanted.limits.get(epoch, math.inf):
            return wanted.ended(curve, None, 0.0)
    return wanted.ended(curve, curve[epoch], 0.0)


def train(wanted):
    """Train any number of trials, one after the other."""
    for one in wanted:
        yield trained(one, level(one.settings))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("trained", type=Path, help="File that gets a line per training begun.")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--heartbeat", type=int, default=HEARTBEAT)
    parser.add_argument("--hang", action="store_true", help="In the first training.")
    wanted = parser.parse_args()

    def train_trials(asked):
        with wanted.trained.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.writelines(json.dumps(one.settings) + "\n" for one in asked)
        if wanted.hang:
            time.sleep(3600)
        return train(asked)

    run_shared_study(
        storage=open_storage(wanted.url, heartbeat=wanted.heartbeat),
        name="study",
        n_trials=wanted.trials,
        seed=5,
        space=SPACE,
        baseline=BASELINE,
        train_trials=train_trials,
    )


if __name__ == "__main__":
    main()
