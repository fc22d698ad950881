"""The labelled validation file of NERSC's self-supervised SDSS set (Hayat et al. 2021).

102,993 SDSS galaxies with spectroscopic redshifts, in the layout that `layouts.nersc` reads. It
comes without a licence, so it is fetched by everyone who uses it, and never passed on.
"""

__all__ = ["HDF5_SIGNATURE", "NERSC_TERMS", "NERSC_URL"]

NERSC_URL = (
    "https://portal.nersc.gov/project/dasrepo/self-supervised-learning-sdss/datasets/"
    "sdss_w_specz_valid.h5"
)

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""The first bytes of every HDF5 file without a user block."""

NERSC_TERMS = (
    "The set has no licence file: do not redistribute it, nor files that hold its images.",
    "Cite Hayat et al. 2021 (ApJL 911, L33), and acknowledge SDSS as "
    "https://www.sdss.org/collaboration/citing-sdss/ asks; for its data release 12:",
    "Funding for SDSS-III has been provided by the Alfred P. Sloan Foundation, the Participating "
    "Institutions, the National Science Foundation, and the U.S. Department of Energy Office of "
    "Science. The SDSS-III web site is http://www.sdss3.org/.",
)
