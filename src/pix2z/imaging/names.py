"""Names under which files say something of their pixels, however people spell them.

One list for all readers: attributes of HDF5, small arrays of an npz, cards of a FITS header.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

__all__ = ["NO_CLAIM", "PER_BAND", "UNDERSTOOD", "bare", "what_is_called"]

_WORDS = (
    "ab|of|the|in|sdss|(?:image|pixel|pix|data|stamp|cube|cutout|flux|fluxe)s?"
    "|surface|brightness|density"
)
_ABOUT = f"(?:{_WORDS})*"
_MAG = f"(?:{_WORDS}|mag|magnitude|phot|photometric|calib|fpa|vega)*"
_PIXEL = "(?:pixel|pix|px|plate)(?:scale|scal|scl|size)s?"

UNDERSTOOD: Mapping[str, str] = {
    "unit": f"{_ABOUT}b?units?{_ABOUT}",
    "zero_point": (
        f"{_MAG}(?:zp|zpt|zpoint|zerop|zerpt|zeropt|zeropoint)s?{_MAG}"
        "|mag(?:nitude)?(?:zero|zerp|0)"
    ),
    "magnitude_0_flux": "fluxmag0",
    "system": "(?:mag|magnitude|phot|photometric|zp|zeropoint)(?:sys|system)",
    "bands": (
        "(?:band|filter|filt|passband)s?(?:name|order|label|list)?s?|channel(?:s|names?|labels?)"
        "|(?:order|names)of(?:the)?(?:band|filter)s|bandpass(?:es)?"
    ),
    "pixel_scale": (
        f"{_PIXEL}[12xy]?(?:in)?(?:arcsecs?(?:per)?(?:pixel|pix)?)?|secpix[12xy]?"
        "|arcsec(?:per)?(?:pixel|pix)"
    ),
    "pixel_degrees": f"{_PIXEL}[12xy]?(?:in)?deg(?:rees?)?",
    "pixel_matrix": "cdelt[12]|(?:cd|pc)[12]{2}",
    "exposure": "exp(?:osure)?times?",
    "band_of_plane": "(?:band|filter|filt)[0-9]{1,2}",
    "scale": "scal(?:e|ing)factors?|bscale",
    "offset": "addoffsets?|bzero",
    "masked": (
        "(?:fill|missing|mask|masked|null|nan|bad|invalid|undefined|sentinel|no|nodata)"
        "(?:pixel|data)?values?|blank|nodata|sentinel"
    ),
}
"""What can be said -> pattern of the names under which it is, bare: see `bare`."""

PER_BAND = ("unit", "zero_point", "magnitude_0_flux", "scale", "offset")
"""What can be said of one band, as in ``zp_u`` or ``MAGZERO_G``."""


NO_CLAIM = frozenset({"", "none", "unknown", "n/a", "na", "-"})
"""Texts, in lower case, that say nothing."""


def bare(name: str) -> str:
    """Return a name in lower case, without punctuation."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


@lru_cache(4096)
def what_is_called(name: str) -> tuple[str, str] | None:
    """Return what of `UNDERSTOOD` has a name, and the band that it is of, "" of all; else None."""
    plain = bare(name)
    if what := _what(plain):
        return what, ""
    for pattern in (
        r"(?:sdss)?([ugriz])(?:band)?()(.+)",
        r"()(.+?)(?:sdss|band)?([ugriz])(?:band)?",
    ):
        if found := re.fullmatch(pattern, plain):
            what = _what(found[3] if found[1] else found[2])
            if what in PER_BAND:
                return what, found[1] or found[3]
    return None


def _what(plain: str) -> str | None:
    return next((what for what, names in UNDERSTOOD.items() if re.fullmatch(names, plain)), None)
