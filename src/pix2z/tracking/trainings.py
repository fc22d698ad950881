"""One way to record what was trained, whatever the network.

A *training* is one network; its run shows the learning curves. A *trained model* is what becomes a
version of a registered model: a pool of redshift networks (an arm, or a fine-tuned model; `pools`)
or a single spectrum network (`spectrum_networks`). Either is read from its files into a
`TrainedModel`, which `register` writes to the store without asking which of them it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pix2z.files import read_json
from pix2z.tracking.records import RunRecord, numbers

if TYPE_CHECKING:
    from pix2z.tracking.served_forms import ServedForm

__all__ = [
    "CURVES",
    "ENDS",
    "INPUT",
    "SEED_METRICS",
    "SELECTIONS",
    "TrainedModel",
    "as_training",
    "data_tags",
    "galaxies_words",
    "run_name",
    "shared_tags",
    "training_tag",
]

CURVES = {
    "loss": "curves/train_loss",
    "val_loss": "curves/val_loss",
    "learning_rate": "curves/learning_rate",
}
"""Column of history.json -> name of the curve.

MLflow draws what stands before a slash as a section of charts, in alphabetical order: learning
curves, then test metrics.
"""

INPUT = """\
**Input:** images (n, 32, 32, 5), float32, nanomaggies, bands u g r i z last, 0.396 arcsec per \
pixel; NaN where a pixel is masked or a band absent. Parameter `ebv`: E(B-V) of the n galaxies in \
magnitudes, or nothing."""
"""What every registered model takes, in markdown."""

SELECTIONS = {
    "full": "all training galaxies",
    "clipped": "the training galaxies within 2 sigma of the mean redshift",
    "equal_n": "a random subsample of the training galaxies, as large as the clipped sample",
}
"""Selection of training rows -> what it is, in words."""

ENDS = ("low", "high")
"""Of an interval."""

SEED_METRICS = "seed_metrics"
"""Tag of a pool: metric -> its value on the test galaxies for each of its seeds alone, as JSON."""

_FILES = ("galaxies", "spectra", "split")
"""Files whose digests a training records."""

_DATA_TAGS = ("raw_digest", "galaxies_digest", "spectra_digest", "test_digest")
"""Tags that a comparison has from the models it compares."""

_VERSION_TAGS = (
    *_DATA_TAGS,
    "arm",
    "architecture",
    "decoder",
    "selection",
    "split_digest",
    "weights_digest",
    "base_pool_digest",
    SEED_METRICS,
)
"""Tags that a version has from the run that owns it."""


@dataclass(frozen=True)
class TrainedModel:
    """What the files of a pool or of a spectrum network say of it."""

    name: str
    """The registered model that it is a version of."""
    form: "ServedForm"
    """How a version is made and served: as a pool of redshift networks, or a spectrum network."""
    folder: Path
    """The pool, as models/<arm>, or the network, as spectrum/models/<arm>."""
    digest: str
    """The registered model holds one version with it."""
    runs: tuple[RunRecord, ...]
    """A run per training, and last the one that owns the version."""
    description: str = ""
    """Of the registered model, in markdown."""
    data: str = ""
    """Where the galaxies come from that it was trained on, in words."""
    measured: str = ""
    """On what its metrics were measured, in words."""
    limits: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """``low`` and ``high``: ends of 95 % intervals, where known, by the names of its metrics."""
    command: str = ""
    """What trains it again: a stage of dvc.yaml, or a whole command where `is_stage` is false."""
    is_stage: bool = True

    @property
    def owner(self) -> RunRecord:
        """The run that the version belongs to; the card says what its description says."""
        return self.runs[-1]

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the version."""
        return {key: self.owner.tags[key] for key in _VERSION_TAGS if key in self.owner.tags}


def shared_tags(models: Iterable[TrainedModel]) -> dict[str, str]:
    """Return the digests of data that all models have in common, as tags."""
    values = {name: {model.tags.get(name, "") for model in models} for name in _DATA_TAGS}
    return {name: v.pop() for name, v in values.items() if len(v) == 1 and "" not in v}


def data_tags(root: Path, inputs: Mapping[str, str]) -> dict[str, str]:
    """Return tags with the digests of the data that a network was trained on, as far as known.

    Parameters
    ----------
    root : of the repository; its reports name the raw file and the test galaxies.
    inputs : SHA-256 of the training's files, as it recorded them: ``galaxies_sha256``, ...
    """
    split = root / "reports/split.json"
    digests = {
        "raw_digest": _raw(root).get("sha256"),
        **{f"{name}_digest": inputs.get(f"{name}_sha256") for name in _FILES},
    }
    tags = {name: f"sha256:{digest}" for name, digest in digests.items() if digest}
    return {**tags, "test_digest": read_json(split)["test_digest"]} if split.exists() else tags


def galaxies_words(root: Path) -> str:
    """Say in a sentence where the galaxies under `root` come from; empty where not known."""
    source = _raw(root).get("source")
    return f"Trained and tested on {source}. " if source else ""


def _raw(root: Path) -> dict[str, Any]:
    """Return what reports/ingest.json says of the raw file; empty where it is missing."""
    report = root / "reports/ingest.json"
    return dict(read_json(report)["raw"]) if report.exists() else {}


def run_name(arm: str, seed: int) -> str:
    """Return the name of the run of one training of a pool."""
    return f"{arm}, seed {seed}"


def training_tag(arm: str, seed: int, training_key: str) -> str:
    """Return what ties a live run to its files; pools and seeds may start from the same inputs."""
    return f"{arm}/seed-{seed}/{training_key}"


def as_training(record: RunRecord, folder: Path, saved: Mapping[str, Any]) -> RunRecord:
    """Return the record of one training: what all networks share is added to what the caller knows.

    Parameters
    ----------
    record : with the tag `arm`; its metrics are those on the test galaxies.
    folder : of the network, with history.json.
    saved : estimator.json or spectrum.json, with the digest of the weights, and with seed and
        training key in its record.
    """
    history, seed = read_json(folder / "history.json"), saved["record"]["seed"]
    seconds, key = sum(history["seconds"]), saved["record"]["training_key"]
    return replace(
        record,
        started=(folder / "history.json").stat().st_mtime - seconds,
        seconds=seconds,
        tags={
            **record.tags,
            "kind": "training",
            "seed": str(seed),
            "weights_digest": saved["weights_sha256"],
        },
        params={**record.params, "seed": str(seed), "n_train": str(history["n_train"])},
        metrics={
            "best_epoch": history["best_epoch"],
            "best_val_loss": min(history["val_loss"]),
            "cpu_seconds": history["cpu_seconds"],
            **numbers({"base_val_loss": history.get("base_val_loss")}),
            **record.metrics,
        },
        curves={
            curve: list(zip(history["epoch"], history[column], strict=True))
            for column, curve in CURVES.items()
        },
        artifacts={folder / "history.json": "", **record.artifacts},
        training_key=training_tag(record.tags["arm"], seed, key),
    )
