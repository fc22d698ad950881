"""Parameters of the controls."""

from typing import ClassVar

from pydantic import PositiveInt

from pix2z.config.section import Section

__all__ = ["ControlsConfig"]


class ControlsConfig(Section):
    """The catalogue methods that an image model has to beat."""

    key: ClassVar[str] = "controls"

    seed: int
    n_neighbours: tuple[PositiveInt, ...]
    """Candidates for kNN, chosen on validation rows."""
    tree_iterations: PositiveInt
    """Most boosting rounds; the number is chosen on validation rows."""
    mlp_epochs: PositiveInt
    n_phot_bins: PositiveInt
    """z_phot bins of the residual PDFs of point estimators."""
