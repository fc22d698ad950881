"""The training of one network of an arm, from its seed to its saved files."""

import gc
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import SoftmaxConfig
from pix2z.dataset.splits import Split
from pix2z.files import write_json
from pix2z.network.arm import PoolTraining
from pix2z.network.backend import keras
from pix2z.network.checkpoint import fit_on_record, history_columns, load_state
from pix2z.network.estimator import Member, fresh_model, save_member
from pix2z.network.measured import measured_galaxies
from pix2z.network.recipes import (
    feature_moments,
    published_recipe,
    raw_outputs,
    redshift_range,
    softmax_recipe,
    trainable_model,
)
from pix2z.network.training import Recipe, TrainingState
from pix2z.redshift_pdf.grid import RedshiftGrid

__all__ = ["train_member"]


def train_member(training: PoolTraining, seed: int) -> NDArray[np.float64]:
    """Train, calibrate and save one network; take its weights where its training has ended before.

    Returns
    -------
    Its raw outputs for the calibration rows: uncalibrated densities (n, K), or redshifts (n,) of a
    network that gives no more.
    """
    name, architecture = f"seed-{seed}", training.settings.key
    split = training.split_of(seed)
    state = _trained(training, split, seed)
    rebuild = _rebuild(training, split)
    model = fresh_model(architecture, rebuild, grid=training.grid)
    model.set_weights(list(state.best))
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
    del member, model
    gc.collect()  # a Keras model is in reference cycles, and would wait for the next one
    return outputs


def _trained(training: PoolTraining, split: Split, seed: int) -> TrainingState:
    """Return the state after training; nothing is measured where the checkpoint has it already."""
    settings, checkpoint = training.settings, training.checkpoints / f"seed-{seed}.h5"
    state = load_state(checkpoint)
    if state and state.has_ended(epochs=settings.epochs, patience=settings.patience):
        return state
    return fit_on_record(
        _recipe(training, split, seed),
        checkpoint=checkpoint,
        curve=training.curve(seed),
        what=f"{training.record['arm']} seed {seed}",
    )


def _recipe(training: PoolTraining, split: Split, seed: int) -> Recipe:
    galaxies, settings = training.galaxies, training.settings
    if not isinstance(settings, SoftmaxConfig):
        return published_recipe(galaxies, split, settings=settings, seed=seed)
    rows = np.concatenate([split.train, split.validation])
    measured = measured_galaxies(galaxies, settings, rows)
    return softmax_recipe(
        measured,
        split,
        grid=training.grid,
        settings=settings,
        moments=feature_moments(measured, split.train, settings),
        seed=seed,
        model=_model_of(settings, training.grid),
    )


@lru_cache(maxsize=1)
def _model_of(settings: SoftmaxConfig, grid: RedshiftGrid) -> keras.Model:
    """Return what the networks of these settings are trained in, one after the other."""
    return trainable_model(settings, grid=grid)


def _rebuild(training: PoolTraining, split: Split) -> dict[str, Any]:
    """Return the settings that `fresh_model` builds the network from."""
    settings = training.settings
    if isinstance(settings, SoftmaxConfig):
        return settings.model_dump(mode="json")
    z_low, z_high = redshift_range(training.galaxies, split)
    return {"z_low": z_low, "z_high": z_high, "precision": settings.precision}
