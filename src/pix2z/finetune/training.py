"""A trained pool goes on training on other galaxies.

Every member starts from its own weights, the moments of its photometry features among them, at a
lower learning rate. Training rows teach, validation rows choose the epoch, calibration rows fit the
temperatures; test rows are not read here. A member that no epoch improves on the validation rows
keeps the weights it came with. Galaxies are compared with the new training sample, not the base's.
"""

import gc
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.config.finetune import FinetuneConfig
from pix2z.config.networks import HybridConfig
from pix2z.config.student import StudentConfig
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.files import file_digest, text_digest, write_json
from pix2z.finetune.base import BasePool
from pix2z.network.arm import Curve, training_code
from pix2z.network.checkpoint import fit_on_record, history_columns
from pix2z.network.estimator import Estimator, Member, fresh_model, save_member
from pix2z.network.measured import MeasuredGalaxies, measured_galaxies
from pix2z.network.pool import save_pool
from pix2z.network.recipes import Targets, raw_outputs, softmax_recipe
from pix2z.network.sample_density import fit_sample_density
from pix2z.redshift_pdf.calibration import MOST_TEMPERATURE_ROWS, evenly_spread, fit_temperature
from pix2z.redshift_pdf.density import mix

__all__ = ["finetune_pool", "provenance", "recalibrate", "taught_by", "training_record"]

Json = dict[str, Any]


def training_record(folder: Path, arm: str, base: BasePool, settings: FinetuneConfig) -> Json:
    """Return what every network keeps of where it comes from, as `provenance` and ``tuned_on``.

    Parameters
    ----------
    folder : with galaxies.h5 and split.h5.
    arm : name of the trainings.
    """
    tuned_on = taught_by(
        folder / "galaxies.h5",
        folder / "split.h5",
        settings.model_dump(mode="json", exclude={"fewest_rows"}),
        "finetune/training.py",
    )
    return {**provenance(base, arm, tuned_on), "tuned_on": tuned_on}


def taught_by(galaxies: Path, split: Path, settings: Json, *code_files: str) -> Json:
    """Return what a training follows from, beside its base: digests of files and code, settings."""
    code = training_code(*code_files)
    return {
        "galaxies_sha256": file_digest(galaxies),
        "split_sha256": file_digest(split),
        "code_sha256": code["code"],
        "tensorflow": code["tensorflow"],
        "settings": settings,
    }


def provenance(base: BasePool, arm: str, taught: Json) -> Json:
    """Return where networks come from that a base began, and `taught` went on.

    `training_key` is a digest of both: the same key goes on from its checkpoints. `base` is the
    record of the base's first network.
    """
    return {
        "arm": arm,
        "training_key": text_digest(base.pool.digest, json.dumps(taught, sort_keys=True)),
        "base_model": base.model,
        "base_pool_digest": base.pool.digest,
        "base": dict(base.record),
    }


