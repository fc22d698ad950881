"""Training of a whole arm: every seed, resumable, each calibrated and saved, then the pool."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import HybridConfig, SeedCnnConfig
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.files import write_json
from pix2z.network.calibration import fit_temperature
from pix2z.network.checkpoint import load_state, save_state
from pix2z.network.estimator import Member, fresh_model, save_member, save_pool
from pix2z.network.recipes import (
    Moments,
    feature_moments,
    hybrid_recipe,
    model_outputs,
    seed_recipe,
    softmax_density,
)
from pix2z.network.redshifts import Calibration
from pix2z.network.training import TrainingState, fit
from pix2z.redshift_pdf.density import mix
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.residual import fit_residual_pdf

__all__ = ["Curve", "train_arm"]

_log = logging.getLogger(__name__)

Curve = Callable[[int, dict[str, float]], None]
"""Called with (epoch, record) as each epoch ends."""


@dataclass(frozen=True)
class _Trained:
    member: Member
    calibration_outputs: NDArray[Any]


def train_arm(
    galaxies: Galaxies,
    split: Split,
    *,
    architecture: str,
    settings: HybridConfig | SeedCnnConfig,
    seeds: Sequence[int],
    grid: RedshiftGrid,
    models: Path,
    checkpoints: Path,
    record: Mapping[str, Any],
    curve: Callable[[int], Curve],
) -> None:
    """Train every seed of an arm and save members and pool under `models`.

    Parameters
    ----------
    checkpoints : folder of this training's own key; a killed training goes on from what is there.
    record : JSON-able facts kept with every member (arm, selection, keys).
    curve : seed -> what to call after each epoch, such as live tracking.
    """
    z_calibration = galaxies.column("specz_redshift", split.calibration).astype(np.float64)
    moments = feature_moments(galaxies, split.train) if architecture == "hybrid" else None
    trained = []
    for seed in seeds:
        one = _train_seed(
            galaxies,
            split,
            architecture=architecture,
            settings=settings,
            seed=seed,
            moments=moments,
            grid=grid,
            folder=models / f"seed-{seed}",
            checkpoint=checkpoints / f"seed-{seed}.h5",
            record={**record, "seed": seed},
            curve=curve(seed),
        )
        trained.append(one)
    pooled = mix([one.calibration_outputs for one in trained])
    calibration = _calibrate(pooled, z_calibration, grid=grid, settings=settings)
    save_pool(models, [f"seed-{seed}" for seed in seeds], calibration)


def _train_seed(
    galaxies: Galaxies,
    split: Split,
    *,
    architecture: str,
    settings: HybridConfig | SeedCnnConfig,
    seed: int,
    moments: Moments | None,
    grid: RedshiftGrid,
    folder: Path,
    checkpoint: Path,
    record: Mapping[str, Any],
    curve: Curve,
) -> _Trained:
    if isinstance(settings, HybridConfig) and moments is not None:
        recipe = hybrid_recipe(
            galaxies, split, grid=grid, settings=settings, moments=moments, seed=seed
        )
        rebuild = settings.model_dump(mode="json")
    elif isinstance(settings, SeedCnnConfig):
        recipe, (z_low, z_high) = seed_recipe(galaxies, split, settings=settings, seed=seed)
        rebuild = {"z_low": z_low, "z_high": z_high, "precision": settings.precision}

    def on_epoch(state: TrainingState) -> None:
        save_state(checkpoint, state)
        curve(state.epoch - 1, state.history[-1])
        _progress(state, epochs=recipe.epochs, what=f"{record['arm']} seed {seed}")

    state = fit(**vars(recipe), resume=load_state(checkpoint), on_epoch=on_epoch)
    model = fresh_model(architecture, rebuild, grid=grid)
    model.set_weights(recipe.model.get_weights())
    outputs = model_outputs(model, galaxies, split.calibration)
    if architecture == "hybrid":
        outputs = softmax_density(outputs, grid)
    z_spec = galaxies.column("specz_redshift", split.calibration).astype(np.float64)
    member = Member(
        architecture=architecture,
        model=model,
        grid=grid,
        settings=rebuild,
        record=dict(record),
        calibration=_calibrate(outputs, z_spec, grid=grid, settings=settings),
    )
    save_member(folder, member)
    write_json(folder / "history.json", _history(state, n_train=len(split.train)))
    return _Trained(member, outputs)


def _calibrate(
    outputs: NDArray[Any],
    z_spec: NDArray[Any],
    *,
    grid: RedshiftGrid,
    settings: HybridConfig | SeedCnnConfig,
) -> Calibration:
    if isinstance(settings, HybridConfig):
        return fit_temperature(outputs, z_spec, grid=grid)
    return fit_residual_pdf(outputs, z_spec, grid=grid, n_phot_bins=settings.n_phot_bins)


def _history(state: TrainingState, *, n_train: int) -> dict[str, Any]:
    columns = {name: [record[name] for record in state.history] for name in state.history[0]}
    cpu_seconds = columns.pop("cpu_seconds")
    return {
        "epoch": list(range(state.epoch)),
        **columns,
        "best_epoch": state.best_epoch,
        "cpu_seconds": sum(cpu_seconds),
        "n_train": n_train,
    }


def _progress(state: TrainingState, *, epochs: int, what: str) -> None:
    last = state.history[-1]
    mean_seconds = float(np.mean([record["seconds"] for record in state.history]))
    _log.info(
        "%s: epoch %d of at most %d, loss %.4f, validation %.4f, at most %.0f s to go",
        what,
        state.epoch,
        epochs,
        last["loss"],
        last["val_loss"],
        mean_seconds * (epochs - state.epoch),
    )
