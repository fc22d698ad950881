"""Chi-square of spectra against templates plus a polynomial, at many redshifts at once.

At every trial redshift the model is ``sum_t a_t T_t(wavelength / (1 + z)) + sum_k c_k P_k``, with
Legendre polynomials P_k of the pixel number, fitted by weighted linear least squares. On
logarithmic wavelengths all sums over pixels that the normal equations need are correlations of the
data with (products of) templates, so that one Fourier transform gives them for all redshifts.
Polynomials are eliminated first (Schur complement); what is left is a T x T system.

Pixels beyond the templates' wavelengths do not enter; chi-square is then scaled to the number of
all good pixels, so that redshifts with more and with fewer pixels can be compared.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.optimize import nnls

__all__ = ["chi_square_alone", "chi_square_at", "chi_square_scan", "polynomials"]

Array = NDArray[np.float64]

RIDGE = 1e-9
"""Added to the diagonal of normalised normal equations: templates may be alike, or out of range."""

FLOOR = 1e-5
"""Smallest sum of squares of a template that counts, relative to the largest: below it are lines
that are out of range, of which a Fourier transform leaves rounding errors."""

LEAST_KNOWN = 0.5
"""Share of the good pixels that the templates must reach for a redshift to be tried."""


@dataclass(frozen=True, eq=False)
class _Sums:
    """Weighted sums over pixels, (n, S or 1, ...): t templates, p polynomials, f flux."""

    tt: Array
    pt: Array
    pp: Array
    tf: Array
    pf: Array
    ff: Array
    n_known: Array


def polynomials(n: int, degree: int) -> Array:
    """Legendre polynomials of degree 0 to `degree` at n equal steps over [-1, 1]; (P, n)."""
    return np.asarray(np.polynomial.legendre.legvander(np.linspace(-1, 1, n), degree).T, np.float64)


def chi_square_scan(
    flux: Array,
    weight: Array,
    *,
    templates: Array,
    known: Array,
    degree: int,
    non_negative: bool,
) -> Array:
    """Chi-square (n, S) of spectra against templates that slide along them.

    Parameters
    ----------
    flux : (n, L); weight : (n, L) inverse variances.
    templates, known : (T, L + S - 1) and (L + S - 1,); pixel i sees column i + s at trial s.
        `known` is 0 where templates do not reach, and templates are 0 there; else it is 1.
    degree : of the polynomial.
    non_negative : whether template weights must be 0 or more.
    """
    sums = _correlations(flux, weight, templates, known, polynomials(flux.shape[1], degree))
    n_good = (weight > 0).sum(axis=1)
    return _chi_square(sums, n_good, non_negative=non_negative)


def chi_square_at(
    flux: Array,
    weight: Array,
    *,
    templates: Array,
    known: Array,
    basis: Array,
    non_negative: bool,
) -> Array:
    """Chi-square (n, S) of spectra at S trials of each, templates given pixel by pixel.

    Parameters
    ----------
    flux, weight : (n, L). templates : (n, S, T, L). known : (n, S, L). basis : (P, L) polynomials.
    """
    seen = known[:, :, None]
    rows = np.concatenate([templates, basis * seen, flux[:, None, None] * seen], axis=2)
    products = (rows * weight[:, None, None]) @ rows.swapaxes(-1, -2)
    n_templates = templates.shape[2]
    t, p = slice(n_templates), slice(n_templates, -1)
    good = (weight > 0).astype(np.float64)
    sums = _Sums(
        tt=products[..., t, t],
        pt=products[..., p, t],
        pp=products[..., p, p],
        tf=products[..., t, -1],
        pf=products[..., p, -1],
        ff=products[..., -1, -1],
        n_known=_times(known, good),
    )
    return _chi_square(sums, good.sum(axis=1), non_negative=non_negative)


def chi_square_alone(flux: Array, weight: Array, basis: Array) -> Array:
    """Chi-square (n,) of spectra (n, L) against polynomials (P, L) without any template."""
    factor, scale = _inverse_factor((basis * weight[:, None]) @ basis.T)
    fitted = _times(factor, scale * ((weight * flux) @ basis.T))
    return np.asarray((weight * flux**2).sum(axis=1) - (fitted**2).sum(axis=1))


def _correlations(
    flux: Array, weight: Array, templates: Array, known: Array, basis: Array
) -> _Sums:
    n_pixels, n_templates, n_terms = flux.shape[1], len(templates), len(basis)
    n_trials = len(known) - n_pixels + 1
    size = next_fast_len(len(known), real=True)
    first, second = np.triu_indices(n_templates)
    p_first, p_second = np.triu_indices(n_terms)
    to_templates = rfft(templates, size)
    to_products = rfft(templates[first] * templates[second], size)
    to_known = rfft(known, size)

    def slide(values: Array, to: Array) -> Array:
        """Sum values[..., i] * to[..., i + s] over i, for all trials s."""
        sums = irfft(np.conj(rfft(values, size)) * to, size)
        return np.asarray(sums[..., :n_trials])

    def slide_known(values: Array) -> Array:
        """Sum over the pixels that templates reach; once, where they reach all."""
        if known.all():
            return np.asarray(values.sum(axis=-1, keepdims=True))
        return slide(values, to_known)

    weighted = weight * flux
    tt = slide(weight[:, None], to_products).swapaxes(1, 2)
    pt = slide((weight[:, None] * basis)[:, :, None], to_templates).transpose(0, 3, 1, 2)
    pp = slide_known(weight[:, None] * (basis[p_first] * basis[p_second])).swapaxes(1, 2)
    return _Sums(
        tt=_symmetric(tt, first, second),
        pt=pt,
        pp=_symmetric(pp, p_first, p_second),
        tf=slide(weighted[:, None], to_templates).swapaxes(1, 2),
        pf=slide_known(weighted[:, None] * basis).swapaxes(1, 2),
        ff=slide_known(weighted * flux),
        n_known=slide_known((weight > 0).astype(np.float64)),
    )


def _symmetric(upper: Array, first: NDArray[np.intp], second: NDArray[np.intp]) -> Array:
    size = int(second.max()) + 1
    full = np.empty((*upper.shape[:-1], size, size))
    full[..., first, second] = upper
    full[..., second, first] = upper
    return full


def _chi_square(sums: _Sums, n_good: NDArray[Any], *, non_negative: bool) -> Array:
    """Eliminate polynomials, then templates; see the module."""
    p_factor, p_scale = _inverse_factor(sums.pp)
    crossed = p_factor @ (p_scale[..., None] * sums.pt)
    p_flux = _times(p_factor, p_scale * sums.pf)
    left = sums.ff - (p_flux**2).sum(axis=-1)
    normal = sums.tt - crossed.swapaxes(-1, -2) @ crossed
    pull = sums.tf - _times(crossed.swapaxes(-1, -2), p_flux)
    diagonal = np.diagonal(sums.tt, axis1=-2, axis2=-1)
    factor, scale = _inverse_factor(normal, diagonal)
    target = _times(factor, scale * pull)
    if non_negative:
        explained = _explained_non_negative(factor, target)
    else:
        explained = (target**2).sum(axis=-1)
    # A good pixel more or less is worth what the average pixel is.
    share = sums.n_known / np.maximum(n_good, 1)[:, None]
    shares = np.broadcast_to(share, np.broadcast_shapes(share.shape, explained.shape))
    chi2 = np.full(shares.shape, np.inf)
    np.divide(left - explained, shares, out=chi2, where=shares >= LEAST_KNOWN)
    return chi2


def _times(matrix: Array, vector: Array) -> Array:
    return (matrix @ vector[..., None])[..., 0]


def _inverse_factor(normal: Array, diagonal: Array | None = None) -> tuple[Array, Array]:
    """Inverse G of the Cholesky factor of D N D + ridge, and D = 1 / sqrt(diagonal).

    `diagonal`, by default that of `normal`, sets the scale. A template that no pixel sees has a
    diagonal of rounding errors: its floor keeps what it seems to explain negligible.
    """
    given = np.diagonal(normal, axis1=-2, axis2=-1) if diagonal is None else diagonal
    floor = FLOOR * given.max(axis=(-1, -2), keepdims=True)
    scale = 1 / np.sqrt(np.maximum(given, np.where(floor > 0, floor, 1.0)))
    scaled = normal * scale[..., :, None] * scale[..., None, :]
    ridge = RIDGE * np.eye(normal.shape[-1])
    return np.linalg.inv(np.linalg.cholesky(scaled + ridge)), scale


def _explained_non_negative(factor: Array, target: Array) -> Array:
    """Largest fall of chi-square with weights of 0 or more (Lawson & Hanson's algorithm).

    Where the free solution has no negative weight it is the answer already.
    """
    explained: Array = (target**2).sum(axis=-1)
    free = _times(factor.swapaxes(-1, -2), target)
    factor = np.broadcast_to(factor, (*target.shape, target.shape[-1]))
    for place in zip(*np.nonzero((free < 0).any(axis=-1)), strict=True):
        upper = np.linalg.inv(factor[place]).T
        _, residual = nnls(upper, target[place], maxiter=100 * len(upper))
        explained[place] -= residual**2
    return explained
