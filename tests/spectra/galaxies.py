"""Artificial galaxies: smooth continua, breaks and lines, on pixels of 120 km/s."""

import numpy as np

from pix2z.spectra.templates import Templates

STEP = 4e-4
WAVELENGTH = np.exp(np.log(4000) + STEP * np.arange(2000))  # to 8,900 Angstrom
REST = np.exp(np.arange(np.log(2200), np.log(9200), STEP / 3))


def shape(wavelength, kind):
    """Rest-frame flux of three kinds: old stars, young stars, gas."""

    def line(centre, sigma=3e-3):
        return np.exp(-0.5 * (np.log(wavelength / centre) / sigma) ** 2)

    if kind == 0:
        edge = 1 / (1 + np.exp(-(wavelength - 4000) / 15))
        return (0.4 + 0.6 * edge) * (1 - 0.4 * line(3934.8) - 0.3 * line(5176) - 0.2 * line(5895))
    if kind == 1:
        return (4000 / wavelength) ** 1.5 * (1 - 0.3 * line(4102.9) - 0.3 * line(4341.7))
    return line(3728.5) + line(4862.7) + 1.5 * line(5008.2) + 2 * line(6564.6)


def templates(*, non_negative=True):
    """The three kinds, as templates."""
    return Templates(REST, np.stack([shape(REST, kind) for kind in range(3)]), non_negative)


def galaxy(z, weights=(1.0, 0.6, 0.4)):
    """A sum of the three kinds at redshift z, on `WAVELENGTH`, without noise."""
    rest = WAVELENGTH / (1 + z)
    return np.sum([w * shape(rest, kind) for kind, w in enumerate(weights)], axis=0)
