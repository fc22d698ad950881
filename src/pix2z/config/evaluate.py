"""Parameters of evaluation and comparison."""

from typing import ClassVar

from pydantic import PositiveInt

from pix2z.config.section import Section, Seed, Share

__all__ = ["EvaluateConfig"]


class EvaluateConfig(Section):
    """The bootstrap behind every interval and p-value, and which differences matter."""

    key: ClassVar[str] = "evaluate"

    seed: Seed
    n_bootstrap: PositiveInt
    margin: Share
    """Share of an error of the arm `full`, below which a difference in that error does not matter.

    Fixed before the comparison: an interval inside +- this share is called equivalent.
    """
