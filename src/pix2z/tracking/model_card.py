"""What a registered model says of itself, in markdown."""

from collections.abc import Mapping
from pathlib import Path

from pix2z.files import read_json
from pix2z.tracking.record import RunRecord
from pix2z.tracking.registry import ModelRecord
from pix2z.tracking.training_records import TrainedPool

__all__ = ["model_record"]

_SHOWN = {
    "mae": "MAE, mean |dz|",
    "crps": "CRPS",
    "nmad": "NMAD of Δ = dz / (1 + z)",
    "bias_mean": "mean Δ",
    "outlier_005": "share of outliers, |Δ| above 0.05",
    "coverage_68": "coverage of the 68 % interval",
    "coverage_95": "coverage of the 95 % interval",
}

_TAGS = (
    "arm",
    "architecture",
    "selection",
    "galaxies_digest",
    "split_digest",
    "test_digest",
    "base_pool_digest",
)
"""Tags that a version has from the run of its pool."""


def model_record(trained: TrainedPool, pool: RunRecord, *, run_id: str) -> ModelRecord:
    """Return the version of the registered model that a pool is; the run owns it."""
    return ModelRecord(
        name=trained.model,
        model_description=_model_description(trained),
        folder=trained.folder,
        members=tuple(trained.pool["members"]),
        digest=trained.pool["digest"],
        run_id=run_id,
        card=_card(trained, pool),
        tags={key: pool.tags[key] for key in _TAGS if key in pool.tags},
    )


def _model_description(trained: TrainedPool) -> str:
    return (
        f"Redshifts of galaxies from five-band images. {trained.sentence}\n\n"
        "**Input:** images (n, 32, 32, 5), float32, nanomaggies, bands u g r i z last, 0.396 "
        "arcsec per pixel; NaN where a pixel is masked or a band absent. Parameter `ebv`: "
        "E(B-V) of the n galaxies in magnitudes, or nothing.\n\n"
        "**Output:** a row per galaxy: z_median, z_mean, z_mode, limits of the central 68 and "
        "95 % intervals, flags (1: a band is absent, 2: pixels are masked, 4: E(B-V) unknown)."
    )


def _card(trained: TrainedPool, pool: RunRecord) -> str:
    """Say what it is, then data, metrics, limits and intended use, each under a heading."""
    what = f"Pool of seeds {pool.params['seeds']} of the {trained.what} {trained.sentence}"
    parts = {
        "Data": [_data(trained)],
        "Metrics": _figures_of_merit(trained, pool.metrics),
        "Limits": [f"- {words}" for words in (*trained.limits, *_limits(trained))],
        "Intended use": [*_USE],
    }
    sections = [f"**{name}**\n\n" + "\n".join(lines) for name, lines in parts.items() if lines]
    code = [
        "```python",
        f'model = mlflow.pyfunc.load_model("models:/{trained.model}/<version>")',
        'redshifts = model.predict(images, params={"ebv": ebv})',
        "```",
    ]
    remark = [trained.remark] if trained.remark else []
    return "\n\n".join([what, *remark, *sections, "\n".join(code)])


_USE = (
    "Redshifts with their uncertainty for many galaxies like those above: catalogues, samples, "
    "distributions. Not in the place of a spectrum where a result rests on a single galaxy.",
)


def _data(trained: TrainedPool) -> str:
    """Say where its galaxies come from, and how many trained each of its networks."""
    history = read_json(_first_member(trained) / "history.json")
    source = f"Trained and tested on {trained.source}. " if trained.source else ""
    return f"{source}{history['n_train']:,} training images per network."


def _limits(trained: TrainedPool) -> list[str]:
    grid = read_json(_first_member(trained) / "estimator.json")["grid"]
    return [
        f"Redshifts from {grid['z_min']:g} to {grid['z_max']:g} only: a galaxy beyond gets a "
        "wrong one, without a flag.",
        "What is at the centre of an image is taken for a galaxy: a star gets a redshift too.",
        "Measured on galaxies as described here; another telescope, depth, selection or pixel "
        "scale was not tested, and intervals may then be too narrow. `pix2z finetune` adapts it.",
    ]


def _first_member(trained: TrainedPool) -> Path:
    name: str = next(iter(trained.pool["members"]))
    return trained.folder / name


def _figures_of_merit(trained: TrainedPool, metrics: Mapping[str, float]) -> list[str]:
    """One line per metric; MLflow shows tables without any space between their columns."""
    known = [name for name in _SHOWN if f"test/{name}" in metrics]
    if not known:
        return []
    return [trained.measured, "", *(_line(name, metrics, trained.beside) for name in known)]


def _line(name: str, metrics: Mapping[str, float], beside: Mapping[str, str]) -> str:
    line = f"- {_SHOWN[name]}: **{metrics[f'test/{name}']:.4f}**"
    others = {words: metrics.get(f"{prefix}/{name}") for prefix, words in beside.items()}
    shown = [f"{words} {value:.4f}" for words, value in others.items() if value is not None]
    return ", ".join([line, *shown])
