"""Parameters of the redshift grid."""

from typing import Annotated, ClassVar

from pydantic import Field

from pix2z.config.section import RedshiftRange

__all__ = ["PdfConfig"]


class PdfConfig(RedshiftRange):
    """The redshift bins that every PDF is given on."""

    key: ClassVar[str] = "pdf"

    n_bins: Annotated[int, Field(ge=2)]
