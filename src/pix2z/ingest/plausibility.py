"""Whether the images of a file look like galaxies in nanomaggies, bands u g r i z in this order.

What is judged is a sample of galaxies, never one of them: medians of magnitude, colours, noise and
sky level; surface brightness, which does not change with distance and so tells of a wrong scale;
and what only a stretch does to light and noise. A file of fewer than `FEWEST` galaxies is judged
only by what no image in nanomaggies shows: whole numbers throughout, a largest pixel of exactly 1
in every stamp, the same standard deviation or sum in all, or a number that stands for masked
pixels.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.photometry import APERTURE_RADII_ARCSEC, aperture_photometry, magnitude
from pix2z.imaging import BANDS, LARGEST_PIXEL, PIXEL_SCALE, SKY_SIGMA, SOFTENED_UNIT
from pix2z.ingest.checks import absent_as_nan
from pix2z.ingest.raw import RawSurvey, concatenated
from pix2z.ingest.sentinels import Repeated, repeated_values, sentinel_problems

__all__ = ["FEWEST", "photometry_problems", "sample_rows"]

FEWEST = 20
"""Galaxies that a median is taken of at the least; its error is then a quarter of the scatter."""

BLOCK_ROWS = 64

BRIGHTEST, FAINTEST = 12.0, 26.0
"""Median total magnitudes of galaxies that have spectra lie between 14 and 24. SDSS counts are 213
times as large as nanomaggies (median 17 becomes 11.2), nanojanskys 3631 times (8.1), janskys 3.6e-6
times (30.6)."""

NOISIEST = 15.0
"""Sky noise over that of SDSS: the middle, in the logarithm, of nanomaggies, 1, and counts, 213."""

QUIETEST = 1 / 80
"""Sky noise over that of SDSS: half that of LSST after ten years (r = 27.5 at 5 sigma in 9 pixels
of 0.396 arcsec, 0.00066 nanomaggies, is 1 / 41), three times that of SDSS images divided by 255, as
one published recipe does."""

FAINT_FOR_QUIETEST = 20.0
"""Median magnitude that goes with `QUIETEST`: dividing by 255 turns 14 to 18 into 20 to 24, while
noise-free renderings of bright galaxies are no fault."""

SKY_OVER_NOISE, SKY_OVER_PEAK = 10.0, 0.01
"""Level along a stamp's border over the sky noise, and over the stamp's largest pixel in the band
where that is most. Unsubtracted, the sky of SDSS (r: 20.9 mag per square arcsec, 0.69 nanomaggies
per pixel) is 25 times its noise. Subtracted, a stamp of a large nearby galaxy may show 9, but not
nine stamps in ten; without any noise most show more, but of profiles from exponential to de
Vaucouleurs, half-light radius 1 to 3 arcsec, only three in ten have a border above 1 % of the peak.
"""

BLUEST = {"ug": -0.5}
BLUEST_OTHERS = -0.15
"""Median colours, AB, bluer than this contradict galaxies: even young stars are flat, 0, and only
dust, age and redshift change that, all to the red. u - g alone is noisy enough for more."""

CORE = APERTURE_RADII_ARCSEC.index(2.3)
"""Aperture of the colours: most of the light of a galaxy, little of its neighbours and noise."""

CORE_NOISE = float(np.sqrt(np.pi) * APERTURE_RADII_ARCSEC[CORE] / PIXEL_SCALE)
"""Noise in that aperture over that of a pixel: the root of its area in pixels."""

FAINTEST_OVER_ERROR = 10.0
"""Median fluxes below ten times their error from sky noise say nothing of colours."""

TAILS = (0.1, 0.25, 0.75, 0.9)
"""Quantiles of border pixels whose distances tell of the shape of the noise."""

BORDER = 2
"""Width in pixels of the border of a stamp."""

DENSEST, FAINTEST_DISC, NOISE_AGREES = 19.7, 22.2, 2.5
"""Median surface brightness within half of the light, r mag per square arcsec, that galaxies do not
have (the semi-real ones 20.7, real ones 20 to 22, whatever the survey) where the sky noise, too,
is more than 2.5 times or less than 1 / 2.5 of SDSS's in the same sense."""

RESOLVED = 1.3
"""Half-light radius, arcsec: smaller ones are those of the seeing, which thins the light."""

SUNKEN = -0.5
"""Border over the sky noise below which nine stamps in ten lie only where a mean was subtracted."""

BLUER_INSIDE = -0.1
"""Median g - z, or u - r, within 1.1 arcsec less that from 2.3 to 3.2: galaxies are redder inside
(semi-real ones by 0.15), stretched ones are greyer where they are bright."""

INNER, RING = 1, (3, 4)
"""Apertures of this comparison."""

