"""Parameters of the semi-real sky."""

from typing import ClassVar

from pydantic import PositiveFloat, PositiveInt

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
    size_depends_on_redshift: bool
    """False draws apparent sizes independent of z: the ablation of the size-luminosity relation."""
