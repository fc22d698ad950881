"""Parameters of the networks."""

from typing import Annotated, ClassVar

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pix2z.config.precision import Precision
from pix2z.config.section import Section

__all__ = ["HybridConfig", "PublishedCnnConfig"]

DropRate = Annotated[float, Field(ge=0, lt=1)]


class HybridConfig(Section):
    """In-network photometry and a small convolutional trunk into a softmax over redshift bins."""

    key: ClassVar[str] = "hybrid"

    precision: Precision
    use_ebv: bool
    trunk_filters: tuple[PositiveInt, ...]
    """Filters of the strided 3x3 convolutions."""
    dense_units: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    dropout: DropRate
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    label_smoothing_dz: NonNegativeFloat
    """Width of the Gaussian target in redshift; 0 gives the one-hot bin."""
    batch_size: PositiveInt
    epochs: PositiveInt
    patience: PositiveInt
    augment: bool
    band_dropout: DropRate
    """Probability that one band of a training stamp is masked."""


class PublishedCnnConfig(Section):
    """The 421,725-parameter CNN of the published experiment with its own recipe."""

    key: ClassVar[str] = "published_cnn"

    precision: Precision
    batch_size: PositiveInt
    batch_size_clipped: PositiveInt
    """The published batch size differs between the full and the clipped sample."""
    epochs: PositiveInt
    patience: PositiveInt
    n_phot_bins: PositiveInt
    """z_phot bins of the residual PDF."""
