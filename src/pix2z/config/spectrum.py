"""Parameters of the way from images over a spectrum to a redshift."""

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
)

from pix2z.config.section import Frozen, Section, Seed, Share, above, one_of, read_by_name
from pix2z.wavelengths import WavelengthGrid

__all__ = [
    "BoostingConfig",
    "SpectrumArm",
    "SpectrumConfig",
    "read_spectrum_arm",
    "read_spectrum_arms",
]


class WavelengthRange(Frozen):
    """Log-spaced wavelengths, Angstrom in vacuum, as observed."""

    low: PositiveFloat
    high: Annotated[PositiveFloat, above("low")]
    n: Annotated[int, Field(ge=100)]

    @property
    def grid(self) -> WavelengthGrid:
        """The wavelengths."""
        return WavelengthGrid(self.low, self.high, self.n)


class BoostingConfig(Frozen):
    """Gradient-boosted trees (XGBoost) that read a redshift off a reconstructed spectrum."""

    max_depth: PositiveInt
    learning_rate: PositiveFloat
    subsample: Share
    colsample: Share
    most_rounds: PositiveInt
    patience: PositiveInt
    n_pixels: PositiveInt
    """Means over neighbouring wavelengths that the trees see."""
    seed: Seed


class TemplateSearchConfig(Frozen):
    """The chi-square search that reads a redshift off a reconstructed spectrum."""

    n_templates: PositiveInt
    """First vectors of the learned basis that are used."""
    degree: NonNegativeInt
    """Of the polynomial that is added."""
    n_pixels: Annotated[int, Field(ge=16)]
    """Means over neighbouring wavelengths that are fitted; divides wavelength.n."""


class SpectrumConfig(Section):
    """The spectrum network and its training; its encoder is that of section `hybrid`."""

    key: ClassVar[str] = "spectrum"

    wavelength: WavelengthRange
    stride: PositiveInt
    """Wavelength pixels per bin of the redshift PDF; divides wavelength.n."""
    n_templates: PositiveInt
    residual_rank: NonNegativeInt
    redshift_weight: PositiveFloat
    """Of the cross-entropy of the redshift, beside the Huber loss of the flux."""
    huber_delta: PositiveFloat
    """Relative to the mean flux density in r."""
    learning_rate: PositiveFloat
    batch_size: PositiveInt
    epochs: PositiveInt
    patience: PositiveInt
    folds: Annotated[int, Field(ge=2)]
    """Parts of the training rows whose spectra come from a network trained on the others."""
    templates: TemplateSearchConfig
    boosting: BoostingConfig

    @field_validator("stride")
    @classmethod
    def _whole_bins(cls, stride: int, info: ValidationInfo) -> int:
        wavelength = info.data.get("wavelength")
        if wavelength is not None and wavelength.n % stride:
            raise ValueError(f"expected a divisor of wavelength.n, {wavelength.n}; got {stride}")
        return stride

    @field_validator("templates")
    @classmethod
    def _whole_means(
        cls, templates: TemplateSearchConfig, info: ValidationInfo
    ) -> TemplateSearchConfig:
        wavelength = info.data.get("wavelength")
        if wavelength is not None and wavelength.n % templates.n_pixels:
            raise ValueError(f"expected n_pixels to divide wavelength.n, {wavelength.n}")
        return templates


class SpectrumArm(Frozen):
    """One spectrum network: which rows train it, and how it makes a spectrum."""

    selection: Literal["full", "clipped", "equal_n"]
    decoder: Literal["physics", "plain"]
    seed: Seed


def _as_alias(name: str) -> str:
    """Refuse a name that is no alias in MLflow's registry, where each arm is one."""
    if not re.fullmatch(r"[\w-]+", name) or re.fullmatch(r"latest|v\d+", name, re.IGNORECASE):
        raise ValueError(
            "expected a name of letters, digits, _ and -, but not latest or v with digits; "
            f"received {name!r}"
        )
    return name


ArmName = Annotated[str, AfterValidator(_as_alias)]


def read_spectrum_arms(path: str | Path = "params.yaml") -> dict[str, SpectrumArm]:
    """Read every spectrum arm by name; raise ParamsError naming the first key at fault."""
    return read_by_name(dict[ArmName, SpectrumArm], key="spectrum_arms", path=path)


def read_spectrum_arm(name: str, path: str | Path = "params.yaml") -> SpectrumArm:
    """Read one spectrum arm; raise ParamsError where params.yaml has none of that name."""
    return one_of(read_spectrum_arms(path), name, what="spectrum arm", path=path)
