"""One way to record what was trained, whatever the network.

A *training* is one network; its run shows the learning curves. A *trained model* is what becomes a
version of a registered model: a pool of redshift networks (an arm, or a fine-tuned model; `pools`)
or a single spectrum network (`spectrum_networks`). Either is read from its files into a
`TrainedModel`, which `register` writes to the store without asking which of them it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pix2z.files import file_digest, read_json
from pix2z.tracking.cards import Card
from pix2z.tracking.records import RunRecord, numbers

__all__ = [
    "CURVES",
    "GALAXIES",
    "SELECTIONS",
    "TrainedModel",
    "data_tags",
    "galaxies_words",
    "run_name",
    "shared_tags",
    "training_run",
    "training_tag",
]

GALAXIES = "data/galaxies.h5"

CURVES = {
    "loss": "curves/train_loss",
    "val_loss": "curves/val_loss",
    "learning_rate": "curves/learning_rate",
}
"""Column of history.json -> name of the curve.

MLflow draws what stands before a slash as a section of charts, in alphabetical order: learning
curves, then test metrics.
"""

SELECTIONS = {
    "full": "all training galaxies",
    "clipped": "the training galaxies within 2 sigma of the mean redshift",
    "equal_n": "a random subsample of the training galaxies, as large as the clipped sample",
}
"""Selection of training rows -> what it is, in words."""

_VERSION_TAGS = (
    "arm",
    "architecture",
    "decoder",
    "selection",
    "raw_digest",
    "galaxies_digest",
    "spectra_digest",
    "split_digest",
    "test_digest",
    "weights_digest",
    "base_pool_digest",
)
"""Tags that a version has from the run that owns it."""


@dataclass(frozen=True)
class TrainedModel:
    """What the files of a pool or of a spectrum network say of it."""

    name: str
    """The registered model that it is a version of."""
    description: str
    """Of that registered model, in markdown."""
    kind: Literal["pool", "network"]
    folder: Path
    members: tuple[str, ...]
    """Of a pool: its networks, folders below `folder`; none of a single network."""
    digest: str
    """The registered model holds one version with it."""
    runs: tuple[RunRecord, ...]
    """A run per training, and last the one that owns the version."""
    card: Card

    @property
    def owner(self) -> RunRecord:
        """The run that the version belongs to."""
        return self.runs[-1]

    @property
    def trainings(self) -> tuple[RunRecord, ...]:
        """The runs of single networks."""
        return tuple(run for run in self.runs if run.tags["kind"] == "training")

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the version."""
        tags = self.owner.tags
        return {key: tags[key] for key in _VERSION_TAGS if key in tags}


def shared_tags(models: Iterable[TrainedModel], *names: str) -> dict[str, str]:
    """Return those of the named tags that all models have with one value: digests of their data."""
    values = {name: {model.tags.get(name, "") for model in models} for name in names}
    return {name: v.pop() for name, v in values.items() if len(v) == 1 and "" not in v}


def data_tags(root: Path, inputs: Mapping[str, str], files: Mapping[str, str]) -> dict[str, str]:
    """Return tags with the digests of the data that a network was trained on, as far as known.

    Parameters
    ----------
    root : of the repository; its reports name the raw file and the test galaxies.
    inputs : digests that the training recorded of its files, as ``galaxies_sha256``.
    files : ``galaxies``, ``spectra`` or ``split`` -> path of that file below `root`, digested where
        the training recorded nothing of it.
    """
    tags = {}
    for name, path in files.items():
        digest = inputs.get(f"{name}_sha256")
        if digest is None and (root / path).exists():
            digest = file_digest(root / path)
        if digest:
            tags[f"{name}_digest"] = f"sha256:{digest}"
    raw, split = _raw(root), root / "reports/split.json"
    if raw.get("sha256"):
        tags["raw_digest"] = f"sha256:{raw['sha256']}"
    if split.exists():
        tags["test_digest"] = read_json(split)["test_digest"]
    return tags


def galaxies_words(root: Path) -> str:
    """Say in a sentence where the galaxies under `root` come from; empty where not known."""
    source = _raw(root).get("source")
    return f"Trained and tested on {source}. " if source else ""


def _raw(root: Path) -> dict[str, Any]:
    """Return what reports/ingest.json says of the raw file; empty where it is missing."""
    report = root / "reports/ingest.json"
    return dict(read_json(report)["raw"]) if report.exists() else {}


def run_name(model: str, seed: int) -> str:
    """Return the name of the run of one training of a pool."""
    return f"{model}, seed {seed}"


def training_tag(model: str, seed: int, training_key: str) -> str:
    """Return what ties a live run to its files; pools and seeds may start from the same inputs."""
    return f"{model}/seed-{seed}/{training_key}"


def training_run(
    folder: Path,
    history: Mapping[str, Any],
    *,
    key: str,
    name: str,
    description: str,
    tags: Mapping[str, str],
    params: Mapping[str, str],
    metrics: Mapping[str, float],
    artifacts: Mapping[Path, str],
    training_key: str,
) -> RunRecord:
    """Return the record of one training: what all networks share, beside what the caller knows.

    Parameters
    ----------
    folder : of the network, with history.json.
    history : content of history.json.
    tags : with `arm`, `seed` and `stage`.
    training_key : digest of all that the training started from.
    """
    seconds = sum(history["seconds"])
    return RunRecord(
        key=key,
        name=name,
        description=description,
        started=(folder / "history.json").stat().st_mtime - seconds,
        seconds=seconds,
        tags={**tags, "kind": "training"},
        params={**params, "n_train": str(history["n_train"])},
        metrics={
            "best_epoch": history["best_epoch"],
            "best_val_loss": min(history["val_loss"]),
            "cpu_seconds": history["cpu_seconds"],
            **numbers({"base_val_loss": history.get("base_val_loss")}),
            **metrics,
        },
        curves={
            curve: list(zip(history["epoch"], history[column], strict=True))
            for column, curve in CURVES.items()
        },
        artifacts={folder / "history.json": "", **artifacts},
        training_key=training_tag(tags["arm"], int(tags["seed"]), training_key),
    )
