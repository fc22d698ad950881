"""A trained pool goes on training on other galaxies.

Every member starts from its own weights, the moments of its photometry features among them, at a
lower learning rate. Training rows teach, validation rows choose the epoch, calibration rows fit the
temperatures; test rows are not read here. A member that no epoch improves on the validation rows
keeps the weights it came with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import HybridConfig
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.errors import InputError
from pix2z.files import write_json
from pix2z.network.arm import Curve
from pix2z.network.checkpoint import fit_on_record, history_columns
from pix2z.network.estimator import Estimator, Member, fresh_model, save_member, save_pool
from pix2z.network.recipes import Recipe, hybrid_recipe, model_outputs, softmax_density
from pix2z.redshift_pdf.calibration import MOST_TEMPERATURE_ROWS, evenly_spread, fit_temperature
from pix2z.redshift_pdf.density import mix

__all__ = ["check_tunable", "finetune_pool", "recalibrate"]

Density = NDArray[np.float64]


@dataclass(frozen=True)
class _Known:
    """Calibration galaxies: rows (n,) and their redshifts."""

    rows: NDArray[np.int64]
    z_spec: NDArray[np.float64]


@dataclass(frozen=True)
class _Tuned:
    member: Member
    history: Mapping[str, Any]


def check_tunable(base: Estimator, *, model: str) -> None:
    """Raise InputError where a pool cannot go on training here; `model` is what the user wrote."""
    others = sorted({member.architecture for member in base.members} - {"hybrid"})
    if others:
        raise InputError(
            f"model {model!r}: expected a pool of hybrid networks; received {', '.join(others)}, "
            "which cannot give a redshift outside those of its own training sample"
        )
    seeds = [member.record.get("seed") for member in base.members]
    if None in seeds or len(set(seeds)) < len(seeds):
        raise InputError(f"model {model!r}: expected members of different seeds; received {seeds}")


def finetune_pool(
    base: Estimator,
    galaxies: Galaxies,
    split: Split,
    *,
    learning_rate: float,
    epochs: int,
    patience: int,
    batch_size: int,
    seed: int,
    folder: Path,
    checkpoints: Path,
    record: Mapping[str, Any],
    curve: Callable[[int], Curve],
) -> None:
    """Fine-tune every member of a pool of hybrids, then save members and pool under `folder`.

    Nothing is written under `folder` before the last training has ended. history.json of a member
    holds, beside the columns of any training, the validation loss it began with (`base_val_loss`)
    and whether it kept the weights it came with (`base_kept`).

    Parameters
    ----------
    seed : of the order, augmentation and dropout, together with the seed of each member.
    checkpoints : folder of this fine-tuning's own key; a killed one goes on from what is there.
    record : JSON-able facts kept with every member; `arm` names the training in its log.
    curve : seed of a member -> what to call after each epoch, such as live tracking.
    """
    known = _known(galaxies, split)
    changed = {"learning_rate": learning_rate, "epochs": epochs, "patience": patience}
    changed["batch_size"] = batch_size
    tuned, total = [], np.zeros(())
    for member in base.members:
        kept = int(member.record["seed"])
        one, density = _tune_member(
            member,
            galaxies,
            split,
            known=known,
            settings=HybridConfig.model_validate({**member.settings, **changed}),
            seed=_training_seed(seed, kept),
            checkpoint=checkpoints / f"seed-{kept}.h5",
            record={**record, "seed": kept, "n_calibration": len(known.rows)},
            curve=curve(kept),
        )
        tuned.append(one)
        total = total + density
    names = [f"seed-{one.member.record['seed']}" for one in tuned]
    for name, one in zip(names, tuned, strict=True):
        save_member(folder / name, one.member)
        write_json(folder / name / "history.json", one.history)
    pooled = fit_temperature(total / len(tuned), known.z_spec, grid=base.grid)
    save_pool(folder, names, pooled)


def recalibrate(base: Estimator, galaxies: Galaxies, split: Split) -> Estimator:
    """Return the same networks with the temperature that these calibration rows ask for.

    The control of a fine-tuning: what it gains over this, it gains by its weights.
    """
    known = _known(galaxies, split)
    pooled = mix([_density(member, galaxies, known.rows) for member in base.members])
    return replace(base, calibration=fit_temperature(pooled, known.z_spec, grid=base.grid))


def _known(galaxies: Galaxies, split: Split) -> _Known:
    rows = evenly_spread(split.calibration, most=MOST_TEMPERATURE_ROWS)
    return _Known(rows, galaxies.column("specz_redshift", rows).astype(np.float64))


def _tune_member(
    base: Member,
    galaxies: Galaxies,
    split: Split,
    *,
    known: _Known,
    settings: HybridConfig,
    seed: int,
    checkpoint: Path,
    record: Mapping[str, Any],
    curve: Curve,
) -> tuple[_Tuned, Density]:
    """Train and calibrate one member; also return its raw densities of the calibration rows."""
    recipe = _recipe(base, galaxies, split, settings=settings, seed=seed)
    base_loss = recipe.validation_loss(recipe.model)

    what = f"{record['arm']}, seed {record['seed']}"
    state = fit_on_record(recipe, checkpoint=checkpoint, curve=curve, what=what)
    improved = state.history[state.best_epoch]["val_loss"] < base_loss
    model = fresh_model("hybrid", settings.model_dump(mode="json"), grid=base.grid)
    model.set_weights((recipe if improved else base).model.get_weights())
    member = Member(
        architecture="hybrid",
        model=model,
        grid=base.grid,
        settings=settings.model_dump(mode="json"),
        record=dict(record),
        calibration=base.calibration,
    )
    density = _density(member, galaxies, known.rows)
    calibration = fit_temperature(density, known.z_spec, grid=base.grid)
    history = history_columns(state, n_train=len(split.train))
    history |= {"base_val_loss": base_loss, "base_kept": not improved}
    return _Tuned(replace(member, calibration=calibration), history), density


def _recipe(
    base: Member, galaxies: Galaxies, split: Split, *, settings: HybridConfig, seed: int
) -> Recipe:
    """Take the recipe that trains arms, and start it from the weights of `base`."""
    mean, sd = base.model.get_layer("standardise").get_weights()
    recipe = hybrid_recipe(
        galaxies, split, grid=base.grid, settings=settings, moments=(mean, sd), seed=seed
    )
    recipe.model.set_weights(base.model.get_weights())
    return recipe


def _density(member: Member, galaxies: Galaxies, rows: NDArray[np.int64]) -> Density:
    """Uncalibrated PDFs (n, K) of one network."""
    return softmax_density(model_outputs(member.model, galaxies, rows), member.grid)


def _training_seed(seed: int, member_seed: int) -> int:
    """Mix two seeds into one: members see different orders, and `seed` changes all of them."""
    return int(np.random.SeedSequence([seed, member_seed]).generate_state(1, np.uint32)[0])
