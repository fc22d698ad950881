"""Parameters of the split."""

import math
from typing import ClassVar, Self

from pydantic import PositiveFloat, model_validator

from pix2z.config.section import Frozen, Section, Seed

__all__ = ["SplitConfig", "SplitFractions"]


class SplitFractions(Frozen):
    """Expected share of groups in each part; they sum to 1."""

    train: PositiveFloat
    validation: PositiveFloat
    calibration: PositiveFloat
    test: PositiveFloat

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        total = self.train + self.validation + self.calibration + self.test
        if not math.isclose(total, 1, rel_tol=0, abs_tol=1e-9):
            raise ValueError(f"expected fractions that sum to 1; received {total:.10g}")
        return self


class SplitConfig(Section):
    """Parts of the sample and the clip window."""

    key: ClassVar[str] = "split"

    seed: Seed
    fractions: SplitFractions
    clip_sigma: PositiveFloat
