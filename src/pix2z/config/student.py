"""Parameters of the student: one network that learns the PDFs of a pool."""

from typing import Annotated, ClassVar

from pydantic import Field, PositiveFloat, PositiveInt

from pix2z.config.networks import DropRate
from pix2z.config.section import Section, Seed

__all__ = ["StudentConfig"]


class StudentConfig(Section):
    """How a network of a pool goes on training towards the PDFs of the whole pool.

    All else, the layers among it, is as in its pool.
    """

    key: ClassVar[str] = "student"

    dropout: DropRate
    truth_share: Annotated[float, Field(ge=0, le=1)]
    """Weight of the known redshift in the targets, beside the PDF of the pool."""
    learning_rate: PositiveFloat
    """Of the first epoch; it falls along half a cosine to 1 % of it in the last."""
    epochs: PositiveInt
    """At most."""
    patience: PositiveInt
    """Epochs without a lower validation loss before the training ends."""
    batch_size: PositiveInt
    seed: Seed
    """Of order, augmentation and dropout, together with the seed of the network."""
