"""Spectral lines worth marking in the spectrum of a galaxy, those it emits, and their templates.

Vacuum wavelengths. Emission lines: ``LINEWAVE`` in HDU 3 of every SDSS spectrum (the lines its
pipeline fits). Absorption features: the line table of SDSS's spectroscopic pipeline (Stoughton et
al. 2002); G, Mg and Na are blends, so their wavelengths are those of the feature.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BLENDS",
    "LIGHT_SPEED",
    "LINES",
    "LINE_REACH",
    "at_lines",
    "blend_at",
    "emission_templates",
    "line_pixels",
    "lines_in_words",
]

Array = NDArray[np.float64]

LIGHT_SPEED = 299_792.458
"""km/s."""


LINES: Mapping[str, float] = {
    "[O II] 3727": 3727.092,
    "[O II] 3730": 3729.875,
    "[Ne III] 3870": 3869.857,
    "Ca K": 3934.777,
    "Ca H": 3969.588,
    "H delta": 4102.892,
    "G band": 4305.61,
    "H gamma": 4341.684,
    "H beta": 4862.683,
    "[O III] 4960": 4960.295,
    "[O III] 5008": 5008.240,
    "Mg 5177": 5176.63,
    "Na D": 5895.6,
    "[O I] 6302": 6302.046,
    "[N II] 6550": 6549.859,
    "H alpha": 6564.614,
    "[N II] 6585": 6585.268,
    "[S II] 6718": 6718.294,
    "[S II] 6733": 6732.678,
    "Ca II 8500": 8500.36,
    "Ca II 8544": 8544.44,
    "Ca II 8665": 8664.52,
}
"""Rest wavelengths in Angstrom, rising. Stars absorb in Ca, G, Mg and Na, gas emits the others;
hydrogen absorbs in old galaxies."""

BLENDS: Mapping[str, tuple[float, ...]] = {
    name: tuple(LINES[line] for line in lines)
    for name, lines in {
        "[O II]": ("[O II] 3727", "[O II] 3730"),
        "H beta": ("H beta",),
        "[O III]": ("[O III] 4960", "[O III] 5008"),
        "H alpha, [N II]": ("[N II] 6550", "H alpha", "[N II] 6585"),
        "[S II]": ("[S II] 6718", "[S II] 6733"),
    }.items()
}
"""Strong emission lines, those together that a redshift from colours cannot tell apart: rest
wavelengths. What a spectrum holds there is judged apart from its continuum."""


def lines_in_words() -> str:
    """Name the blends in order, with the rest wavelengths of their lines."""
    return "; ".join(
        f"{name}: {', '.join(f'{rest:.2f}' for rest in lines)} Angstrom"
        for name, lines in BLENDS.items()
    )


LINE_REACH = 300.0
"""km/s on both sides of a line's centre that belong to it; lines of the templates that targets are
made of have a sigma of 210 km/s."""

GROUPS = (
    {"[O II] 3727": 1.0, "[O II] 3730": 1.0},
    {"H delta": 0.55, "H gamma": 1.0},
    {"H beta": 1.0},
    {"[O III] 4960": 1.0, "[O III] 5008": 2.98},
    {"H alpha": 1.0},
    {"[N II] 6550": 1.0, "[N II] 6585": 3.05},
    {"[S II] 6718": 1.0, "[S II] 6733": 1.0},
)
"""Lines whose ratios hardly vary, and the ratios: [O III] and [N II] by their transition
probabilities (Storey & Zeippen 2000), Balmer lines of case B, doublets of density at low density
taken as equal. H alpha and H beta apart, since dust changes their ratio."""


def line_pixels(wavelength: Array, z: Array, rest: float) -> NDArray[np.int64]:
    """Pixel (n,) nearest the centre of a line at redshifts z (n,); -1 where it lies outside."""
    step = np.log(wavelength[1] / wavelength[0])
    place = np.rint((np.log(rest / wavelength[0]) + np.log1p(z)) / step)
    inside = (place >= 0) & (place < len(wavelength))
    return np.where(inside, place, -1).astype(np.int64)


def at_lines(values: NDArray[np.floating], wavelength: Array, z: Array) -> Array:
    """Values (n, L) at the pixels of the centres of lines, (n, G, 3) by `BLENDS`; else NaN."""
    found = np.full((len(z), len(BLENDS), max(map(len, BLENDS.values()))), np.nan)
    for blend, lines in enumerate(BLENDS.values()):
        for place, rest in enumerate(lines):
            pixel = line_pixels(wavelength, z, rest)
            inside = np.flatnonzero(pixel >= 0)
            found[inside, blend, place] = values[inside, pixel[inside]]
    return found


def blend_at(wavelength: Array, z: Array) -> NDArray[np.int8]:
    """Give the number in `BLENDS` of the line within `LINE_REACH` of pixels (n, L).

    A line has its nearest pixel at least; -1 away from lines.
    """
    ln = np.log(wavelength)
    reach = max(LINE_REACH / LIGHT_SPEED, (ln[1] - ln[0]) / 2)
    found = np.full((len(z), len(wavelength)), -1, np.int8)
    for blend, lines in enumerate(BLENDS.values()):
        for rest in lines:
            centre = np.log(rest) + np.log1p(z)
            starts, stops = np.searchsorted(ln, [centre - reach, centre + reach])
            for row, (start, stop) in enumerate(zip(starts, stops, strict=True)):
                found[row, start:stop] = blend
    return found


def emission_templates(wavelength: Array, *, sigma: float) -> Array:
    """Gaussian emission lines on rest-frame wavelengths, one template per group of `GROUPS`.

    Parameters
    ----------
    wavelength : (M,) Angstrom in vacuum.
    sigma : width in km/s, galaxy and spectrograph together.

    Returns
    -------
    (G, M) flux per Angstrom, 1 at the peak of a line of strength 1.
    """
    return np.stack(
        [
            sum(
                strength * _gaussian(wavelength, LINES[name], sigma)
                for name, strength in group.items()
            )
            for group in GROUPS
        ]
    )


def _gaussian(wavelength: Array, centre: float, sigma: float) -> Array:
    velocity = LIGHT_SPEED * np.log(wavelength / centre)
    return np.exp(-0.5 * (velocity / sigma) ** 2)
