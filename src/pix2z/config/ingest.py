"""Parameters of ingest."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, FiniteFloat, PositiveFloat, field_validator, model_validator

from pix2z.config.section import Frozen, RedshiftRange
from pix2z.imaging import BANDS
from pix2z.surveys import SURVEYS, Survey

__all__ = ["OLD_LAYOUTS", "Hdf5Mapping", "IngestConfig", "Key", "SpectraFilter"]

OLD_LAYOUTS = {"seed": "sdss32"}
"""Names that layouts had, and those that they have."""

Key = Annotated[str, Field(min_length=1)]
"""Name of a dataset, which may be nested."""


class Hdf5Mapping(Frozen):
    """Where a user's file keeps things, and what its pixels are; null: the file has none.

    Keys are datasets of HDF5, which may be nested (``cat/z``), arrays of an npz or .npy files; in
    FITS, columns of a table or cards of a header. `bands` is the order of the bands in the file;
    bands that it leaves out are absent. `axes` is needed only where the shape of the images fits
    both. Of `unit` (a flux density that astropy reads, or nanomaggy) and `zero_point` (AB magnitude
    of a flux of 1) at most one is given. Bands, unit and pixel scale that are null are what the
    file says of itself, else ugriz and 0.396 arcsec; a unit is assumed of known layouts alone.
    What is null of bands, unit and pixel scale, a `survey` says, one of `SURVEYS`, before that.
    Pixels of exactly `masked_value`, a number as it is stored, are masked; NaN always is.
    """

    images: Key = "images"
    axes: Literal["NHWC", "NCHW"] | None = None
    survey: str | None = None
    bands: str | None = None
    redshift: Key | None = None
    redshift_error: Key | None = None
    object_id: Key | None = None
    group_id: Key | None = None
    ra: Key | None = None
    dec: Key | None = None
    ebv: Key | None = None
    seeing: Key | None = None
    unit: Key | None = None
    zero_point: Annotated[float, Field(ge=-100, le=100)] | None = None
    pixel_scale: PositiveFloat | None = None
    masked_value: FiniteFloat | None = None

    @field_validator("survey")
    @classmethod
    def _one_of_surveys(cls, survey: str | None) -> str | None:
        if survey is not None and survey not in SURVEYS:
            raise ValueError(f"expected one of {', '.join(SURVEYS)}; received {survey!r}")
        return survey

    @field_validator("bands")
    @classmethod
    def _known_and_once(cls, bands: str | None) -> str | None:
        if bands is None:
            return None
        if not bands or not set(bands) <= set(BANDS) or len(set(bands)) < len(bands):
            raise ValueError(f"expected letters of {BANDS}, each at most once; received {bands!r}")
        return bands

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.unit is not None and self.zero_point is not None:
            raise ValueError("expected unit or zero_point, not both")
        if (self.ra is None) != (self.dec is None):
            raise ValueError("expected ra and dec, or neither")
        return self

    @property
    def of_survey(self) -> Survey | None:
        """Values of the survey that the file is said to be of."""
        return SURVEYS[self.survey] if self.survey else None

    @property
    def given(self) -> dict[str, Any]:
        """Entries that were set, null where one was set to null."""
        return self.model_dump(exclude_unset=True)


class SpectraFilter(Frozen):
    """Which spectra are trusted, where the file tells; null: all of them.

    zwarning : values of SDSS's ZWARNING, of which 0 is a redshift without reservations.
    classes : spectral classes, such as GALAXY.
    """

    zwarning: Annotated[tuple[int, ...], Field(min_length=1)] | None
    classes: Annotated[tuple[Key, ...], Field(min_length=1)] | None


class IngestConfig(RedshiftRange):
    """Which raw file or folder of files is read, and what counts as a bad row or file.

    Entries of `hdf5` that differ from their defaults hold for every layout.
    """

    key: ClassVar[str] = "ingest"

    source: str
    layout: Literal["sdss32", "nersc", "pasquet", "hdf5", "fits", "npz", "npy"]
    duplicate_radius_arcsec: PositiveFloat
    check_photometry: bool
    spectra: SpectraFilter
    hdf5: Hdf5Mapping

    @field_validator("layout", mode="before")
    @classmethod
    def _by_its_new_name(cls, layout: object) -> object:
        if isinstance(layout, str) and layout in OLD_LAYOUTS:
            raise ValueError(f"layout {layout!r} is now called {OLD_LAYOUTS[layout]!r}")
        return layout

    @field_validator("hdf5")
    @classmethod
    def _defaults_are_not_given(cls, hdf5: Hdf5Mapping) -> Hdf5Mapping:
        return Hdf5Mapping(**hdf5.model_dump(exclude_defaults=True))

    @field_validator("source")
    @classmethod
    def _seen_by_dvc(cls, source: str) -> str:
        if source.endswith(".npy"):
            raise ValueError(
                "expected the folder of the .npy files, so that dvc repro sees a change of any of "
                f"them; received {source!r}"
            )
        return source
