"""Parameters of the split."""

from typing import ClassVar

from pydantic import PositiveFloat

from pix2z.config.section import Frozen, Section

__all__ = ["SplitConfig", "SplitFractions"]


class SplitFractions(Frozen):
    """Expected share of groups in each part; they sum to 1."""

    train: PositiveFloat
    validation: PositiveFloat
    calibration: PositiveFloat
    test: PositiveFloat


class SplitConfig(Section):
    """Parts of the sample and the clip window."""

    key: ClassVar[str] = "split"

    seed: int
    fractions: SplitFractions
    clip_sigma: PositiveFloat