NARROW_TAILS = 1.6
"""Range of the middle 80 % of border pixels over that of the middle 50 %: 1.90 of normal noise; an
evenly filled range has 1.6, a square root of normal noise 1.38."""

NOISE_ONLY = 2.5
"""Level of the border over the noise up to which it is noise that its pixels show."""

ALIKE, DIFFERENT = 1e-4, 1e-2
"""Relative range over all stamps of what was made the same in all, and of what was not."""

Array = NDArray[np.floating]


@dataclass(frozen=True)
class _Facts:
    """Of each stamp and band, (n, 5), NaN where the band is absent."""

    growth: Array  # (n, A, 5), fluxes in apertures
    sigma: Array
    border: Array
    tails: Array
    lowest: Array
    n_pixels: NDArray[np.int64]
    mean: Array
    sd: Array
    largest: Array
    whole: NDArray[np.bool_]

    @property
    def total(self) -> Array:
        """Flux in the largest aperture."""
        return self.growth[:, -1]

    @property
    def core(self) -> Array:
        """Flux in the aperture of the colours."""
        return self.growth[:, CORE]


def photometry_problems(survey: RawSurvey) -> tuple[str, ...]:
    """One sentence for each way in which the images do not look like galaxies in nanomaggies.

    Blocks of stamps are looked at, spread evenly over the survey: those of `sample_rows`.
    """
    if survey.converted.get("unit") == SOFTENED_UNIT:
        return (f"the file says that its pixels are {SOFTENED_UNIT}",)
    facts, repeated = _facts_of(survey)
    if sentinels := tuple(sentinel_problems(repeated, n=len(facts.total))):
        return sentinels  # with which no flux means anything
    facts = _rows(facts, np.asarray(np.isfinite(facts.total).any(axis=1)))
    n = len(facts.total)
    if n == 0:
        return ()
    problems = [*_exact_values(facts)]
    if n >= FEWEST:
        band = _reference_band(facts)
        problems += [*_brightness(facts, band), *_sky_level(facts, band), *_colours(facts)]
        problems += [] if problems else [*_stretched(facts)]
        problems += [] if problems else [*_scale(facts, band)]
    return tuple(problems)


