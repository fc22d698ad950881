"""Parameters of promotion."""

from typing import Annotated, ClassVar

from pydantic import Field, PositiveFloat, PositiveInt

from pix2z.config.section import Frozen, Section, Share

__all__ = ["LimitsConfig", "PromotionConfig", "Tolerances"]


class LimitsConfig(Frozen):
    """Which arm sets the limits of errors, or the largest value of each metric itself."""

    arm: Annotated[str, Field(min_length=1)]
    """Its results on validation rows are the limits of every metric that has no number here."""
    crps: PositiveFloat | None
    mae: PositiveFloat | None
    nmad: PositiveFloat | None
    outlier_005: Share | None


class Tolerances(Frozen):
    """How far PDFs and redshifts may be from calibrated ones, beyond what chance explains."""

    coverage_68: Share
    """Difference of the share of galaxies inside their 68 % interval from 0.68."""
    coverage_95: Share
    pit_ks: Share
    """Distance of the PIT values from uniform, after Kolmogorov and Smirnov."""
    bias_mean: PositiveFloat


class PromotionConfig(Section):
    """What a version must show before it becomes the champion."""

    key: ClassVar[str] = "promotion"

    limits: LimitsConfig
    calibration: Tolerances
    margin: PositiveFloat
    """By which share of the champion's CRPS the candidate's may be larger, at most."""
    smallest_test_set: PositiveInt
    """Independent test galaxies below which the margin is not judged."""
    smoke_galaxies: PositiveInt
    """Test galaxies that are sent through the version as it would be served."""
