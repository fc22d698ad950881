"""Hours of training that a preset asks for, from measured rates; early stopping only shortens it.

On a GPU a training cannot be faster than its batches are made on the processor: that rate is
measured here, on random stamps, and gives the least hours of such a machine. What its GPU really
reaches, ``python -m benchmarks networks`` tells there.
"""

import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from pix2z.cli.workspace import preset_params
from pix2z.dataset.batches import training_batches
from pix2z.dataset.store import COLUMNS, open_galaxies, write_galaxies

RESULTS = Path("benchmarks/results.json")
ROOT = Path(__file__).parents[1]
SIZES = {"nersc": 102_993}
"""Preset -> galaxies of the file that it is for."""
N_STAMPS = 24_000


def bench_hours() -> dict[str, Any]:
    """Predict hours of tuning and training for every preset of `SIZES`."""
    measured = json.loads(RESULTS.read_text())["networks"]
    feed = batches_per_second()
    hours: dict[str, Any] = {"batches_stamps_per_second": feed}
    for preset, n in SIZES.items():
        params = preset_params(ROOT, preset)
        passes = stamp_passes(params, n)
        hours[preset] = {
            "galaxies": n,
            "training_passes": passes,
            "hours_two_cores": sum(
                count
                / measured[f"{name} {params[name]['precision']}"]["training_images_per_second"]
                for name, count in passes.items()
            )
            / 3600,
            "least_hours_with_a_gpu": sum(passes.values()) / feed / 3600,
        }
    return hours


def stamp_passes(params: Mapping[str, Any], n: int) -> dict[str, float]:
    """Architecture -> stamps that go through a training step, over all arms, seeds and trials."""
    train = n * params["split"]["fractions"]["train"]
    tune = params["tune"]
    passes = {"hybrid": train * tune["n_trials"] * tune["epochs"], "published_cnn": 0.0}
    for arm in params["arms"].values():
        name = arm["architecture"]
        passes[name] += train * len(arm["seeds"]) * params[name]["epochs"]
    return passes


def batches_per_second() -> float:
    """Stamps per second that are read, shuffled and turned, without a network; median of five."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "galaxies.h5"
        shapes = {name: (N_STAMPS, 5) if name == "seeing" else N_STAMPS for name in COLUMNS}
        rng = np.random.default_rng(0)
        write_galaxies(
            path,
            columns={name: np.zeros(shape) for name, shape in shapes.items()},
            blocks=(
                rng.normal(0, 1, (1000, 32, 32, 5)).astype(np.float32)
                for _ in range(N_STAMPS // 1000)
            ),
            source="random numbers",
            source_sha256="",
        )
        with open_galaxies(path) as galaxies:
            return median(_one_pass(galaxies, epoch) for epoch in range(5))


def _one_pass(galaxies: Any, epoch: int) -> float:
    from pix2z.network.recipes import stamps_of

    start = time.perf_counter()
    batches = training_batches(
        stamps_of(galaxies), np.arange(N_STAMPS), batch_size=128, seed=1, epoch=epoch, augment=True
    )
    for _ in batches:
        pass
    return N_STAMPS / (time.perf_counter() - start)
