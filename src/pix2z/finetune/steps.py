"""What ``pix2z finetune`` does, step by step: sample, training, measurement, report."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pix2z.config.evaluate import EvaluateConfig
from pix2z.config.finetune import FinetuneConfig
from pix2z.config.ingest import Hdf5Mapping, IngestConfig
from pix2z.config.split import SplitConfig
from pix2z.dataset.splits import Split, read_split, write_split
from pix2z.dataset.store import Galaxies, open_galaxies
from pix2z.errors import InputError
from pix2z.evaluation.arm_galaxies import GalaxyTerms, galaxy_terms
from pix2z.evaluation.arm_metrics import json_number, metric_values
from pix2z.evaluation.metric_names import METRICS
from pix2z.files import atomic_path, file_digest, read_json, source_digest, text_digest, write_json
from pix2z.finetune.base import Base, seen_by_base
from pix2z.finetune.report import tuning_metrics, tuning_verdict
from pix2z.finetune.split import tuning_split
from pix2z.finetune.training import finetune_pool, recalibrate
from pix2z.ingest.galaxies import ingest
from pix2z.network.arm import Curve
from pix2z.network.estimator import Estimator, load_pool
from pix2z.network.predictions import predict_batches

__all__ = ["Settings", "make_sample", "measure", "train", "training_record", "write_report"]

Json = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """The sections of params.yaml that fine-tuning reads."""

    ingest: IngestConfig
    split: SplitConfig
    finetune: FinetuneConfig
    evaluate: EvaluateConfig

    @classmethod
    def read(cls, path: Path) -> "Settings":
        """Read them; raise ParamsError naming the first key at fault."""
        return cls(
            ingest=IngestConfig.read(path),
            split=SplitConfig.read(path),
            finetune=FinetuneConfig.read(path),
            evaluate=EvaluateConfig.read(path),
        )


def make_sample(
    file: Path,
    folder: Path,
    base: Base,
    settings: Settings,
    *,
    layout: str | None,
    mapping: Hdf5Mapping,
    check: bool,
) -> tuple[Json, Json]:
    """Write the user's galaxies and their split into `folder`; what stood there stays if refused.

    Redshifts outside the grid of the base's PDFs are left out. Returns ingest's report, and what
    is known of galaxies that the base has seen.
    """
    grid = base.pool.grid
    with _emptied(folder), atomic_path(folder / "galaxies.h5") as partial:
        ingested = ingest(
            file,
            partial,
            layout=layout,
            mapping=mapping,
            z_min=settings.ingest.z_min,
            z_max=settings.ingest.z_max,
            pdf_range=(grid.z_min, grid.z_max),
            duplicate_radius_arcsec=settings.ingest.duplicate_radius_arcsec,
            check_photometry=check and settings.ingest.check_photometry,
            z_warnings=settings.ingest.spectra.zwarning,
            classes=settings.ingest.spectra.classes,
        )
        with open_galaxies(partial) as galaxies:
            radius = settings.ingest.duplicate_radius_arcsec
            seen, facts = seen_by_base(galaxies, base, radius_arcsec=radius)
            split = tuning_split(
                galaxies,
                seen=seen,
                seed=settings.split.seed,
                fractions=settings.split.fractions.model_dump(),
                fewest_rows=settings.finetune.fewest_rows.model_dump(),
                path=file,
            )
            n_galaxies = len(galaxies)
    write_split(folder / "split.h5", split, seed=settings.split.seed, n_galaxies=n_galaxies)
    return ingested, facts


def training_record(folder: Path, name: str, base: Base, settings: FinetuneConfig) -> Json:
    """Return what every network keeps of where it comes from.

    `training_key` is a digest of all that the trainings start from: the same key goes on from its
    checkpoints. `base` is the record of the base's first network.
    """
    tuned_on = {
        "galaxies_sha256": file_digest(folder / "galaxies.h5"),
        "split_sha256": file_digest(folder / "split.h5"),
        "code_sha256": source_digest("network", "dataset", "redshift_pdf", "imaging.py"),
        "tensorflow": version("tensorflow"),
        "settings": settings.model_dump(mode="json", exclude={"fewest_rows"}),
    }
    return {
        "arm": name,
        "training_key": text_digest(base.pool.digest, json.dumps(tuned_on, sort_keys=True)),
        "base_model": base.model,
        "base_pool_digest": base.pool.digest,
        "tuned_on": tuned_on,
        "base": dict(base.record),
    }


def train(
    folder: Path,
    base: Base,
    settings: FinetuneConfig,
    *,
    record: Mapping[str, Any],
    curve: Callable[[int], Curve],
) -> Estimator:
    """Fine-tune the pool into `folder` and return it, read back."""
    with open_galaxies(folder / "galaxies.h5") as galaxies:
        finetune_pool(
            base.pool,
            galaxies,
            read_split(folder / "split.h5"),
            learning_rate=settings.learning_rate,
            epochs=settings.epochs,
            patience=settings.patience,
            batch_size=settings.batch_size,
            seed=settings.seed,
            folder=folder,
            checkpoints=Path(".checkpoints") / str(record["training_key"]),
            record=record,
            curve=curve,
        )
    return load_pool(folder)


def measure(folder: Path, base: Base, tuned: Estimator, settings: EvaluateConfig) -> Json:
    """Measure base, recalibrated base and tuned pool on the test galaxies, and each tuned seed."""
    split = read_split(folder / "split.h5")
    with open_galaxies(folder / "galaxies.h5") as galaxies:
        pools = {
            "base": base.pool,
            "recalibrated": recalibrate(base.pool, galaxies, split),
            "tuned": tuned,
        }
        terms = {name: _terms(pool, galaxies, split) for name, pool in pools.items()}
        singles = {
            str(member.record["seed"]): _terms(
                Estimator((member,), member.calibration, ""), galaxies, split
            )
            for member in tuned.members
        }
    return {
        "n": {part: len(rows) for part, rows in split.parts().items()},
        "temperature": {
            name: vars(pool.calibration)["temperature"] for name, pool in pools.items()
        },
        **tuning_metrics(terms, n_bootstrap=settings.n_bootstrap, seed=settings.seed),
        "seeds": {seed: _numbers(found) for seed, found in singles.items()},
    }


def _terms(pool: Estimator, galaxies: Galaxies, split: Split) -> GalaxyTerms:
    return galaxy_terms(batch["pool"] for batch in predict_batches(pool, galaxies, split.test))


def _numbers(terms: GalaxyTerms) -> dict[str, float | None]:
    values = metric_values(terms)
    return {name: json_number(values[name]) for name in METRICS}


@contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    """Take the folder away again where nothing came into it."""
    try:
        yield
    except InputError:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise


def write_report(
    folder: Path,
    base: Base,
    file: Path,
    *,
    record: Mapping[str, Any],
    ingested: Json,
    seen: Json,
    measured: Json,
) -> Json:
    """Write report.json, the last of the files, and return it."""
    pool = read_json(folder / "pool.json")
    histories = {name: read_json(folder / name / "history.json") for name in pool["members"]}
    kept = [history["base_kept"] for history in histories.values()]
    report = {
        "name": folder.name,
        "pool_digest": pool["digest"],
        "training_key": record["training_key"],
        "base": {"model": base.model, "pool_digest": base.pool.digest},
        "data": {
            "file": file.name,
            "source": ingested["raw"]["source"],
            "sha256": ingested["raw"]["sha256"],
            "galaxies_digest": f"sha256:{record['tuned_on']['galaxies_sha256']}",
            "split_digest": f"sha256:{record['tuned_on']['split_sha256']}",
            "test_digest": read_split(folder / "split.h5").test_digest,
        },
        "ingest": ingested,
        "settings": record["tuned_on"]["settings"],
        "seen_before": seen,
        "members": {
            name: {
                "base_val_loss": history["base_val_loss"],
                "best_val_loss": min(history["val_loss"]),
                "best_epoch": history["best_epoch"],
                "epochs": len(history["epoch"]),
                "base_kept": history["base_kept"],
            }
            for name, history in histories.items()
        },
        **measured,
        "verdict": tuning_verdict(
            measured, sample=file.name, n=measured["n"]["test"], all_kept=all(kept)
        ),
    }
    write_json(folder / "report.json", report)
    return report
