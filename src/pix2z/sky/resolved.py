"""The fitted spectrum of a galaxy, split between its bulge and its disc.

A galaxy is a sum of templates; the bulge takes the share w_t = expit(level + steepness * colour_t)
of template t, where colour_t is the template's rest-frame g - i, standardised over the five. The
redder (older) a template, the more of it is in the bulge. Two numbers fix the split: the bulge's
share of the light in the observed r band, and how much redder in rest-frame g - i the bulge is than
the disc. Bulge fractions of the other bands follow, and change with redshift as the spectra do.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from pix2z.sky.templates import TemplateGrid, template_matrix

__all__ = ["band_bulge_fractions", "bulge_template_share"]

Array = NDArray[np.float64]

_STEEPEST = 8.0
"""Beyond, templates lie whole in one of the two; a larger difference of colours cannot be had."""


def bulge_template_share(
    templates: TemplateGrid, *, z: Array, coefficients: Array, fraction_r: Array, redder: Array
) -> Array:
    """Share (N, 5) of each template's light that is in the bulge.

    Parameters
    ----------
    coefficients : (N, 5) of the templates.
    fraction_r : (N,) bulge fraction in the r band as observed at redshift z: kept to 1e-7.
    redder : (N,) rest-frame g - i of the bulge minus that of the disc, at least 0. Where the
        templates of a galaxy cannot reach it, the largest difference that they allow.
    """
    light_r = template_matrix(templates, z)[:, 2] * coefficients
    light_r /= light_r.sum(axis=1, keepdims=True)
    rest_g, rest_i = (templates.flux[0, band] * coefficients for band in (1, 3))
    colour = -2.5 * np.log10(templates.flux[0, 1] / templates.flux[0, 3])
    colour = (colour - colour.mean()) / colour.std()

    def share(steepness: Array) -> Array:
        tilt = steepness[:, None] * colour
        low, high = (logit(fraction_r) - tilt.max(axis=1), logit(fraction_r) - tilt.min(axis=1))
        for _ in range(27):
            level = (low + high) / 2
            above = (expit(level[:, None] + tilt) * light_r).sum(axis=1) > fraction_r
            low, high = np.where(above, low, level), np.where(above, level, high)
        result: Array = expit(low[:, None] + tilt)
        return result

    low, high = np.zeros(len(z)), np.full(len(z), _STEEPEST)
    for _ in range(16):
        steepness = (low + high) / 2
        too_red = _redder(share(steepness), rest_g, rest_i) > redder
        low, high = np.where(too_red, low, steepness), np.where(too_red, steepness, high)
    return share(low)


def _redder(share: Array, flux_g: Array, flux_i: Array) -> Array:
    """Rest-frame g - i of the bulge minus that of the disc, (N,)."""
    odds_g, odds_i = (
        (share * flux).sum(axis=1) / ((1 - share) * flux).sum(axis=1) for flux in (flux_g, flux_i)
    )
    result: Array = 2.5 * np.log10(odds_i / odds_g)
    return result


def band_bulge_fractions(
    templates: TemplateGrid, *, z: Array, coefficients: Array, share: Array
) -> Array:
    """Bulge fractions in ugriz (N, 5), given the bulge's share (N, 5) of each template."""
    light = template_matrix(templates, z) * coefficients[:, None, :]
    result: Array = (light * share[:, None, :]).sum(axis=2) / light.sum(axis=2)
    return result
