"""Parameters of promotion."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from pix2z.config.section import Frozen, Section, Share

__all__ = ["CalibrationLimits", "MetricLimits", "PromotionConfig"]


class MetricLimits(Frozen):
    """Largest values of metrics on the whole test set, the bias without its sign."""

    crps: PositiveFloat
    mae: PositiveFloat
    nmad: PositiveFloat
    outlier_005: Share
    bias_mean: PositiveFloat


class CalibrationLimits(Frozen):
    """How far PDFs may be from calibrated ones."""

    coverage_68: Share
    """Largest difference of the share of galaxies inside their 68 % interval from 0.68."""
    coverage_95: Share
    pit_ks: Share
    """Largest distance of the PIT values from uniform, after Kolmogorov and Smirnov."""


class PromotionConfig(Section):
    """What a version must show before it becomes the champion."""

    key: ClassVar[str] = "promotion"

    limits: MetricLimits
    calibration: CalibrationLimits
    no_loss: Annotated[
        tuple[Literal["crps", "mae", "nmad", "outlier_005"], ...], Field(min_length=1)
    ]
    """Metrics in which the candidate may not be significantly worse than the champion."""
    smoke_galaxies: PositiveInt
    """Test galaxies that are sent through the version as it would be served."""
