"""The training of one network of an arm, from its seed to its saved files."""

import gc
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import SoftmaxConfig
from pix2z.dataset.splits import Split
from pix2z.files import write_json
from pix2z.network.arm import PoolTraining
from pix2z.network.checkpoint import fit_on_record, history_columns
from pix2z.network.estimator import Member, fresh_model, save_member
from pix2z.network.measured import measured_galaxies
from pix2z.network.recipes import (
    feature_moments,
    published_recipe,
    raw_outputs,
    softmax_recipe,
)
from pix2z.network.training import Recipe

__all__ = ["train_member"]


def train_member(training: PoolTraining, seed: int) -> NDArray[np.float64]:
    """Train, calibrate and save one network.

    Returns
    -------
    Its raw outputs for the calibration rows: uncalibrated densities (n, K), or redshifts (n,) of a
    network that gives no more.
    """
    name, architecture = f"seed-{seed}", training.settings.key
    split = training.split_of(seed)
    recipe, rebuild = _recipe(training, split, seed)
    state = fit_on_record(
        recipe,
        checkpoint=training.checkpoints / f"{name}.h5",
        curve=training.curve(seed),
        what=f"{training.record['arm']} seed {seed}",
    )
    model = fresh_model(architecture, rebuild, grid=training.grid)
    model.set_weights(recipe.model.get_weights())
    rows = training.calibration_rows
    outputs = raw_outputs(model, training.galaxies, rows, grid=training.grid)
    member = Member(
        architecture=architecture,
        model=model,
        grid=training.grid,
        settings=rebuild,
        record={**training.record, "seed": seed, "n_calibration": len(rows)},
        calibration=training.calibration(outputs),
    )
    save_member(training.models / name, member)
    history = history_columns(state, n_train=len(split.train))
    write_json(training.models / name / "history.json", history)
    del recipe, member, model
    gc.collect()  # a Keras model is in reference cycles, and would wait for the next one
    return outputs


def _recipe(training: PoolTraining, split: Split, seed: int) -> tuple[Recipe, dict[str, Any]]:
    """How the network is trained, and the settings that rebuild it."""
    galaxies, settings = training.galaxies, training.settings
    if isinstance(settings, SoftmaxConfig):
        rows = np.concatenate([split.train, split.validation])
        measured = measured_galaxies(galaxies, settings, rows)
        recipe = softmax_recipe(
            measured,
            split,
            grid=training.grid,
            settings=settings,
            moments=feature_moments(measured, split.train, settings),
            seed=seed,
        )
        return recipe, settings.model_dump(mode="json")
    recipe, (z_low, z_high) = published_recipe(galaxies, split, settings=settings, seed=seed)
    return recipe, {"z_low": z_low, "z_high": z_high, "precision": settings.precision}
