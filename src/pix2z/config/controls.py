"""Parameters of the controls."""

from typing import Annotated, ClassVar

from pydantic import Field, PositiveInt

from pix2z.config.section import Frozen, Section, Seed

__all__ = ["ControlsConfig", "SoftmaxMlp"]


class SoftmaxMlp(Frozen):
    """Perceptrons with a softmax over the redshift bins, the head that the networks have."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    epochs: PositiveInt


class ControlsConfig(Section):
    """The catalogue methods that an image model has to beat."""

    key: ClassVar[str] = "controls"

    seed: Seed
    n_neighbours: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Candidates for kNN, chosen on validation rows."""
    tree_iterations: PositiveInt
    """Most boosting rounds; the number is chosen on validation rows."""
    n_phot_bins: PositiveInt
    """z_phot bins of the residual PDFs of point estimators."""
    parameters: SoftmaxMlp | None
    """What reads the parameters that the renderer drew; null: those controls are left out."""
