"""Parameters of the networks."""

from typing import ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from pix2z.config.section import Section

__all__ = ["HybridConfig", "SeedCnnConfig"]

Precision = Literal["float32", "mixed_bfloat16"]


class HybridConfig(Section):
    """In-network photometry and a small convolutional trunk into a softmax over redshift bins."""

    key: ClassVar[str] = "hybrid"

    precision: Precision
    use_ebv: bool
    trunk_filters: tuple[PositiveInt, ...]
    """Filters of the strided 3x3 convolutions."""
    dense_units: tuple[PositiveInt, ...]
    dropout: NonNegativeFloat
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    label_smoothing_dz: NonNegativeFloat
    """Width of the Gaussian target in redshift; 0 gives the one-hot bin."""
    batch_size: PositiveInt
    epochs: PositiveInt
    patience: PositiveInt
    augment: bool
    band_dropout: NonNegativeFloat
    """Probability that one band of a training stamp is masked."""


class SeedCnnConfig(Section):
    """The 421,725-parameter CNN of the published experiment with its own recipe."""

    key: ClassVar[str] = "seed_cnn"

    precision: Precision
    batch_size: PositiveInt
    epochs: PositiveInt
    patience: PositiveInt
    n_phot_bins: PositiveInt
    """z_phot bins of the residual PDF."""
