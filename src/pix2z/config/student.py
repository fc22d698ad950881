"""Parameters of the student: one network that learns the PDFs of a pool."""

from typing import Annotated, ClassVar

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pix2z.config.networks import DropRate, HybridConfig
from pix2z.config.section import Section, Seed

__all__ = ["StudentConfig"]


class StudentConfig(Section):
    """How one hybrid is distilled from a pool of hybrids; what is not here is as in its parent."""

    key: ClassVar[str] = "student"

    trunk_filters: tuple[PositiveInt, ...]
    """Filters of the strided 3x3 convolutions; empty: no trunk."""
    dense_units: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    dropout: DropRate
    truth_share: Annotated[float, Field(ge=0, le=1)]
    """Weight of the known redshift in the target, beside the parent's PDF."""
    learning_rate: PositiveFloat
    """Of the first epoch; it falls along half a cosine to 1 % of it in the last."""
    weight_decay: NonNegativeFloat
    batch_size: PositiveInt
    epochs: PositiveInt
    """At most."""
    patience: PositiveInt
    """Epochs without a lower validation loss before the training ends."""
    seed: Seed
    """Of weights, order, augmentation and dropout."""

    def hybrid(self, parent: HybridConfig) -> HybridConfig:
        """Return the settings of the student of a pool whose networks have those of `parent`."""
        changed = self.model_dump(exclude={"seed", "truth_share"})
        return HybridConfig.model_validate({**parent.model_dump(), **changed})
