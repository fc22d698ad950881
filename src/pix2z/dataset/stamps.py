"""Galaxies as estimators take them: the one place where images and E(B-V) are read and cleaned.

Every estimator passes what it is given through `clean_stamps`, so that a galaxy has one answer,
whoever asks: a command, a notebook or a service. Ingest stores what the same functions make of it.
"""

from contextlib import suppress
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.imaging import BANDS, LARGEST_PIXEL, STAMP_SIDE
from pix2z.imaging.names import NO_CLAIM, what_is_called

__all__ = [
    "LARGEST_EBV",
    "STAMP_SHAPE",
    "clean_images",
    "clean_stamps",
    "doubtful_rows",
    "impossible_ebv",
    "known_ebv",
    "plain_stamps",
]

LARGEST_EBV = 3.0
"""Mag; SDSS looked away from the Galactic plane, where E(B-V) is larger."""

STAMP_SHAPE = (STAMP_SIDE, STAMP_SIDE, len(BANDS))


def clean_stamps(images: Any, ebv: Any = None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return images (n, 32, 32, 5) in nanomaggies and E(B-V) (n,) in mag, NaN where not known.

    What was not measured becomes NaN: see `clean_images`, and `known_ebv`; and `plain_stamps` for
    what is taken, and for the errors.
    """
    pixels, known = plain_stamps(images, ebv)
    return clean_images(pixels), known_ebv(known)


def plain_stamps(images: Any, ebv: Any = None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return arrays of images (n, 32, 32, 5) in nanomaggies and E(B-V) (n,) in mag, as they are.

    Parameters
    ----------
    images : an array or list, masked or not; converted where it says a unit, of a flux density.
    ebv : (n,), or one value for all, likewise; None where unknown.

    Raises
    ------
    InputError
        An array has another shape or unit, or holds no real numbers.
    """
    pixels = _plain("images", images, "nanomaggy")
    if pixels.ndim != 4 or pixels.shape[1:] != STAMP_SHAPE:
        shape = ", ".join(map(str, STAMP_SHAPE))
        raise InputError(f"images: expected shape (N, {shape}); received {pixels.shape}")
    known = _plain("ebv", ebv, "mag")
    if known.shape not in ((), (len(pixels),)):
        raise InputError(f"ebv: expected shape ({len(pixels)},); received {known.shape}")
    return pixels, np.broadcast_to(known, len(pixels))


@np.errstate(invalid="ignore", over="ignore")  # damaged bytes may be signalling NaNs
def clean_images(images: NDArray[Any]) -> NDArray[np.float32]:
    """Return images (n, 32, 32, 5) as float32 with NaN for what was not measured.

    That is a pixel beyond `LARGEST_PIXEL`, and a band whose pixels all are 0 or not measured.
    """
    images = images.astype(np.float32, copy=False)
    doubtful = doubtful_rows(images)
    stamps = images[doubtful]
    measured = np.abs(stamps) <= LARGEST_PIXEL
    measured &= (measured & (stamps != 0)).any(axis=(1, 2), keepdims=True)
    if measured.all():
        return images
    cleaned = images.copy()
    cleaned[doubtful] = np.where(measured, stamps, np.float32(np.nan))
    return cleaned


def doubtful_rows(images: NDArray[np.float32]) -> NDArray[np.int64]:
    """Rows (m,) of images (n, 32, 32, 5) that `clean_images` may change; it changes no others.

    Mostly few: in the others no pixel is NaN or too large, and the middle one is 0 in no band.
    """
    if not len(images):
        return np.zeros(0, np.int64)
    ends = images.max(axis=(1, 2, 3)), images.min(axis=(1, 2, 3))
    possible = np.abs(ends) <= LARGEST_PIXEL  # of NaN, which is larger and smaller than all, no
    middle = images[:, STAMP_SIDE // 2, STAMP_SIDE // 2]
    return np.flatnonzero(~(possible.all(axis=0) & (middle != 0).all(axis=1)))


def known_ebv(ebv: NDArray[Any]) -> NDArray[np.float32]:
    """E(B-V) in mag as float32; NaN, which is unknown, where it is `impossible_ebv`."""
    return np.where(impossible_ebv(ebv), np.nan, ebv).astype(np.float32)


def impossible_ebv(ebv: NDArray[Any]) -> NDArray[np.bool_]:
    """Where E(B-V) is given, but negative or above `LARGEST_EBV`."""
    return np.asarray((ebv < 0) | (ebv > LARGEST_EBV))


def _plain(name: str, values: Any, unit: str) -> NDArray[Any]:
    """Return an array of any library as a plain one of real numbers, in `unit`, NaN where masked.

    Masks are those of numpy, astropy and pandas. The unit that an array says it has, as those of
    astropy, pint, xarray and h5py do, is converted; one that says none is in ours.
    """
    if isinstance(values, list | tuple) and not all(isinstance(one, Real) for one in values):
        parts = [_plain(name, one, unit) for one in values]
        if len({part.shape for part in parts}) > 1:
            raise InputError(f"{name}: expected parts of one shape; received several")
        return np.stack(parts)
    array = _unmasked(values)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name}: expected real numbers; received an array of {array.dtype}")
    factors = {said: _factor(said, unit) for said in _units_of(name, values)}
    if None in factors.values() or len(set(factors.values())) > 1:
        said = " and ".join(f"{text!r:.60}" for text in factors)
        raise InputError(f"{name}: expected numbers in {unit}; received {said}")
    factor = next(iter(factors.values()), None) or 1.0
    return array if factor == 1 else array.astype(np.float64) * factor


def _factor(unit: str, ours: str) -> float | None:
    """How many of ours are in one unit; None where it is no flux density, or no magnitude."""
    from pix2z.imaging.units import factor_to, nanomaggies_in

    if ours == "nanomaggy":
        return nanomaggies_in(unit)
    return factor_to(unit, "mag") if unit else 1.0  # E(B-V) is the difference of two


def _unmasked(values: Any) -> NDArray[Any]:
    """Values as a plain array, NaN in place of what a mask hides."""
    if values is None:
        return np.array(np.nan)
    if hasattr(getattr(values, "dtype", None), "na_value"):  # pandas keeps such a mask to itself
        with suppress(ValueError, TypeError):  # text, which is refused as such
            return np.asarray(values.to_numpy(np.float64, na_value=np.nan))
    array, mask = np.asarray(values), getattr(values, "mask", None)
    if isinstance(mask, np.ndarray | bool | np.bool_) and np.any(mask):
        array = np.where(mask, np.nan, array)
    return array


def _units_of(name: str, values: Any) -> list[str]:
    """Return the units that an array says it has, mostly one or none.

    Raises InputError where an array in a file says anything else of its numbers.
    """
    said = [getattr(values, "unit", None), getattr(values, "units", None)]
    found = [str(one).strip() for one in said if one is not None]
    for key, value in dict(getattr(values, "attrs", None) or {}).items():
        texts = _texts(value)
        called = what_is_called(str(key)) if texts else None
        if called == ("unit", "") and len(texts) == 1:
            found += texts
        elif called and (called[0], "".join(texts)) != ("bands", BANDS):
            raise InputError(
                f"{name}: attribute {key!r}: expected numbers of the bands {BANDS} that are not "
                "scaled, with NaN where masked; pix2z predict and pix2z ingest read files"
            )
    return found


def _texts(value: Any) -> list[str]:
    """Values of an attribute as texts; none of one that says nothing, such as h5py's `Empty`."""
    if value is None or getattr(value, "shape", ()) is None:
        return []
    values = np.asarray(value, object).ravel()
    texts = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values]
    return [text.strip() for text in texts if text.strip().lower() not in NO_CLAIM]
