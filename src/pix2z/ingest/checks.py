"""Which rows of a raw file are bad, which pixels are, and what is worth knowing of a good stamp.

Whatever goes through all rows of a file does so by `row_ranges`, a chunk in memory at a time.
"""

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.photometry import aperture_photometry, magnitude
from pix2z.dataset.stamps import LARGEST_EBV, clean_images, impossible_ebv
from pix2z.imaging import BANDS, LARGEST_PIXEL
from pix2z.ingest.raw import RawSurvey, RawTable, concatenated

__all__ = [
    "FLAG_MASKED",
    "FLAG_NO_FLUX",
    "RowLimits",
    "StampFacts",
    "column_faults",
    "ebv_problems",
    "first_faults",
    "off_the_sky",
    "redshift_problems",
    "row_ranges",
    "survey_facts",
    "usable_pixels",
]

logger = logging.getLogger(__name__)

EVERY_SECONDS = 10.0
"""Between two lines of the log on how far a pass over the rows is."""

R_BAND = 2
N_BANDS = len(BANDS)

FEWEST_ALIKE, SHARE_OF_ZEROS, SHARE_ALIKE = 20, 0.01, 0.2
"""Redshifts of one exact value that stands for none: at the least, and of all, where it is 0, which
is hardly measured, and any other. Rounded to 0.01, a tenth of a survey's may be alike."""

FLAG_MASKED = 1 << N_BANDS
"""Some pixel of a band that is there is masked. Bits 0 to 4: band u, g, r, i, z is absent."""

FLAG_NO_FLUX = 1 << (N_BANDS + 1)
"""The r-band flux is not positive or r is absent, so `mag_r` is NaN."""


@dataclass(frozen=True)
class StampFacts:
    """What the pixels say, one value per stamp.

    Attributes
    ----------
    impossible : (N,) a pixel is infinite, or beyond `LARGEST_PIXEL`.
    blank : (N,) no band has a pixel.
    flags : (N,) int32, bits as in this module.
    mag_r : (N,) float32 AB magnitude in the largest aperture, NaN where the flux is not positive.
    digest : (N,) uint64 of the pixels; equal stamps have equal digests.
    """

    impossible: NDArray[np.bool_]
    blank: NDArray[np.bool_]
    flags: NDArray[np.int32]
    mag_r: NDArray[np.float32]
    digest: NDArray[np.uint64]


@dataclass(frozen=True)
class RowLimits:
    """What a row's columns must be to be good.

    Attributes
    ----------
    z_min, z_max : redshifts that are taken, the upper one excluded.
    pdf_range : limits of the redshift grid; a redshift beyond it has no bin.
    z_warnings, classes : values of ZWARNING and spectral classes that are taken; None: all. A file
        without the column is not judged by it.
    """

    z_min: float
    z_max: float
    pdf_range: tuple[float, float]
    z_warnings: Sequence[int] | None = None
    classes: Sequence[str] | None = None


def column_faults(table: RawTable, limits: RowLimits) -> dict[str, NDArray[np.bool_]]:
    """Reason -> (N,) rows at fault, judged by the columns alone."""
    z_spec, z_min, z_max = table.z_spec, limits.z_min, limits.z_max
    low, high = limits.pdf_range
    faults = {
        "redshift is not finite": ~np.isfinite(z_spec),
        f"redshift outside [{z_min:g}, {z_max:g})": ~((z_spec >= z_min) & (z_spec < z_max)),
        f"redshift beyond the PDF grid [{low:g}, {high:g})": ~((z_spec >= low) & (z_spec < high)),
        "redshift error is negative": table.z_error < 0,
    }
    if table.has_positions:
        faults["position is not on the sky"] = off_the_sky(table)
    if limits.z_warnings is not None and table.z_warning is not None:
        reason = f"ZWARNING is not {' or '.join(map(str, limits.z_warnings))}"
        faults[reason] = ~np.isin(table.z_warning, list(limits.z_warnings))
    if limits.classes is not None and table.spectral_class is not None:
        taken = np.array([name.encode() for name in limits.classes])
        reason = f"spectral class is not {' or '.join(limits.classes)}"
        faults[reason] = ~np.isin(table.spectral_class, taken)
    return faults


