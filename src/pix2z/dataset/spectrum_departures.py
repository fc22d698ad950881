"""How the spectra of galaxies depart from sums of five templates: drawn once for each parent.

Five templates know one ratio of lines for a given colour, and no continuum but their own. What real
galaxies do beyond that is drawn here, for the targets of spectrum networks alone:

- Lines. H alpha varies by 0.2 dex at given colours: our own choice, below the 0.3 dex of star
  formation at given stellar mass (Noeske et al. 2007), of which colours tell a part. The extinction
  of H alpha scatters by 0.3 mag (Garn & Best 2010), which with the attenuation curve of Calzetti et
  al. (2000) changes the other lines. The abundance of oxygen scatters by 0.1 dex (Tremonti et al.
  2004): [N II] / H alpha and [O III] / H beta follow it with the slopes of Pettini & Pagel (2004),
  against each other. These numbers are of galaxies that form stars, and were read at second hand.
  A template without lines stays without.
- Continuum. A smooth curve of 2 %, our own choice, correlated over 5 % in wavelength at rest.

Broad bands are what was rendered: in the bands that the wavelengths cover, lines and curve leave
the flux of the stamp, its scatter about the templates included, so images and targets agree.
"""

import numpy as np
from numpy.typing import NDArray

from pix2z.imaging import BANDS, EFFECTIVE_WAVELENGTH
from pix2z.sky.filters import band_weights, covered_bands
from pix2z.sky.templates import TemplateSpectra, template_spectra
from pix2z.wavelengths import WavelengthGrid
from pix2z.wavelengths.lines import GROUPS, emission_templates

__all__ = ["Departures", "line_factors", "line_strengths"]

SEED = 3_727
LINE_STRENGTH = 0.2
"""dex."""
EXTINCTION = 0.3
"""mag, at H alpha."""
ABUNDANCE = 0.1
"""dex."""
N2_SLOPE, O3N2_SLOPE = 0.57, -0.32
"""12 + log(O/H) per dex of [N II] / H alpha, and of ([O III] / H beta) / ([N II] / H alpha)."""
ATTENUATION = {"[O II]": 1.76, "H delta, H gamma": 1.52, "H beta": 1.38, "H alpha": 1.0}
"""Extinction relative to that of H alpha; that of a neighbouring line holds for the others."""
CONTINUUM = 0.02
CURVE_STEP = 0.05
"""In ln(wavelength)."""
CURVE_FROM, CURVE_TO = 2600.0, 9400.0
"""Angstrom, at rest."""

ITERATIONS = 4
"""Of the factors in the bands, linear between them; then fluxes agree within 0.3 %."""

TEMPLATE_SIGMA = 210.0
"""km/s, of the lines of kcorrect's templates."""
AROUND_LINES = ((3600.0, 3850.0), (4000.0, 4450.0), (4780.0, 5100.0), (6400.0, 6850.0))
"""Angstrom; lines are fitted to the templates with a polynomial of degree 4 in each of these."""

Array = NDArray[np.float64]


def line_strengths() -> Array:
    """Peaks (5 templates, G) of the emission of each of `lines.GROUPS`; 0 where there is none."""
    wavelength, flux = template_spectra()
    lines = emission_templates(wavelength, sigma=TEMPLATE_SIGMA)
    strengths = np.zeros((len(flux), len(GROUPS)))
    for first, last in AROUND_LINES:
        inside = (wavelength > first) & (wavelength < last)
        there = np.flatnonzero(lines[:, inside].max(axis=1) > 0.5)
        smooth = np.polynomial.legendre.legvander(np.linspace(-1, 1, inside.sum()), 4).T
        terms = np.concatenate([lines[there][:, inside], smooth]).T
        strengths[:, there] = np.linalg.lstsq(terms, flux[:, inside].T)[0][: len(there)].T
    return np.maximum(strengths, 0.0)


def line_factors(parent: NDArray[np.int64]) -> Array:
    """Factors (n, G) on the lines of `lines.GROUPS` of these parents, the same in every stamp."""
    strength, dust, oxygen = _normal(parent, 3, part=0).T * [
        [LINE_STRENGTH],
        [EXTINCTION],
        [ABUNDANCE],
    ]
    seen = {name: strength - 0.4 * dust * (k - 1) for name, k in ATTENUATION.items()}
    n2, o3n2 = oxygen / N2_SLOPE, oxygen / O3N2_SLOPE
    in_order = (
        seen["[O II]"],
        seen["H delta, H gamma"],
        seen["H beta"],
        seen["H beta"] + o3n2 + n2,
        seen["H alpha"],
        seen["H alpha"] + n2,
        seen["H alpha"],
    )
    return 10 ** np.stack(in_order, axis=1)


def _normal(parent: NDArray[np.int64], n: int, *, part: int) -> Array:
    """Draw normal numbers (len(parent), n) that depend on the parent alone."""
    drawn = np.random.default_rng([SEED, part]).normal(size=(int(parent.max()) + 1, n))
    return np.asarray(drawn[parent])


class Departures:
    """Made once, used on blocks of galaxies.

    Parameters
    ----------
    grid : wavelengths, as observed. z_max : highest redshift asked for.
    """

    def __init__(self, grid: WavelengthGrid, *, z_max: float) -> None:
        self._ln, self._strengths = np.log(grid.values), line_strengths()
        wavelength, _ = template_spectra()
        lines = wavelength, emission_templates(wavelength, sigma=TEMPLATE_SIGMA)
        self._lines = TemplateSpectra(grid, z_max=z_max, rest=lines)
        covered = covered_bands(grid.values)
        self._bands = np.array([BANDS.index(band) for band in covered])
        self._weights = np.stack([band_weights(grid.values, band) for band in covered], axis=1)
        between = [np.interp(self._ln, np.log(EFFECTIVE_WAVELENGTH), one) for one in np.eye(5)]
        self._between_bands = np.stack(between)
        self._knots = np.arange(np.log(CURVE_FROM), np.log(CURVE_TO), CURVE_STEP)

    def added(
        self,
        flux: NDArray[np.float32],
        *,
        coefficients: Array,
        z: Array,
        parent: NDArray[np.int64],
        scatter: Array,
    ) -> NDArray[np.float32]:
        """Spectra (n, L) with the departures of their parents.

        Parameters
        ----------
        flux : of the sums of templates with these coefficients (n, 5) at redshifts z (n,).
        scatter : (n, 5) rendered flux in each band over that of the sum.
        """
        strengths = coefficients @ self._strengths * (line_factors(parent) - 1)
        changed = flux + self._lines.observed(strengths, z)
        curves = CONTINUUM * _normal(parent, len(self._knots), part=1)
        for row, curve in enumerate(curves):
            changed[row] *= 1 + np.interp(self._ln - np.log1p(z[row]), self._knots, curve)
        wanted = (flux @ self._weights) * scatter[:, self._bands]
        factor, found = np.array(scatter, np.float64), changed
        for _ in range(ITERATIONS):
            found = changed * (factor @ self._between_bands)
            factor[:, self._bands] *= wanted / (found @ self._weights)
        return found.astype(np.float32)
