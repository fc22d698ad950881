"""Where SDSS keeps frames and spectra: paths on the Science Archive Server, data release 17.

The same paths, shortened, are those of the cache; all parts of them are numbers, or checked names.
"""

from pathlib import Path
from urllib.parse import urlsplit

from pix2z.archive.sdss.fetching import Wanted
from pix2z.archive.sdss.objects import Field, SdssObject
from pix2z.archive.transfer.transport import check_url
from pix2z.errors import InputError

__all__ = ["BASE_URL", "RELEASE", "checked_base", "frame_file", "spectrum_file"]

BASE_URL = "https://data.sdss.org"
RELEASE = 17

BZIP2_SIGNATURE = b"BZh"
FITS_SIGNATURE = b"SIMPLE"

SDSS_REDUCTIONS = frozenset({"26", "103", "104"})
"""Reductions of the first spectrographs; those of BOSS and eBOSS lie in another branch."""


def checked_base(url: str) -> str:
    """Return `url` without a slash at its end; raise InputError where no path can follow it."""
    check_url(url)
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise InputError(f"{url}: expected a URL without ? and #, as paths are put after it")
    return url.rstrip("/")


def spectrum_file(found: SdssObject, *, base_url: str, cache: Path) -> Wanted:
    """Return where the spectrum of an object comes from, and where it is kept."""
    branch = "sdss" if found.run2d in SDSS_REDUCTIONS else "eboss"
    place = f"{found.run2d}/{found.plate:04d}/spec-{found}.fits"
    folder = f"sas/dr{RELEASE}/{branch}/spectro/redux/{found.run2d}/spectra/lite"
    return Wanted(
        url=f"{base_url}/{folder}/{found.plate:04d}/spec-{found}.fits",
        path=cache / "spectra" / place,
        signature=FITS_SIGNATURE,
    )


def frame_file(field: Field, band: str, *, base_url: str, cache: Path) -> Wanted:
    """Return where the frame of a field in one band comes from, and where it is kept."""
    place = f"{field.rerun}/{field.run}/{field.camcol}/frame-{band}-{field}.fits.bz2"
    return Wanted(
        url=f"{base_url}/sas/dr{RELEASE}/eboss/photoObj/frames/{place}",
        path=cache / "frames" / place,
        signature=BZIP2_SIGNATURE,
    )
