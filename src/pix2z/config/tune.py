"""Parameters of the Optuna study."""

from typing import ClassVar

from pydantic import NonNegativeInt, PositiveInt

from pix2z.config.section import Section, Seed

__all__ = ["TuneConfig"]


class TuneConfig(Section):
    """The budget of the study; its result feeds every hybrid arm alike."""

    key: ClassVar[str] = "tune"

    seed: Seed
    n_trials: NonNegativeInt
    """0 keeps the settings of params.yaml."""
    epochs: PositiveInt
    """Epochs of one trial, at most; pruned earlier where it falls behind."""
