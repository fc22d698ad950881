"""Parameters of the redshift grid."""

from typing import ClassVar

from pydantic import PositiveInt

from pix2z.config.section import Section

__all__ = ["PdfConfig"]


class PdfConfig(Section):
    """The redshift bins that every PDF is given on."""

    key: ClassVar[str] = "pdf"

    z_min: float
    z_max: float
    n_bins: PositiveInt