def finetune_pool(
    base: Estimator,
    galaxies: Galaxies,
    split: Split,
    *,
    settings: FinetuneConfig | StudentConfig,
    folder: Path,
    checkpoints: Path,
    record: Mapping[str, Any],
    curve: Callable[[int], Curve],
    targets: Targets | None = None,
) -> None:
    """Fine-tune every member of a pool of hybrids, then save members and pool under `folder`.

    Nothing is written under `folder` before the last training has ended. history.json of a member
    holds, beside the columns of any training, the validation loss it began with (`base_val_loss`)
    and whether it kept the weights it came with (`base_kept`).

    Parameters
    ----------
    checkpoints : folder of this fine-tuning's own key; a killed one goes on from what is there.
    record : JSON-able facts kept with every member; `arm` names the training in its log.
    curve : seed of a member -> what to call after each epoch, such as live tracking.
    targets : what training and validation rows teach in the place of their redshifts.
    """
    rows, z_spec = _calibration_galaxies(galaxies, split)
    measured = measured_galaxies(
        galaxies,
        HybridConfig.model_validate(base.members[0].settings),  # all measure alike
        np.concatenate([split.train, split.validation]),
    )
    tuned, densities = {}, []
    for member in base.members:
        seed = int(member.record["seed"])
        trained, history = _finetune_member(
            member,
            measured,
            split,
            settings=settings,
            checkpoint=checkpoints / f"seed-{seed}.h5",
            what=f"{record['arm']}, seed {seed}",
            curve=curve(seed),
            targets=targets,
        )
        densities.append(_density(trained, galaxies, rows))
        trained = replace(
            trained,
            record={**record, "seed": seed, "n_calibration": len(rows)},
            calibration=fit_temperature(densities[-1], z_spec, grid=base.grid),
        )
        tuned[f"seed-{seed}"] = (trained, history)
        gc.collect()  # what trained is in reference cycles, and would wait for the next one
    for name, (trained, history) in tuned.items():
        save_member(folder / name, trained)
        write_json(folder / name / "history.json", history)
    pooled = fit_temperature(mix(densities), z_spec, grid=base.grid)
    density = fit_sample_density(galaxies, train=split.train, calibration=rows)
    save_pool(folder, list(tuned), pooled, density)


def recalibrate(base: Estimator, galaxies: Galaxies, split: Split) -> Estimator:
    """Return the same networks with the temperature that these calibration rows ask for.

    The control of a fine-tuning: what it gains over this, it gains by its weights.
    """
    rows, z_spec = _calibration_galaxies(galaxies, split)
    pooled = mix([_density(member, galaxies, rows) for member in base.members])
    return replace(base, calibration=fit_temperature(pooled, z_spec, grid=base.grid))


def _calibration_galaxies(
    galaxies: Galaxies, split: Split
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows (n,) that temperatures are fitted on, and their redshifts."""
    rows = evenly_spread(split.calibration, most=MOST_TEMPERATURE_ROWS)
    return rows, galaxies.column("specz_redshift", rows).astype(np.float64)


def _finetune_member(
    base: Member,
    measured: MeasuredGalaxies,
    split: Split,
    *,
    settings: FinetuneConfig | StudentConfig,
    checkpoint: Path,
    what: str,
    curve: Curve,
    targets: Targets | None,
) -> tuple[Member, Json]:
    """Train one member on; return it with the calibration of its base, and its history."""
    changed = settings.model_dump(exclude={"seed", "fewest_rows", "truth_share"})
    hybrid = HybridConfig.model_validate({**base.settings, **changed})
    seed = _training_seed(settings.seed, int(base.record["seed"]))
    mean, sd = base.model.get_layer("standardise").get_weights()
    recipe = softmax_recipe(
        measured,
        split,
        grid=base.grid,
        settings=hybrid,
        moments=(mean, sd),
        seed=seed,
        targets=targets,
    )
    recipe.model.set_weights(base.model.get_weights())
    base_loss = recipe.validation_loss(recipe.model)
    state = fit_on_record(recipe, checkpoint=checkpoint, curve=curve, what=what)
    improved = state.history[state.best_epoch]["val_loss"] < base_loss
    model = fresh_model("hybrid", hybrid.model_dump(mode="json"), grid=base.grid)
    model.set_weights((recipe if improved else base).model.get_weights())
    history = history_columns(state, n_train=len(split.train))
    history |= {"base_val_loss": base_loss, "base_kept": not improved}
    return replace(base, model=model, settings=hybrid.model_dump(mode="json")), history


def _density(member: Member, galaxies: Galaxies, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Uncalibrated PDFs (n, K) of one network."""
    return raw_outputs(member.model, galaxies, rows, grid=member.grid)


def _training_seed(seed: int, member_seed: int) -> int:
    """Mix two seeds into one: members see different orders, and `seed` changes all of them."""
    return int(np.random.SeedSequence([seed, member_seed]).generate_state(1, np.uint32)[0])
