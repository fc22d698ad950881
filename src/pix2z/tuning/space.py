"""What the study may change: settings of the hybrid and the distributions they are drawn from.

Optuna stores numbers and text, so that lists of layer widths stand there as text like ``256-128``.
"""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution

from pix2z.errors import InputError

__all__ = ["HYBRID_SPACE", "Space", "around", "decoded", "encoded"]

Space = Mapping[str, Any]
"""Setting -> the distribution of Optuna that it is drawn from."""

HYBRID_SPACE: Space = {
    "learning_rate": FloatDistribution(3e-4, 6e-3, log=True),
    "dropout": FloatDistribution(0.0, 0.4),
    "weight_decay": FloatDistribution(1e-6, 1e-2, log=True),
    "label_smoothing_dz": FloatDistribution(0.0, 0.008),
    "dense_units": CategoricalDistribution(("128-64", "256-128", "256-128-64")),
    "trunk_filters": CategoricalDistribution(("8-16-32", "16-32-32", "16-32-64")),
}
"""Keys are those of the section `hybrid` of params.yaml."""


def around(space: Space, baseline: Mapping[str, Any]) -> dict[str, Any]:
    """Return the space with the baseline's widths among its choices.

    Raises InputError naming the key where a real setting of the baseline is outside its range.
    """
    start = encoded({name: baseline[name] for name in space})
    return {name: _around(name, space[name], start[name]) for name in space}


def _around(name: str, distribution: Any, start: Any) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return CategoricalDistribution(tuple(dict.fromkeys((*distribution.choices, start))))
    if not distribution.low <= start <= distribution.high:
        raise InputError(
            f"params.yaml: hybrid.{name}: {start} is where the study starts, expected between "
            f"{distribution.low} and {distribution.high}; tune.n_trials: 0 keeps it without a study"
        )
    return distribution


def encoded(settings: Mapping[str, Any]) -> dict[str, str | float]:
    """Return settings as Optuna stores them."""
    return {
        name: "-".join(map(str, value)) if isinstance(value, tuple | list) else float(value)
        for name, value in settings.items()
    }


def decoded(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `encoded`: widths as a tuple, numbers as they are."""
    return {
        name: tuple(int(width) for width in value.split("-") if width)
        if isinstance(value, str)
        else value
        for name, value in stored.items()
    }
