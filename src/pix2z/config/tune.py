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
    batch: PositiveInt
    """Trials proposed together, from all finished before them: so many can run side by side. The
    result depends on it, but not on how many do."""
    epochs: PositiveInt
    """Epochs of one trial, at most; pruned earlier where it falls behind."""
