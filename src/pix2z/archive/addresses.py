"""Where public files lie, what they begin with, and what whoever uses them is asked to say.

NERSC serves the labelled validation file of the self-supervised SDSS set (Hayat et al. 2021):
102,993 galaxies with spectroscopic redshifts. SDSS serves frames and spectra one by one, on its
Science Archive Server. The paths of the latter, shortened, are those of the cache as well; all
their parts are numbers, or checked names.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pix2z.archive.http_answers import check_url
from pix2z.archive.sdss_list import Field, SdssObject
from pix2z.errors import InputError

__all__ = [
    "HDF5_SIGNATURE",
    "NERSC_TERMS",
    "NERSC_URL",
    "RELEASE",
    "SDSS_TERMS",
    "SDSS_URL",
    "SKYSERVER_URL",
    "RemoteFile",
    "SdssArchive",
    "checked_base",
]

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

SDSS_URL = "https://data.sdss.org"
RELEASE = 17
"""Data release of SDSS whose paths are used."""

SKYSERVER_URL = f"https://skyserver.sdss.org/dr{RELEASE}/SkyServerWS/SearchTools/SqlSearch"

SDSS_TERMS = (
    "Acknowledge SDSS as https://www.sdss.org/collaboration/citing-sdss/ asks; for its data "
    "release 17:",
    "Funding for the Sloan Digital Sky Survey IV has been provided by the Alfred P. Sloan "
    "Foundation, the U.S. Department of Energy Office of Science, and the Participating "
    "Institutions. SDSS acknowledges support and resources from the Center for High-Performance "
    "Computing at the University of Utah. The SDSS web site is www.sdss4.org.",
)

BZIP2_SIGNATURE = b"BZh"
FITS_SIGNATURE = b"SIMPLE"

SDSS_REDUCTIONS = frozenset({"26", "103", "104"})
"""Reductions of the first spectrographs; those of BOSS and eBOSS lie in another branch."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server: its address, its path on disk, and the bytes it must begin with."""

    url: str
    path: Path
    signature: bytes


def checked_base(url: str) -> str:
    """Return `url` without a slash at its end; raise InputError where no path can follow it."""
    check_url(url)
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise InputError(f"{url}: expected a URL without ? and #, as paths are put after it")
    return url.rstrip("/")


@dataclass(frozen=True)
class SdssArchive:
    """The Science Archive Server, or another with the same paths, and the cache of its files.

    query_url : of SkyServer's search by SQL, or of a server that answers as it does.
    """

    base_url: str
    cache: Path
    query_url: str

    def spectrum(self, listed: SdssObject) -> RemoteFile:
        """Return where the spectrum of an object comes from, and where it is kept."""
        branch = "sdss" if listed.run2d in SDSS_REDUCTIONS else "eboss"
        name = f"{listed.plate:04d}/spec-{listed}.fits"
        folder = f"sas/dr{RELEASE}/{branch}/spectro/redux/{listed.run2d}/spectra/lite"
        return RemoteFile(
            url=f"{self.base_url}/{folder}/{name}",
            path=self.cache / "spectra" / listed.run2d / name,
            signature=FITS_SIGNATURE,
        )

    def frame(self, field: Field, band: str) -> RemoteFile:
        """Return where the frame of a field in one band comes from, and where it is kept."""
        name = f"{field.rerun}/{field.run}/{field.camcol}/frame-{band}-{field}.fits.bz2"
        return RemoteFile(
            url=f"{self.base_url}/sas/dr{RELEASE}/eboss/photoObj/frames/{name}",
            path=self.cache / "frames" / name,
            signature=BZIP2_SIGNATURE,
        )

    def stamps_path(self, field: Field) -> Path:
        """Return where the stamps that were cut from a field are kept."""
        folder = self.cache / "stamps" / f"{field.rerun}/{field.run}/{field.camcol}"
        return folder / f"stamps-{field}.npz"
