"""Training of a whole arm: every seed, resumable, each calibrated and saved, then the pool."""

import gc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import HybridConfig, PublishedCnnConfig
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.files import write_json
from pix2z.network.checkpoint import load_state, save_state
from pix2z.network.estimator import Member, fresh_model, save_member, save_pool
from pix2z.network.history import history_columns, log_epoch
from pix2z.network.recipes import (
    Moments,
    feature_moments,
    hybrid_recipe,
    model_outputs,
    output_batches,
    published_recipe,
    softmax_density,
)
from pix2z.network.training import TrainingState, fit
from pix2z.redshift_pdf.calibration import (
    MOST_TEMPERATURE_ROWS,
    evenly_spread,
    fit_temperature,
)
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import Calibration
from pix2z.redshift_pdf.residual import fit_residual_pdf

__all__ = ["Curve", "train_arm"]

Curve = Callable[[int, dict[str, float]], None]
"""Called with (epoch, record) as each epoch ends."""


def train_arm(
    galaxies: Galaxies,
    split: Split,
    *,
    architecture: str,
    settings: HybridConfig | PublishedCnnConfig,
    seeds: Sequence[int],
    grid: RedshiftGrid,
    models: Path,
    checkpoints: Path,
    record: Mapping[str, Any],
    curve: Callable[[int], Curve],
) -> None:
    """Train every seed of an arm and save members and pool under `models`.

    The temperature of a network that gives PDFs is fitted on at most `MOST_TEMPERATURE_ROWS`
    calibration rows, evenly spread; each member's record says on how many (`n_calibration`).

    Parameters
    ----------
    checkpoints : folder of this training's own key; a killed training goes on from what is there.
    record : JSON-able facts kept with every member (arm, selection, keys).
    curve : seed -> what to call after each epoch, such as live tracking.
    """
    rows = split.calibration
    if architecture == "hybrid":
        rows = evenly_spread(rows, most=MOST_TEMPERATURE_ROWS)
    z_calibration = galaxies.column("specz_redshift", rows).astype(np.float64)
    moments = feature_moments(galaxies, split.train) if architecture == "hybrid" else None
    total = np.zeros(())
    for seed in seeds:
        total = total + _train_seed(
            galaxies,
            split,
            calibration=(rows, z_calibration),
            architecture=architecture,
            settings=settings,
            seed=seed,
            moments=moments,
            grid=grid,
            folder=models / f"seed-{seed}",
            checkpoint=checkpoints / f"seed-{seed}.h5",
            record={**record, "seed": seed, "n_calibration": len(rows)},
            curve=curve(seed),
        )
        gc.collect()  # a Keras model is in reference cycles, and would wait for the next one
    pooled = total / len(seeds)  # as a pool averages its members
    calibration = _calibrate(pooled, z_calibration, grid=grid, settings=settings)
    save_pool(models, [f"seed-{seed}" for seed in seeds], calibration)


def _train_seed(
    galaxies: Galaxies,
    split: Split,
    *,
    calibration: tuple[NDArray[np.int64], NDArray[np.float64]],
    architecture: str,
    settings: HybridConfig | PublishedCnnConfig,
    seed: int,
    moments: Moments | None,
    grid: RedshiftGrid,
    folder: Path,
    checkpoint: Path,
    record: Mapping[str, Any],
    curve: Curve,
) -> NDArray[Any]:
    """Train and save one member; its raw outputs for the calibration (rows, redshifts)."""
    if isinstance(settings, HybridConfig) and moments is not None:
        recipe = hybrid_recipe(
            galaxies, split, grid=grid, settings=settings, moments=moments, seed=seed
        )
        rebuild = settings.model_dump(mode="json")
    elif isinstance(settings, PublishedCnnConfig):
        recipe, (z_low, z_high) = published_recipe(galaxies, split, settings=settings, seed=seed)
        rebuild = {"z_low": z_low, "z_high": z_high, "precision": settings.precision}

    def on_epoch(state: TrainingState) -> None:
        save_state(checkpoint, state)
        curve(state.epoch - 1, state.history[-1])
        log_epoch(state, epochs=recipe.epochs, what=f"{record['arm']} seed {seed}")

    state = fit(**vars(recipe), resume=load_state(checkpoint), on_epoch=on_epoch)
    model = fresh_model(architecture, rebuild, grid=grid)
    model.set_weights(recipe.model.get_weights())
    rows, z_spec = calibration
    if architecture == "hybrid":
        outputs = _densities(model, galaxies, rows, grid)
    else:
        outputs = model_outputs(model, galaxies, rows)
    member = Member(
        architecture=architecture,
        model=model,
        grid=grid,
        settings=rebuild,
        record=dict(record),
        calibration=_calibrate(outputs, z_spec, grid=grid, settings=settings),
    )
    save_member(folder, member)
    write_json(folder / "history.json", history_columns(state, n_train=len(split.train)))
    return outputs


def _densities(
    model: keras.Model, galaxies: Galaxies, rows: NDArray[np.int64], grid: RedshiftGrid
) -> NDArray[np.float64]:
    """Uncalibrated PDFs (n, K) of a network that gives logits."""
    density = np.empty((len(rows), grid.n_bins))
    filled = 0
    for logits, batch in output_batches(model, galaxies, rows):
        density[filled : filled + len(batch)] = softmax_density(logits, grid)
        filled += len(batch)
    return density


def _calibrate(
    outputs: NDArray[Any],
    z_spec: NDArray[Any],
    *,
    grid: RedshiftGrid,
    settings: HybridConfig | PublishedCnnConfig,
) -> Calibration:
    if isinstance(settings, HybridConfig):
        return fit_temperature(outputs, z_spec, grid=grid)
    return fit_residual_pdf(outputs, z_spec, grid=grid, n_phot_bins=settings.n_phot_bins)
