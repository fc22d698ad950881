"""Parameters of `make study`'s questions."""

from typing import Annotated, ClassVar

from pydantic import Field, PositiveInt

from pix2z.config.section import Section, Seed

__all__ = ["StudyConfig"]

Seeds = Annotated[tuple[Seed, ...], Field(min_length=2)]


class StudyConfig(Section):
    """How finely the questions of the study are asked, and with how many trainings."""

    key: ClassVar[str] = "study"

    seed: Seed
    """Of the cells in colour and of the groups that a learning curve draws."""
    n_tomographic_bins: PositiveInt
    n_colour_cells: PositiveInt
    n_redshift_bins: PositiveInt
    """Bins of equal numbers along z_spec in which the bands' Shapley values are given."""
    n_groups: tuple[PositiveInt, ...]
    """Training groups (parent galaxies) of a learning curve's points, beside all there are."""
    seeds: Seeds
    """Of the trainings of the hybrid and of the arm without a trunk, at each size."""
    published_seeds: Seeds
    """Of the published CNN, which takes many times as long."""
