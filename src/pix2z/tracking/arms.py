"""models/ and reports/metrics/ of an arm -> what its runs and its registered model say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pix2z.config.arms import Arm
from pix2z.files import read_json
from pix2z.tracking.arm_lineage import read_arm_lineage
from pix2z.tracking.lineage import data_digest
from pix2z.tracking.record import DatasetUse, numbers
from pix2z.tracking.training_records import TrainedPool

__all__ = ["ARCHITECTURES", "GALAXIES", "SELECTIONS", "read_arm_files"]

SELECTIONS = {
    "full": "all training galaxies",
    "clipped": "the training galaxies within 2 sigma of the mean redshift",
    "equal_n": "a random subsample of the training galaxies, as large as the clipped sample",
}
ARCHITECTURES = {
    "hybrid": "photometry inside the network beside a small convolutional trunk, into a PDF",
    "published_cnn": "the published 421,725-parameter CNN with its own recipe",
}
_LIMITS = {
    "clipped": (
        "It has seen no galaxy beyond 2 sigma of the mean redshift, and does not recognise one.",
    ),
}
GALAXIES = "data/galaxies.h5"


def read_arm_files(root: Path, name: str, arm: Arm, *, recorded: Mapping[str, str]) -> TrainedPool:
    """Read the pool, metrics and figures of an arm; `recorded`: path -> digest known to DVC."""
    split = f"data/splits/{arm.selection}.h5"
    made_from = read_arm_lineage(root, name, split=split)
    galaxies_digest, split_digest = (
        made_from.md5(path) or data_digest(root, path, recorded) for path in (GALAXIES, split)
    )
    report = root / "reports/metrics" / f"{name}.json"
    metrics = read_json(report) if report.exists() else {}
    seeds = metrics.get("seeds", {})
    words = ARCHITECTURES[arm.architecture]
    return TrainedPool(
        name=name,
        model=f"pix2z-{name}",
        stage="train",
        what="arm",
        sentence=(
            f"**{name}**: trained on {SELECTIONS[arm.selection]}; architecture "
            f"{arm.architecture} ({words})."
        ),
        folder=root / "models" / name,
        pool=read_json(root / "models" / name / "pool.json"),
        tags={
            "arm": name,
            "selection": arm.selection,
            "architecture": arm.architecture,
            "galaxies_digest": galaxies_digest,
            "split_digest": split_digest,
            **_test_digest(root / "reports/split.json"),
            **made_from.tags,
        },
        params={"architecture": arm.architecture, "selection": arm.selection},
        datasets=(
            DatasetUse("galaxies", GALAXIES, galaxies_digest, "training"),
            DatasetUse(f"split {arm.selection}", split, split_digest, "training rows"),
        ),
        seed_metrics={seed: _test_metrics(subsets) for seed, subsets in seeds.items()},
        pool_metrics=_test_metrics(metrics.get("pool", {})),
        measured="On all test galaxies, and on those inside the clip window, in redshift units:",
        beside={"test_inside": "inside"},
        artifacts=dict.fromkeys(_figures(root / "reports/figures", name), "figures"),
        texts=made_from.texts,
        source=_source(root / "reports/ingest.json"),
        limits=_LIMITS.get(arm.selection, ()),
    )


def _test_digest(report: Path) -> dict[str, str]:
    """Tag that names the test galaxies; none where the split left no report."""
    return {"test_digest": read_json(report)["test_digest"]} if report.exists() else {}


def _source(report: Path) -> str:
    return str(read_json(report)["raw"]["source"]) if report.exists() else ""


def _figures(folder: Path, arm: str) -> tuple[Path, ...]:
    """Figures of this arm alone, and those that show all arms side by side."""
    names = (f"errors_{arm}", "training_curves", "redshift_density", "pit")
    return tuple(path for name in names if (path := folder / f"{name}.png").exists())


def _test_metrics(subsets: Mapping[str, Any]) -> dict[str, float]:
    """``test/<metric>`` on the whole test set, ``test_inside/<metric>`` inside the clip window."""
    found: dict[str, float] = {}
    for subset, prefix in (("whole", "test/"), ("inside", "test_inside/")):
        values = numbers(subsets.get(subset, {}))
        found |= {f"{prefix}{name}": value for name, value in values.items()}
    return found
