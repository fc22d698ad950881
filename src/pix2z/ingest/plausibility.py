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

import numpy as np

from pix2z.dataset.photometry import APERTURE_RADII_ARCSEC, magnitude
from pix2z.dataset.stamps import clean_images
from pix2z.imaging import BANDS, PIXEL_SCALE, SKY_SIGMA, SOFTENED_UNIT
from pix2z.ingest.raw import RawSurvey, concatenated
from pix2z.ingest.sentinels import Repeated, repeated_values, sentinel_problems
from pix2z.ingest.stamp_statistics import CORE, StampStatistics, measured_stamps
from pix2z.ingest.stretches import FEWEST, made_the_same, rescaled, stretched

__all__ = ["FEWEST", "photometry_problems", "sample_rows"]

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

FLATTEST = 0.2
"""Median g - z below which the bands are all alike: one real galaxy in a hundred with a redshift
below 0.05 is as blue (further ones are redder), and no sample of them."""

SUNKEN = -0.5
"""Border over the sky noise below which nine stamps in ten lie only where a mean was subtracted."""

CORE_NOISE = float(np.sqrt(np.pi) * APERTURE_RADII_ARCSEC[CORE] / PIXEL_SCALE)
"""Noise in that aperture over that of a pixel: the root of its area in pixels."""

FAINTEST_OVER_ERROR = 10.0
"""Median fluxes below ten times their error from sky noise say nothing of colours."""


def photometry_problems(survey: RawSurvey, *, most: int = 2048) -> tuple[str, ...]:
    """One sentence for each way in which the images do not look like galaxies in nanomaggies.

    Blocks of stamps are looked at, spread evenly over the survey, `most` in all: `sample_rows`.
    """
    if survey.softened:
        return (f"the file says that its pixels are {SOFTENED_UNIT}",)
    facts, repeated = _facts_of(survey, most)
    if sentinels := tuple(sentinel_problems(repeated, n=len(facts.total))):
        return sentinels  # with which no flux means anything
    facts = facts.of_rows(np.asarray(np.isfinite(facts.total).any(axis=1)))
    n = len(facts.total)
    if n == 0:
        return ()
    problems = [*_exact_values(facts)]
    if n >= FEWEST:
        band = _reference_band(facts)
        problems += [*_brightness(facts, band), *_sky_level(facts, band), *_colours(facts)]
        problems += [] if problems else [*stretched(facts, band)]
        problems += [] if problems else [*rescaled(facts, band)]
    return tuple(problems)


def sample_rows(n: int, *, most: int = 2048) -> tuple[slice, ...]:
    """Ranges of at most `most` of n rows in all, spread evenly; all of them where they fit."""
    n_blocks = max(most // BLOCK_ROWS, 1)
    size = min(BLOCK_ROWS, most)
    if n <= n_blocks * size:
        return tuple(slice(start, min(start + size, n)) for start in range(0, n, size))
    starts = np.linspace(0, n - size, n_blocks).astype(int).tolist()
    return tuple(slice(start, start + size) for start in starts)


def _facts_of(survey: RawSurvey, most: int) -> tuple[StampStatistics, list[Repeated]]:
    blocks, repeated = [], []
    scales = {(file.gain, file.level): number for number, file in enumerate(survey.files)}
    scale_of_file = [scales[file.gain, file.level] for file in survey.files]
    scale_of_row = np.repeat(scale_of_file, [file.n_rows for file in survey.files])
    for rows in sample_rows(len(scale_of_row), most=most):
        images = survey.read_images(rows.start, rows.stop)
        numbers = np.arange(rows.start, rows.stop)
        blocks.append(measured_stamps(clean_images(images)))
        for number in np.unique(scale_of_row[numbers]).tolist():
            # A number that stands for masked pixels is the same in what is stored alike.
            file, alike = survey.files[number], scale_of_row[numbers] == number
            repeated += repeated_values(
                images[alike], numbers[alike], gain=file.gain, level=file.level
            )
    return concatenated(blocks), repeated


def _exact_values(facts: StampStatistics) -> Iterator[str]:
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
        yield from made_the_same(facts)


def _reference_band(facts: StampStatistics) -> int:
    """r, or where most galaxies have none the band next to it: i, g, z, u."""
    present = np.isfinite(facts.total).mean(axis=0)
    order = [BANDS.index(band) for band in "rigzu"]
    return next((band for band in order if present[band] > 0.5), int(np.argmax(present)))


def _brightness(facts: StampStatistics, band: int) -> Iterator[str]:
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
            f"{seen}: these look like counts, or a unit smaller than nanomaggies "
            "(given ingest.hdf5.unit or zero_point, they are converted)"
        )
    elif mag > FAINTEST or (ratio < QUIETEST and mag > FAINT_FOR_QUIETEST):
        yield (
            f"{seen}: these look divided by a number, such as 255, or a unit larger than "
            "nanomaggies (given ingest.hdf5.unit or zero_point, they are converted)"
        )


def _sky_level(facts: StampStatistics, band: int) -> Iterator[str]:
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


def _colours(facts: StampStatistics) -> Iterator[str]:
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
        flat = 2.5 * np.log10(flux[4] / flux[1]) if {1, 4} <= set(bands) else np.inf
        if flat < FLATTEST:
            yield (
                f"median g - z is {flat:.2f} mag, where galaxies have 0.5 or more: these look "
                "divided by a number of each band, which takes their colours away"
            )
        return
    read_as = [BANDS[b] for b in bands]
    rising = sorted(bands, key=lambda b: flux[b])
    looks_like = [BANDS[bands[rising.index(b)]] for b in bands]
    reversed_order = " (reversed?)" if looks_like == read_as[::-1] else ""
    listed = ", ".join(f"{k[0]} - {k[1]} = {v:.2f}" for k, v in wrong.items())
    yield (
        f"the band order contradicts galaxy colours: median {listed}; what is read as "
        f"{' '.join(read_as)} looks like {' '.join(looks_like)}{reversed_order} (given "
        "ingest.hdf5.bands, they are sorted)"
    )
