"""Parameters of evaluation and comparison."""

from typing import ClassVar

from pydantic import PositiveInt

from pix2z.config.section import Section, Seed

__all__ = ["EvaluateConfig"]


class EvaluateConfig(Section):
    """The bootstrap behind every interval and p-value."""

    key: ClassVar[str] = "evaluate"

    seed: Seed
    n_bootstrap: PositiveInt