def off_the_sky(table: RawTable) -> NDArray[np.bool_]:
    """(N,) rows without a position in degrees, such as -9999 or NaN."""
    return ~((table.ra >= -180) & (table.ra <= 360) & (np.abs(table.dec) <= 90))


def first_faults(faults: Mapping[str, NDArray[np.bool_]]) -> dict[str, NDArray[np.bool_]]:
    """Leave each row that is at fault to the first of its reasons."""
    first, taken = {}, np.zeros(1, np.bool_)
    for reason, bad in faults.items():
        first[reason] = bad & ~taken
        taken = taken | bad
    return first


def ebv_problems(table: RawTable) -> list[str]:
    """Say of how many rows E(B-V) cannot be, if of any."""
    n = int(impossible_ebv(table.ebv).sum())
    sentence = f"E(B-V) is negative or above {LARGEST_EBV:g} mag, and taken as unknown"
    return [f"{n} of {len(table)} rows: {sentence}"] if n else []


def redshift_problems(table: RawTable, limits: RowLimits | None = None) -> list[str]:
    """Say which exact value so many redshifts have that it stands for none, if one does.

    limits : of rows that are looked at; None: all rows.
    """
    bad = column_faults(table, limits).values() if limits else ()
    known = table.z_spec[~np.any([~np.isfinite(table.z_spec), *bad], axis=0)]
    values, counts = np.unique(known, return_counts=True)
    share = np.where(values == 0, SHARE_OF_ZEROS, SHARE_ALIKE)
    alike = counts >= np.maximum(FEWEST_ALIKE, share * len(known))
    return [
        f"redshifts ({table.origin['z_spec']}): {n} of {len(known)} are exactly {value:g}, a sign "
        "for none; expected NaN where there is none"
        for value, n in zip(values[alike], counts[alike], strict=True)
    ]


def usable_pixels(survey: RawSurvey) -> RawSurvey:
    """Return the survey with its stamps as `clean_images` makes them."""
    return replace(survey, read_images=lambda *rows: clean_images(survey.read_images(*rows)))


@np.errstate(invalid="ignore")  # damaged bytes may be signalling NaNs
def stamp_facts(images: NDArray[np.float32]) -> StampFacts:
    """Look at stamps (N, 32, 32, 5) as they are in a file."""
    impossible = np.abs(images) > LARGEST_PIXEL
    measured = clean_images(images)
    masked = np.isnan(measured)
    absent = np.asarray(masked.all(axis=(1, 2)))
    flux, _, _ = aperture_photometry(measured[..., R_BAND : R_BAND + 1])
    mag_r = magnitude(flux[:, -1, 0]).astype(np.float32)
    flags = (absent << np.arange(N_BANDS)).sum(axis=1)
    flags |= FLAG_MASKED * np.any(masked & ~absent[:, None, None, :], axis=(1, 2, 3))
    flags |= FLAG_NO_FLUX * np.isnan(mag_r)
    return StampFacts(
        impossible=np.asarray(impossible.any(axis=(1, 2, 3))),
        blank=np.asarray(absent.all(axis=1)),
        flags=flags.astype(np.int32),
        mag_r=mag_r,
        digest=_digests(measured),
    )


def survey_facts(survey: RawSurvey, *, chunk_rows: int) -> StampFacts:
    """`stamp_facts` of a whole raw file, `chunk_rows` stamps in memory at a time."""
    ranges = row_ranges(len(survey.table), chunk_rows=chunk_rows, doing="checked")
    return concatenated([stamp_facts(survey.read_images(start, stop)) for start, stop in ranges])


def _digests(images: NDArray[np.float32]) -> NDArray[np.uint64]:
    hashes = (hashlib.blake2b(stamp.data, digest_size=8).digest() for stamp in images)
    return np.frombuffer(b"".join(hashes), dtype=np.uint64)


def row_ranges(n: int, *, chunk_rows: int, doing: str) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of chunks of n rows; log about every 10 s what has been done with them.

    Parameters
    ----------
    doing : what is done with the rows, such as "checked".
    """
    started = said = time.monotonic()
    for start in range(0, n, chunk_rows):
        stop = min(start + chunk_rows, n)
        yield start, stop
        now = time.monotonic()
        if now - said >= EVERY_SECONDS and stop < n:
            left = (now - started) * (n - stop) / stop
            logger.info("%d of %d rows %s, about %.0f s left", stop, n, doing, left)
            said = now
