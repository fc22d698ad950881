"""What the study may change: named dimensions of the hybrid's settings, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pix2z.errors import InputError

__all__ = ["HYBRID_SPACE", "Choice", "Dimension", "Real", "around", "decode", "encode"]


@dataclass(frozen=True)
class Real:
    """A real setting between `low` and `high`, both included; drawn on a log scale if `log`."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of several lists of layer widths."""

    options: tuple[tuple[int, ...], ...]


Dimension = Real | Choice

HYBRID_SPACE: Mapping[str, Dimension] = {
    "learning_rate": Real(3e-4, 6e-3, log=True),
    "dropout": Real(0.0, 0.4),
    "weight_decay": Real(1e-6, 1e-2, log=True),
    "label_smoothing_dz": Real(0.0, 0.008),
    "dense_units": Choice(((128, 64), (256, 128), (256, 128, 64))),
    "trunk_filters": Choice(((8, 16, 32), (16, 32, 32), (16, 32, 64))),
}
"""Keys are those of the section `hybrid` of params.yaml."""


def around(space: Mapping[str, Dimension], baseline: Mapping[str, Any]) -> dict[str, Dimension]:
    """Return the space with the baseline's widths among its choices.

    Raises InputError naming the key where a real setting of the baseline is outside its range.
    """
    return {name: _around(name, space[name], baseline[name]) for name in space}


def _around(name: str, dimension: Dimension, value: Any) -> Dimension:
    if isinstance(dimension, Choice):
        return Choice(tuple(dict.fromkeys((*dimension.options, tuple(value)))))
    if not dimension.low <= value <= dimension.high:
        raise InputError(
            f"params.yaml: hybrid.{name}: {value} is where the study starts, expected between "
            f"{dimension.low} and {dimension.high}; tune.n_trials: 0 keeps it without a study"
        )
    return dimension


def encode(value: Any) -> str | float:
    """Return a setting as Optuna stores it: widths as text like ``256-128``, numbers as such."""
    if isinstance(value, tuple | list):
        return "-".join(str(width) for width in value)
    return float(value)


def decode(dimension: Dimension, stored: str | float) -> Any:
    """Undo `encode`."""
    if isinstance(dimension, Real):
        return float(stored)
    return next(option for option in dimension.options if encode(option) == stored)
