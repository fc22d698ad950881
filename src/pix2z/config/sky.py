"""Parameters of the semi-real sky."""

from typing import Annotated, ClassVar

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pix2z.config.section import Frozen, Section, Seed, above

__all__ = ["Conditions", "SkyConfig"]


PerBand = tuple[
    NonNegativeFloat, NonNegativeFloat, NonNegativeFloat, NonNegativeFloat, NonNegativeFloat
]


class Conditions(Frozen):
    """What the sky and the telescope do to a stamp: what lies beside, seeing, noise, calibration.

    Medians of seeing and sky noise are facts of SDSS (`sky.observing`, `imaging`); here is what
    differs from stamp to stamp. Scatters are rms, of a natural logarithm unless said otherwise.
    """

    neighbour_limit: Annotated[float, Field(gt=14, le=22.5)]
    """r of the faintest stars and galaxies beside; from r = 14 on, no fainter than the counts."""
    undetected_limit: Annotated[float, Field(le=26), above("neighbour_limit")]
    """r of the faintest galaxies of all, which nothing detects; they begin at `neighbour_limit`."""
    seeing_scatter: NonNegativeFloat
    """Of the FWHM of the PSF."""
    wing_scatter: Annotated[float, Field(ge=0, le=0.3)]
    """Of the share of its light that is in its wings."""
    sky_noise_scatter: PerBand
    """Of the noise of the sky."""
    sky_offset_mean: float
    """What the subtraction of the sky leaves in a pixel, in its noise."""
    sky_offset_scatter: NonNegativeFloat
    """Its rms about that mean, in the noise of a pixel."""
    calibration_error: PerBand
    """rms error of the photometric calibration of a field."""


class SkyConfig(Section):
    """How many galaxies are rendered, and with which seed."""

    key: ClassVar[str] = "sky"

    seed: Seed
    n_parents: PositiveInt
    """Parents used, at most; the cleaned catalogue has about 9,800."""
    n_stamps: PositiveInt
    """Stamps in total: one unmoved per parent, the rest moved stamps of training parents."""
    max_shift: PositiveFloat
    """Largest |dz| of a moved stamp."""
    faint_limit: float
    """Dereddened Petrosian r limit of the sample, AB magnitudes."""
    conditions: Conditions
    size_depends_on_redshift: bool
    """False draws apparent sizes independent of z: the ablation of the size-luminosity relation."""
