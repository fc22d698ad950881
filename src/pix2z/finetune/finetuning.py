"""All of a fine-tuning in order: sample, training, measurement, report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pix2z.config.finetune import FinetuneSettings
from pix2z.config.ingest import Hdf5Mapping
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.finetune.base import BasePool, check_base
from pix2z.finetune.report import measure, write_report
from pix2z.finetune.sample import make_sample
from pix2z.finetune.training import finetune_pool, training_record
from pix2z.network.arm import Curve
from pix2z.network.estimator import load_pool

__all__ = ["finetune"]

CHECKPOINTS = Path(".checkpoints")


def finetune(
    file: Path,
    folder: Path,
    base: BasePool,
    settings: FinetuneSettings,
    *,
    arm: str,
    layout: str | None,
    mapping: Hdf5Mapping,
    check: bool,
    sampled: Callable[[dict[str, Any]], None],
    curves: Callable[[str], Callable[[int], Curve]],
) -> dict[str, Any]:
    """Let a pool go on training on the galaxies of a file; write all of it and return report.json.

    Under `folder`: galaxies.h5, split.h5, the networks and pool.json, predictions/ and
    base_predictions/ (see `report.measure`), and last of all report.json. A refused file leaves
    what stood there; a killed run goes on from its checkpoints when it is started again.

    Parameters
    ----------
    arm : name of the trainings.
    layout, mapping : how the file is read, as in params.yaml's section ingest.
    check : whether pixels must look like ugriz in nanomaggies.
    sampled : called with ingest's report before training begins.
    curves : training key -> seed -> what to call after each epoch.

    Raises
    ------
    InputError
        The base cannot go on training, or the file cannot be read or has too few galaxies.
    """
    check_base(base.pool, model=base.model)
    ingested, seen = make_sample(
        file, folder, base, settings, layout=layout, mapping=mapping, check=check
    )
    sampled(ingested)
    record = training_record(folder, arm, base, settings.finetune)
    with open_galaxies(folder / "galaxies.h5") as galaxies:
        finetune_pool(
            base.pool,
            galaxies,
            read_split(folder / "split.h5"),
            settings=settings.finetune,
            folder=folder,
            checkpoints=CHECKPOINTS / record["training_key"],
            record=record,
            curve=curves(record["training_key"]),
        )
    return write_report(
        folder,
        base,
        file,
        record=record,
        ingested=ingested,
        seen=seen,
        measured=measure(folder, base, load_pool(folder), settings.evaluate),
    )
