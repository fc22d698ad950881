"""Parameters of ingest."""

from typing import ClassVar, Literal

from pydantic import PositiveFloat

from pix2z.config.section import RedshiftRange

__all__ = ["IngestConfig"]


class IngestConfig(RedshiftRange):
    """Which raw file is read, and what counts as a bad row."""

    key: ClassVar[str] = "ingest"

    source: str
    layout: Literal["seed", "nersc"]
    duplicate_radius_arcsec: PositiveFloat
