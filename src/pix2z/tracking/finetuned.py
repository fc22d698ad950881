"""finetuned/<name>/ -> what its runs and its registered model say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pix2z.errors import InputError
from pix2z.files import read_json
from pix2z.tracking.arm_lineage import data_digests_tag
from pix2z.tracking.record import DatasetUse, as_params, numbers
from pix2z.tracking.training_records import TrainedPool

__all__ = ["read_finetuned", "run_prefix"]

_PREFIXES = {"tuned": "test", "base": "base", "recalibrated": "recalibrated"}
"""Version in report.json -> what its metrics begin with in the store."""


def run_prefix(name: str) -> str:
    """Return what the runs of a fine-tuned model are called by."""
    return f"finetune {name}"


def read_finetuned(folder: Path) -> TrainedPool:
    """Read what the files of a fine-tuned model say."""
    report, pool = (read_json(folder / file) for file in ("report.json", "pool.json"))
    if report["pool_digest"] != pool["digest"]:
        raise InputError(f"{folder}: report.json is of another pool; repeat pix2z finetune")
    name, base, data = report["name"], report["base"], report["data"]
    metrics = {
        f"{prefix}/{metric}": value
        for version, prefix in _PREFIXES.items()
        for metric, value in numbers(report["metrics"][version]).items()
    }
    n = report["n"]
    galaxies, split = (folder / file for file in ("galaxies.h5", "split.h5"))
    return TrainedPool(
        name=run_prefix(name),
        model=f"pix2z-{name}",
        stage="finetune",
        what="fine-tuned model",
        sentence=(
            f"**{name}**: the pool of {base['model']} (digest {base['pool_digest'][:12]}), which "
            f"went on training on {n['train']:,} galaxies of {data['file']}."
        ),
        folder=folder,
        pool=pool,
        tags={
            "arm": run_prefix(name),
            "architecture": "hybrid",
            "galaxies_digest": data["galaxies_digest"],
            "split_digest": data["split_digest"],
            "test_digest": data["test_digest"],
            "base_pool_digest": base["pool_digest"],
            **data_digests_tag(
                {
                    data["file"]: (f"sha256:{data['sha256']}",),
                    str(galaxies): (data["galaxies_digest"],),
                    str(split): (data["split_digest"],),
                }
            ),
        },
        params=as_params({"base": base["model"], "file": data["file"], **report["settings"]}),
        datasets=(
            DatasetUse(data["file"], str(galaxies), data["galaxies_digest"], "training"),
            DatasetUse(
                f"split of {data['file']}", str(split), data["split_digest"], "training rows"
            ),
        ),
        seed_metrics=_seed_metrics(report["seeds"]),
        pool_metrics={**metrics, **{f"n/{part}": float(rows) for part, rows in n.items()}},
        measured=(
            f"On {n['test']:,} galaxies of {data['file']} that neither training nor calibration "
            "used, in redshift units:"
        ),
        beside={"base": "base", "recalibrated": "base recalibrated"},
        artifacts={folder / "report.json": ""},
        source=data["source"],
        remark=f"{report['verdict']} {report['seen_before']['words']}",
        lineage=(report["training_key"],),
    )


def _seed_metrics(seeds: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    return {
        seed: {f"test/{metric}": value for metric, value in numbers(values).items()}
        for seed, values in seeds.items()
    }
