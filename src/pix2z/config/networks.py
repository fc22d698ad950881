"""Parameters of the networks, and the precision they are computed in on the machine at hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pix2z.config.section import Section

__all__ = [
    "SOFTMAX_CONFIGS",
    "AperturesConfig",
    "CatalogueConfig",
    "DropRate",
    "HybridConfig",
    "Precision",
    "PublishedCnnConfig",
    "SoftmaxConfig",
    "resolved_precision",
]

CPUINFO = Path("/proc/cpuinfo")

MULTIPLIES_BFLOAT16 = {"avx512_bf16", "amx_bf16"}
"""Flags of processors, as Linux names them, that multiply bfloat16 themselves."""

DropRate = Annotated[float, Field(ge=0, lt=1)]


def resolved_precision(precision: str, *, cpuinfo: Path = CPUINFO) -> str:
    """Return what ``auto`` stands for here: bfloat16 where the processor multiplies it itself.

    Where it does not, TensorFlow emulates it: the published CNN then trains at about 130 stamps per
    second on two cores instead of thousands. All else is returned as it is.
    """
    if precision != "auto":
        return precision
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return "float32"
    flags = {word for line in lines if line.startswith("flags") for word in line.split()}
    return "mixed_bfloat16" if flags & MULTIPLIES_BFLOAT16 else "float32"


Precision = Annotated[
    Literal["auto", "float32", "mixed_bfloat16"], AfterValidator(resolved_precision)
]
"""Read as ``auto``, it is the one or the other from then on: what is recorded is what was used."""


class SoftmaxConfig(Section):
    """In-network photometry into a softmax over redshift bins: the head, and how it is trained."""

    precision: Precision
    use_ebv: bool
    dense_units: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    dropout: DropRate
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    label_smoothing_dz: NonNegativeFloat
    """Width of the Gaussian target in redshift; 0 gives the one-hot bin."""
    batch_size: PositiveInt
    epochs: PositiveInt
    patience: PositiveInt
    band_dropout: DropRate
    """Probability that one band of a training stamp is masked."""
    subset_dropout: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability that a training stamp keeps each band with probability 1/2 only: what a network
    needs that is to be asked with any subset of the bands, see `study`."""


class HybridConfig(SoftmaxConfig):
    """Photometry in all apertures, and a small convolutional trunk beside it."""

    key: ClassVar[str] = "hybrid"

    trunk_filters: tuple[PositiveInt, ...]
    """Filters of the strided 3x3 convolutions."""
    augment: bool
    """Whether stamps are turned and mirrored, which circular apertures do not notice."""


class AperturesConfig(SoftmaxConfig):
    """The hybrid without its trunk: photometry in all apertures and nothing else of the pixels."""

    key: ClassVar[str] = "apertures"


class CatalogueConfig(SoftmaxConfig):
    """What a catalogue has: five dereddened magnitudes in one aperture, and E(B-V)."""

    key: ClassVar[str] = "catalogue"

    aperture_arcsec: Annotated[float, Field(gt=0, le=6.3)]
    """Radius; a stamp reaches 6.3 arcsec from its centre."""


SOFTMAX_CONFIGS: Mapping[str, type[SoftmaxConfig]] = {
    config.key: config for config in (HybridConfig, AperturesConfig, CatalogueConfig)
}
"""Architecture -> its section, of those that end in a softmax."""


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
