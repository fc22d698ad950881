"""Parameters of the semi-real sky."""

from typing import Annotated, ClassVar

from pydantic import Field, PositiveFloat, PositiveInt

from pix2z.config.section import Section, Seed

__all__ = ["SkyConfig"]


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
    neighbour_limit: Annotated[float, Field(gt=14, le=22.5)]
    """r of the faintest stars and galaxies beside; from r = 14 on, no fainter than the counts."""
    size_depends_on_redshift: bool
    """False draws apparent sizes independent of z: the ablation of the size-luminosity relation."""