def sample_rows(n: int, *, most: int = 2048) -> tuple[slice, ...]:
    """Ranges of at most `most` of n rows in all, spread evenly; all of them where they fit."""
    n_blocks = max(most // BLOCK_ROWS, 1)
    size = min(BLOCK_ROWS, most)
    if n <= n_blocks * size:
        return tuple(slice(start, min(start + size, n)) for start in range(0, n, size))
    starts = np.linspace(0, n - size, n_blocks).astype(int).tolist()
    return tuple(slice(start, start + size) for start in starts)


def _facts_of(survey: RawSurvey) -> tuple[_Facts, list[Repeated]]:
    blocks, repeated = [], []
    for rows in sample_rows(len(survey.table)):
        images = absent_as_nan(survey.read_images(rows.start, rows.stop))
        numbers = np.arange(rows.start, rows.stop)
        blocks.append(_stamp_facts(images))
        repeated += repeated_values(images, numbers, gain=survey.gain, level=survey.level)
    return concatenated(blocks), repeated


@np.errstate(
    invalid="ignore", divide="ignore", over="ignore"
)  # damaged bytes may be signalling NaNs
def _stamp_facts(images: NDArray[np.float32]) -> _Facts:
    impossible = np.abs(images) > LARGEST_PIXEL
    useless = np.asarray(impossible.any(axis=(1, 2)) | ~images.any(axis=(1, 2)))
    images = np.where(useless[:, None, None, :], np.float32(np.nan), images)
    flux, _, sigma = aperture_photometry(images)
    middle = (slice(None), slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    outside = np.ones(images.shape[1:3], np.bool_)
    outside[middle[1:]] = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of bands that are all NaN
        border = images[:, outside, :]
        tenth, quarter, three_quarters, nine_tenths = np.quantile(border, TAILS, axis=1)
        return _Facts(
            growth=flux,
            sigma=sigma,
            border=np.nanmedian(border, axis=1),
            tails=(nine_tenths - tenth) / (three_quarters - quarter),
            lowest=np.nanmin(border, axis=1),
            n_pixels=np.isfinite(images).sum(axis=(1, 2)),
            mean=np.nanmean(images, axis=(1, 2)),
            sd=np.nanstd(images, axis=(1, 2)),
            largest=np.nanmax(images, axis=(1, 2)),
            whole=np.all((images == np.rint(images)) | np.isnan(images), axis=(1, 2)),
        )


def _rows(facts: _Facts, rows: NDArray[np.bool_]) -> _Facts:
    return _Facts(**{field.name: getattr(facts, field.name)[rows] for field in fields(_Facts)})


def _exact_values(facts: _Facts) -> Iterator[str]:
    measured = np.isfinite(facts.total)
    if facts.whole[measured].all():
        yield "all pixels are whole numbers: these look like counts or 8-bit pictures"
        return
    largest = np.where(measured, facts.largest, -np.inf)
    each_band = np.isclose(largest[measured], 1.0, rtol=0, atol=1e-6)
    each_stamp = np.isclose(largest.max(axis=1), 1.0, rtol=0, atol=1e-6)
    if each_band.all() or each_stamp.all():
        yield (
            f"the largest pixel of every {'band' if each_band.all() else 'stamp'} is 1: these look "
            "divided by their largest pixel or scaled to [0, 1], which takes their brightness away"
        )
    elif np.isclose(largest.max(), 1.0, rtol=0, atol=1e-6):
        yield "the largest of all pixels is 1: these look divided by it or scaled to [0, 1]"
    else:
        yield from _made_the_same(facts)


def _made_the_same(facts: _Facts) -> Iterator[str]:
    """Find what was made the same in all stamps, or in all bands of them, by a normalisation."""
    power = facts.mean**2 + facts.sd**2
    share = facts.n_pixels / facts.n_pixels.sum(axis=1, keepdims=True)
    mean, total = (np.nansum(share * value, axis=1) for value in (facts.mean, power))
    of_bands = {"mean": facts.mean, "standard deviation": facts.sd, "sum of squares": power}
    of_stamps = {"mean": mean, "standard deviation": total - mean**2, "sum of squares": total}
    for of, values in (("band", of_bands), ("stamp", of_stamps)):
        if len(mean) < 2 or not (values["standard deviation"] > 0).any():
            continue
        size = np.sqrt(values["sum of squares"])
        if np.nanmax(np.abs(values["mean"]) / size) < ALIKE:
            yield f"the mean of every {of} is 0: these look standardised, which moves the sky"
            return
        ranges = {
            name: np.nanmax(np.ptp(value, axis=0) / np.abs(value).max(axis=0))
            for name, value in values.items()
        }
        same = [name for name, spread in ranges.items() if spread < ALIKE]
        if same and max(ranges.values()) > DIFFERENT:
            yield (
                f"the {same[0]} of every {of} is the same: these look divided by it, which takes "
                "their brightness away"
            )
            return


def _reference_band(facts: _Facts) -> int:
    """r, or where most galaxies have none the band next to it: i, g, z, u."""
    present = np.isfinite(facts.total).mean(axis=0)
    order = [BANDS.index(band) for band in "rigzu"]
    return next((band for band in order if present[band] > 0.5), int(np.argmax(present)))


def _brightness(facts: _Facts, band: int) -> Iterator[str]:
    name = BANDS[band]
    flux, noise = np.nanmedian(facts.total[:, band]), np.nanmedian(facts.sigma[:, band])
    if flux <= 0:
        yield f"the median {name}-band flux is {flux:.3g}: there is no galaxy at the centre"
        return
    mag, ratio = float(magnitude(np.asarray(flux))), float(noise / SKY_SIGMA[band])
    times = f"{ratio:.2g} times" if 0.1 < ratio < 10 else f"{ratio:.0f} times"
    times = f"1/{1 / ratio:.0f}" if 0 < ratio <= 0.1 else times
    seen = f"median {name} = {mag:.1f} mag, sky noise {times} that of SDSS"
    if mag < BRIGHTEST or ratio > NOISIEST:
        yield (
            f"{seen}: these look like counts, or a unit smaller than nanomaggies (layout hdf5 "
            "converts, given ingest.hdf5.unit or zero_point)"
        )
    elif mag > FAINTEST or (ratio < QUIETEST and mag > FAINT_FOR_QUIETEST):
        yield (
            f"{seen}: these look divided by a number, such as 255, or a unit larger than "
            "nanomaggies (layout hdf5 converts, given ingest.hdf5.unit or zero_point)"
        )


def _sky_level(facts: _Facts, band: int) -> Iterator[str]:
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of stamps without any band
        over_noise = facts.border[:, band] / facts.sigma[:, band]
        noisy = over_noise[np.isfinite(over_noise)]
        over_peak = np.nanmax(facts.border / facts.largest, axis=1)
    if len(noisy) >= FEWEST and (noisy < SUNKEN).mean() > 0.9:
        yield (
            f"the {BANDS[band]}-band border of the stamps lies {-np.median(noisy):.2g} times the "
            "noise below 0: these look standardised, or a mean was subtracted"
        )
    seen = np.isfinite(over_noise) & np.isfinite(over_peak)
    if seen.sum() < FEWEST:
        return
    lifted = (over_noise[seen] > SKY_OVER_NOISE) & (over_peak[seen] > SKY_OVER_PEAK)
    if lifted.mean() > 0.9:
        yield (
            f"the {BANDS[band]}-band border of the stamps lies {np.median(over_noise[seen]):.0f} "
            "times the noise above 0: the sky is not subtracted, or pixels were scaled to [0, 1]"
        )


def _scale(facts: _Facts, band: int) -> Iterator[str]:
    """Surface brightness that galaxies do not have; sizes tell what brightness to expect."""
    growth = facts.growth[:, :, band]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = growth / growth[:, -1:]
        radius = np.array([np.interp(0.5, one, APERTURE_RADII_ARCSEC) for one in share])
        brightness = magnitude(growth[:, -1]) + 2.5 * np.log10(2 * np.pi * radius**2)
    seen = np.isfinite(brightness)
    if seen.sum() < FEWEST:
        return
    mu, half_light = np.median(brightness[seen]), np.median(radius[seen])
    ratio = float(np.nanmedian(facts.sigma[:, band]) / SKY_SIGMA[band])
    faint = mu > FAINTEST_DISC and ratio < 1 / NOISE_AGREES and half_light > RESOLVED
    if faint or (mu < DENSEST and ratio > NOISE_AGREES):
        yield (
            f"half of the light within {half_light:.1f} arcsec, median {mu:.1f} {BANDS[band]} mag "
            f"per square arcsec there, where galaxies have 20 to 22; sky noise {ratio:.2g} times "
            "that of SDSS: these look multiplied by a number, or in another unit (given "
            "ingest.hdf5.unit or zero_point, it is converted)"
        )


def _stretched(facts: _Facts) -> Iterator[str]:
    """Find what a stretch (asinh, logarithm, root) does to noise and to colours."""
    noise_only = np.abs(facts.border) < NOISE_ONLY * facts.sigma
    for b, name in enumerate(BANDS):
        seen = noise_only[:, b] & np.isfinite(facts.lowest[:, b])
        if seen.sum() < FEWEST:
            continue
        tails, never_negative = facts.tails[seen, b], (facts.lowest[seen, b] >= 0).mean() > 0.9
        if never_negative or np.nanmedian(tails) < NARROW_TAILS:
            how = "is never negative" if never_negative else "has no tails"
            yield (
                f"the {name}-band noise of the sky {how}: these look like a square root or another "
                "stretch of fluxes; expected fluxes"
            )
            return
    inner, ring = facts.growth[:, INNER], facts.growth[:, RING[1]] - facts.growth[:, RING[0]]
    for blue, red in ((1, 4), (0, 2)):
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (inner[:, blue] / inner[:, red]) / (ring[:, blue] / ring[:, red])
            bluer = -2.5 * np.log10(ratio)
        bluer = bluer[np.isfinite(bluer)]
        if len(bluer) < FEWEST:
            continue
        # 1.4826 * 1.2533 / sqrt(n): from the median absolute deviation to the median's error
        error = 1.858 * np.median(np.abs(bluer - np.median(bluer))) / np.sqrt(len(bluer))
        if np.median(bluer) < min(BLUER_INSIDE, -2 * error):
            yield (
                f"median {BANDS[blue]} - {BANDS[red]} is {-np.median(bluer):.2f} mag less in the "
                "middle than around it, where galaxies are redder: these look stretched (asinh, "
                "logarithm); expected fluxes"
            )
            return


def _colours(facts: _Facts) -> Iterator[str]:
    """Fluxes of galaxies rise from u to z; where their medians fall, the bands are mixed up."""
    flux, bands = np.zeros(len(BANDS)), []
    for b in range(len(BANDS)):
        measured = np.isfinite(facts.core[:, b])
        if measured.sum() >= FEWEST:
            flux[b] = np.median(facts.core[measured, b])
            error = CORE_NOISE * np.median(facts.sigma[measured, b]) / np.sqrt(measured.sum())
            bands += [b] if flux[b] > FAINTEST_OVER_ERROR * error else []
    colour = {
        f"{BANDS[one]}{BANDS[other]}": 2.5 * np.log10(flux[other] / flux[one])
        for one, other in zip(bands[:-1], bands[1:], strict=True)
    }
    wrong = {k: v for k, v in colour.items() if v < BLUEST.get(k, BLUEST_OTHERS)}
    if not wrong:
        return
    read_as = [BANDS[b] for b in bands]
    rising = sorted(bands, key=lambda b: flux[b])
    looks_like = [BANDS[bands[rising.index(b)]] for b in bands]
    reversed_order = " (reversed?)" if looks_like == read_as[::-1] else ""
    listed = ", ".join(f"{k[0]} - {k[1]} = {v:.2f}" for k, v in wrong.items())
    yield (
        f"the band order contradicts galaxy colours: median {listed}; what is read as "
        f"{' '.join(read_as)} looks like {' '.join(looks_like)}{reversed_order} (layout hdf5 sorts "
        "them, given ingest.hdf5.bands)"
    )
