"""What a raw file holds, as far as its columns and a sample of its stamps tell."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.photometry import aperture_photometry, magnitude, sky_sigma
from pix2z.dataset.stamps import known_ebv
from pix2z.hdf5 import plain
from pix2z.imaging import BANDS, SKY_SIGMA
from pix2z.ingest.checks import (
    RowLimits,
    column_faults,
    ebv_problems,
    first_faults,
    off_the_sky,
    redshift_problems,
    usable_pixels,
)
from pix2z.ingest.duplicates import repeated_ids
from pix2z.ingest.plausibility import photometry_problems, sample_rows
from pix2z.ingest.positions import position_doubts, position_problems
from pix2z.ingest.raw import RawSurvey, RawTable

__all__ = ["Inspection", "Range", "StampSample", "inspect_survey", "sample_stamps", "spread_out"]

R_BAND = BANDS.index("r")

OTHER_NOISE = 2.0
"""Sky noise over that of SDSS, or under it, that no trained network has seen: where galaxies are
rendered it differs from stamp to stamp by 10 % rms."""


@dataclass(frozen=True)
class Range:
    """Finite values of a quantity: how many there are, and where they lie."""

    n: int
    low: float
    high: float
    median: float
    mean: float
    sd: float


@dataclass(frozen=True, eq=False)
class StampSample:
    """Stamps (n, 32, 32, 5) of blocks spread evenly over a file, and the rows (n,) they are of."""

    rows: NDArray[np.int64]
    images: NDArray[np.float32]
    mag_r: NDArray[np.float64]


@dataclass(frozen=True)
class Inspection:
    """Findings on a raw file; None where it has none of a quantity.

    Attributes
    ----------
    converted, columns_from : as in `RawSurvey` and `RawTable.origin`.
    redshift, ebv, ra, dec : over all rows; of E(B-V) and positions, over those that can be.
    n_looked_at : stamps behind what the pixels say: mag_r (AB magnitude in the largest aperture),
        sky_noise (median over stamps, nanomaggies per pixel), masked_share (of the pixels of bands
        that are there), absent_share (of stamps without the band), n_blank (stamps without any).
    z_warnings, classes : value of ZWARNING or spectral class -> rows, most frequent first.
    bad_rows : reason -> number of rows that ingest would leave out for it, judged by columns alone.
    problems : E(B-V) that cannot be; a redshift that stands for none; what makes the pixels
        implausible as nanomaggies in ugriz, or positions as degrees; sky noise of another survey
        than the networks were trained on.
    plausible : whether the pixels are, so that predict takes the file.
    """

    layout: str
    source: str
    files: Mapping[str, int]
    n_rows: int
    n_groups: int
    n_moved: int
    converted: Mapping[str, str]
    columns_from: Mapping[str, str]
    redshift: Range | None
    ebv: Range | None
    ra: Range | None
    dec: Range | None
    z_warnings: Mapping[str, int]
    classes: Mapping[str, int]
    n_looked_at: int
    mag_r: Range | None
    sky_noise: Mapping[str, float | None]
    masked_share: float
    absent_share: Mapping[str, float]
    n_blank: int
    bad_rows: Mapping[str, int]
    problems: tuple[str, ...]
    plausible: bool


def sample_stamps(survey: RawSurvey, *, most_rows: int = 2048) -> StampSample:
    """Read at most `most_rows` stamps from all over the file."""
    blocks = sample_rows(len(survey.table), most=most_rows)
    read_images = usable_pixels(survey).read_images
    rows = np.concatenate([np.arange(block.start, block.stop) for block in blocks])
    images = np.concatenate([read_images(block.start, block.stop) for block in blocks])
    flux, _, _ = aperture_photometry(images[..., R_BAND : R_BAND + 1])
    mag_r = np.asarray(magnitude(flux[:, -1, 0]), np.float64)
    return StampSample(rows, images, mag_r)


def inspect_survey(survey: RawSurvey, sample: StampSample, limits: RowLimits) -> Inspection:
    """Gather what is worth knowing of a file before it is used.

    Parameters
    ----------
    sample : from `sample_stamps` of the same survey.
    limits : which rows would be taken.
    """
    table = survey.table
    masked = np.isnan(sample.images)
    absent = np.asarray(masked.all(axis=(1, 2)))
    there = ~absent
    sigma = sky_sigma(sample.images)
    on_the_sky = ~off_the_sky(table)
    noise = {band: _range(sigma[:, number]) for number, band in enumerate(BANDS)}
    sky_noise = {band: here.median if here else None for band, here in noise.items()}
    of_pixels = photometry_problems(usable_pixels(survey))
    return Inspection(
        layout=survey.layout,
        source=survey.source,
        files={str(file.path): file.n_rows for file in survey.files},
        n_rows=len(table),
        n_groups=len(np.unique(table.group_id)),
        n_moved=int(table.moved.sum()),
        converted=dict(survey.converted),
        columns_from=dict(table.origin),
        redshift=_range(table.z_spec),
        ebv=_range(known_ebv(table.ebv)),
        ra=_range(table.ra[on_the_sky]),
        dec=_range(table.dec[on_the_sky]),
        z_warnings=_counts(table.z_warning),
        classes=_counts(table.spectral_class),
        n_looked_at=len(sample.rows),
        mag_r=_range(sample.mag_r),
        sky_noise=sky_noise,
        masked_share=float(masked.mean(axis=(1, 2))[there].mean()) if there.any() else 0.0,
        absent_share=dict(zip(BANDS, absent.mean(axis=0).tolist(), strict=True)),
        n_blank=int(absent.all(axis=1).sum()),
        bad_rows=_bad_rows(table, limits),
        problems=(
            *ebv_problems(table),
            *redshift_problems(table, limits),
            *(of_pixels or noise_problems(sky_noise)),
            *position_problems(table),
            *position_doubts(table),
        ),
        plausible=not of_pixels,
    )


def noise_problems(sky_noise: Mapping[str, float | None]) -> tuple[str, ...]:
    """Say in which bands the sky noise is not that of SDSS; what helps is fine-tuning."""
    sdss = dict(zip(BANDS, SKY_SIGMA, strict=True))
    other = {
        band: here
        for band, here in sky_noise.items()
        if here is not None and not 1 / OTHER_NOISE < here / sdss[band] < OTHER_NOISE
    }
    if not other:
        return ()
    times = ", ".join(f"{here / sdss[band]:.2g}" for band, here in other.items())
    band, here = next((b, other[b]) for b in "rigzu" if b in other)
    return (
        f"the sky noise in {' '.join(other)} is {times} times that of SDSS, whose noise the models "
        f"are trained on ({band}: {here:.3g} for {sdss[band]:g} nanomaggies per pixel): fine-tune "
        "one on such galaxies with redshifts (pix2z finetune)",
    )


def spread_out(sample: StampSample, *, most: int) -> NDArray[np.int64]:
    """Positions in the sample of at most `most` stamps that are not blank, from all over it."""
    shown = np.flatnonzero(~np.isnan(sample.images).all(axis=(1, 2, 3)))
    return shown[np.linspace(0, len(shown) - 1, min(most, len(shown))).round().astype(np.int64)]


def _bad_rows(table: RawTable, limits: RowLimits) -> dict[str, int]:
    """Reason -> rows, each for its first reason; redshifts are judged only where there are any."""
    faults = column_faults(table, limits)
    if table.has_ids:
        faults["object id seen before"] = repeated_ids(table.object_id)
    judged = {
        reason: bad
        for reason, bad in faults.items()
        if table.has_redshifts or not reason.startswith("redshift")
    }
    return {reason: int(bad.sum()) for reason, bad in first_faults(judged).items()}


def _counts(values: NDArray[Any] | None) -> dict[str, int]:
    counts = Counter([] if values is None else values.tolist())
    return {
        plain(value.decode(errors="replace") if isinstance(value, bytes) else str(value)): n
        for value, n in counts.most_common()
    }


def _range(values: NDArray[np.floating]) -> Range | None:
    finite = np.asarray(values[np.isfinite(values)], np.float64)
    if not finite.size:
        return None
    return Range(
        n=finite.size,
        low=float(finite.min()),
        high=float(finite.max()),
        median=float(np.median(finite)),
        mean=float(finite.mean()),
        sd=float(finite.std()),
    )
