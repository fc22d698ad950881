"""What whoever uses data of SDSS is asked to say."""

__all__ = ["SDSS_TERMS"]

SDSS_TERMS = (
    "Acknowledge SDSS as https://www.sdss.org/collaboration/citing-sdss/ asks; for its data "
    "release 17:",
    "Funding for the Sloan Digital Sky Survey IV has been provided by the Alfred P. Sloan "
    "Foundation, the U.S. Department of Energy Office of Science, and the Participating "
    "Institutions. SDSS acknowledges support and resources from the Center for High-Performance "
    "Computing at the University of Utah. The SDSS web site is www.sdss4.org.",
)
