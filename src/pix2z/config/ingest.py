"""Parameters of ingest."""

from typing import ClassVar, Literal

from pydantic import PositiveFloat

from pix2z.config.section import Section

__all__ = ["IngestConfig"]


class IngestConfig(Section):
    """Which raw file is read, and what counts as a bad row."""

    key: ClassVar[str] = "ingest"

    source: str
    layout: Literal["seed", "nersc"]
    z_min: float
    z_max: float
    duplicate_radius_arcsec: PositiveFloat
