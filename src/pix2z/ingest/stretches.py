"""What a stretch, a normalisation or a wrong factor leaves in stamps that are still galaxies."""

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.photometry import APERTURE_RADII_ARCSEC, magnitude
from pix2z.imaging import BANDS, SKY_SIGMA
from pix2z.ingest.stamp_statistics import StampStatistics

__all__ = ["FEWEST", "made_the_same", "rescaled", "stretched"]

FEWEST = 20
"""Galaxies that a median is taken of at the least; its error is then a quarter of the scatter."""

DENSEST, FAINTEST_DISC, NOISE_AGREES = 19.7, 22.2, 2.5
"""Median surface brightness within half of the light, r mag per square arcsec, that galaxies do not
have (the semi-real ones 20.7, real ones 20 to 22, whatever the survey) where the sky noise, too,
is more than 2.5 times or less than 1 / 2.5 of SDSS's in the same sense."""

RESOLVED = 1.3
"""Half-light radius, arcsec: smaller ones are those of the seeing, which thins the light."""

BRIGHT_OVER_NOISE = 300.0
"""Flux in the aperture of the colours over the noise of a pixel: 30 times its error."""

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


@np.errstate(invalid="ignore", divide="ignore")  # of absent bands
def made_the_same(facts: StampStatistics) -> Iterator[str]:
    """Find what was made the same in all stamps, or in all bands of them, by a normalisation."""
    power = facts.mean**2 + facts.sd**2
    share = facts.n_pixels / facts.n_pixels.sum(axis=1, keepdims=True)
    mean, total = (np.nansum(share * value, axis=1) for value in (facts.mean, power))
    of_bands = {"mean": facts.mean, "standard deviation": facts.sd, "sum of squares": power}
    of_stamps = {"mean": mean, "standard deviation": total - mean**2, "sum of squares": total}
    if len(mean) == 1:
        of_bands = {name: values.T for name, values in of_bands.items()}  # of one galaxy, compared
    for of, values in (("band", of_bands), ("stamp", of_stamps)):
        if not (values["standard deviation"] > 0).any():
            continue
        size = np.sqrt(values["sum of squares"])
        if np.nanmax(np.abs(values["mean"]) / size) < ALIKE:
            yield f"the mean of every {of} is 0: these look standardised, which moves the sky"
            return
        ranges = {name: _relative_range(value) for name, value in values.items()}
        same = [name for name, spread in ranges.items() if spread < ALIKE]
        if same and max(ranges.values()) > DIFFERENT:
            yield (
                f"the {same[0]} of every {of} is the same: these look divided by it, which takes "
                "their brightness away"
            )
            return


def _relative_range(values: NDArray[np.floating]) -> float:
    """Range over the stamps, relative to the largest, of the band where it is widest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of bands that are all NaN
        span = np.nanmax(values, axis=0) - np.nanmin(values, axis=0)
        return float(np.nanmax(span / np.nanmax(np.abs(values), axis=0)))


def rescaled(facts: StampStatistics, band: int) -> Iterator[str]:
    """Surface brightness that galaxies do not have; sizes tell what brightness to expect."""
    radius = _half_light(facts, band)
    with np.errstate(divide="ignore", invalid="ignore"):
        brightness = magnitude(facts.total[:, band]) + 2.5 * np.log10(2 * np.pi * radius**2)
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


@np.errstate(divide="ignore", invalid="ignore")
def _half_light(facts: StampStatistics, band: int) -> NDArray[np.floating]:
    """Radius in arcsec that holds half of the light."""
    share = facts.growth[:, :, band] / facts.growth[:, -1:, band]
    return np.array([np.interp(0.5, one, APERTURE_RADII_ARCSEC) for one in share])


def stretched(facts: StampStatistics, band: int) -> Iterator[str]:
    """Find what a stretch (asinh, logarithm, root) does to noise and to colours.

    Colours are those of galaxies that are resolved and bright in a band: of others, bands that
    differ in seeing or noise look like a stretch.
    """
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
    clear = (_half_light(facts, band) > RESOLVED) & (
        facts.core[:, band] > BRIGHT_OVER_NOISE * facts.sigma[:, band]
    )
    inner, ring = facts.growth[:, INNER], facts.growth[:, RING[1]] - facts.growth[:, RING[0]]
    for blue, red in ((1, 4), (0, 2)):
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (inner[:, blue] / inner[:, red]) / (ring[:, blue] / ring[:, red])
            bluer = -2.5 * np.log10(ratio)
        bluer = bluer[np.isfinite(bluer) & clear]
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
