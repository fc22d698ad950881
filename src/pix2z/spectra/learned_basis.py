"""A rest-frame basis learned from spectra at known redshifts.

Galaxies at different redshifts show different rest-frame wavelengths, so a plain PCA has holes in
its data. This one is fitted by alternating least squares (PCA by expectation maximisation, with
weights; Bailey 2012, Tsalmantza & Hogg 2012): coefficients of every galaxy given the basis, then
the basis at every wavelength given the coefficients of the galaxies that show it. No mean is taken
off: the first vector plays its part, since the brightness of a galaxy is free.

Noise of the training spectra stays in the basis and is not in the errors of redshifts read with it:
300 galaxies with a signal-to-noise ratio of 20 made the scatter of redshifts read with their basis
1.8 times the quoted error at that same ratio, 1,000 galaxies 1.2 times.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pix2z.spectra.templates import Templates
from pix2z.wavelengths import WavelengthGrid, wavelength_grid

__all__ = ["learn_basis"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]

ROWS_PER_TEMPLATE = 10
"""Galaxies, per vector of the basis, that must show a wavelength for it to be kept."""

FILLED_ROWS = 500
"""Galaxies whose singular vectors the fit starts from."""

CONVERGED = 1e-4
"""Relative fall of the residual's sum of squares per iteration that ends the fit."""

RIDGE = 1e-6
"""Of normalised normal equations: a galaxy may show few wavelengths."""


def learn_basis(
    wavelength: ArrayLike,
    flux: NDArray[np.floating],
    z: ArrayLike,
    *,
    n_templates: int,
    seed: int,
    ivar: NDArray[np.floating] | None = None,
    max_rows: int = 5000,
    max_iterations: int = 100,
) -> Templates:
    """Learn the rest-frame vectors whose sums come closest to the spectra.

    Parameters
    ----------
    wavelength : (L,) Angstrom in vacuum, as observed, log-spaced.
    flux : (N, L) per Angstrom, any unit: every spectrum is scaled to rms 1. NaN marks a bad pixel.
    z : (N,) known redshifts.
    n_templates : vectors of the basis, T.
    seed : of the start, and of the rows that are taken where there are more than `max_rows`.
    ivar : (N, L) inverse variances; without, all pixels count the same.
    max_rows : what bounds memory, 8 bytes per row and rest-frame wavelength.

    Returns
    -------
    Templates on the pixels of `wavelength`, orthonormal, of falling share in the spectra; for sums
    with weights of any sign.

    Raises
    ------
    ValueError
        Shapes do not fit together, or there are too few usable spectra.
    """
    grid = wavelength_grid(wavelength)
    z = np.asarray(z, np.float64)
    if flux.shape != (len(z), grid.n) or (ivar is not None and ivar.shape != flux.shape):
        raise ValueError(f"flux and ivar must be ({len(z)}, {grid.n}); got {flux.shape}")
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(np.isfinite(z) & (z > -1))
    if len(rows) > max_rows:
        rows = np.sort(rng.choice(rows, max_rows, replace=False))
    if len(rows) < ROWS_PER_TEMPLATE * n_templates or n_templates < 1:
        raise ValueError(
            f"expected {ROWS_PER_TEMPLATE} spectra or more for each of {n_templates} templates; "
            f"got {len(rows)}"
        )
    start, values, weight = _rest_frame(grid, flux, ivar, z, rows)
    seen = (weight > 0).sum(axis=0) >= ROWS_PER_TEMPLATE * n_templates
    if not seen.any():
        raise ValueError("no rest-frame wavelength is shown by enough spectra")
    kept = _longest_run(seen)
    start += grid.step * kept.start
    basis = _fit(values[:, kept], weight[:, kept], n_templates, max_iterations, rng)
    ln_wavelength = start + grid.step * np.arange(basis.shape[1])
    return Templates(np.exp(ln_wavelength), basis, non_negative=False)


def _longest_run(seen: NDArray[np.bool_]) -> slice:
    """Longest range in which all is true."""
    edges = np.flatnonzero(np.diff(seen.astype(np.int8), prepend=0, append=0))
    starts, stops = edges[::2], edges[1::2]
    longest = int(np.argmax(stops - starts))
    return slice(int(starts[longest]), int(stops[longest]))


def _rest_frame(
    grid: WavelengthGrid,
    flux: NDArray[np.floating],
    ivar: NDArray[np.floating] | None,
    z: Array,
    rows: NDArray[np.int64],
) -> tuple[float, Single, Single]:
    """Move spectra to the rest frame: ln of the first wavelength, values and weights (n, M).

    Between pixels values follow the cubic through the four nearest; those that are bad have weight
    0, and so has what lies beyond the spectrum.
    """
    shift = np.log1p(z[rows]) / grid.step
    offset = shift.max() - shift  # pixels from the start of the rest-frame grid
    n = grid.n + int(np.ceil(offset.max())) + 1
    values = np.zeros((len(rows), n), np.float32)
    weight = np.zeros((len(rows), n), np.float32)
    for index, row in enumerate(rows):
        known = np.ones(grid.n) if ivar is None else np.asarray(ivar[row], np.float64)
        one = np.asarray(flux[row], np.float64)
        good = np.isfinite(one) & np.isfinite(known) & (known > 0)
        one, known = np.where(good, one, 0.0), np.where(good, known, 0.0)
        total = known.sum()
        rms = np.sqrt((known * one**2).sum() / total) if total > 0 else 0.0
        if rms == 0:
            continue
        whole = int(np.ceil(offset[index]))
        part = whole - offset[index]  # pixel j of the rest frame is at j - whole + part
        scaled_weight = known if ivar is None else known * rms**2
        moved, worth = _between(one / rms, scaled_weight, part)
        values[index, whole : whole + len(moved)] = moved
        weight[index, whole : whole + len(moved)] = worth
    mean = weight[weight > 0].mean(dtype=np.float64) if (weight > 0).any() else 1.0
    weight /= np.float32(mean)
    return float(np.log(grid.low)) - float(shift.max()) * grid.step, values, weight


def _between(values: Array, weight: Array, part: float) -> tuple[Array, Array]:
    """Values (L,) at pixel + part (Lagrange's cubic), and the least weight of the four it uses."""
    if part == 0:
        return values, weight
    t = part
    factors = (
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    )
    padded, worth = np.pad(values, (1, 2)), np.pad(weight, (1, 2))
    n = len(values)
    moved = np.sum([f * padded[k : k + n] for k, f in enumerate(factors)], axis=0)
    least = np.minimum.reduce([worth[k : k + n] for k in range(4)])
    return moved, least


def _fit(
    values: Single, weight: Single, n_templates: int, max_iterations: int, rng: np.random.Generator
) -> Array:
    """Alternate between weights of galaxies and the basis (T, M) until the residual stays."""
    weighted = values * weight
    total = float(np.einsum("nm,nm->", weighted, values, dtype=np.float64))
    basis = _filled_basis(values, weight, n_templates, rng)
    before = np.inf
    for _ in range(max_iterations):
        coefficients, residual = _least_squares(weight, weighted, basis, total)
        basis = _orthonormal(_least_squares(weight.T, weighted.T, coefficients.T, total)[0].T)
        if before - residual < CONVERGED * residual:
            break
        before = residual
    coefficients, _ = _least_squares(weight, weighted, basis, total)
    _, _, rotation = np.linalg.svd(coefficients, full_matrices=False)
    return rotation @ basis


def _filled_basis(
    values: Single, weight: Single, n_templates: int, rng: np.random.Generator
) -> Array:
    """Singular vectors of some rows, with the mean spectrum where a row shows nothing.

    From a random start, vectors can end up in what few galaxies show.
    """
    rows = rng.permutation(len(values))[: max(FILLED_ROWS, 3 * n_templates)]
    some, seen = values[np.sort(rows)].astype(np.float64), weight[np.sort(rows)] > 0
    mean = (some * seen).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    filled = np.where(seen, some, mean)
    # By the few rows' products, since pixels are many: ten times faster than their own SVD.
    _, mixtures = np.linalg.eigh(filled @ filled.T)
    return _orthonormal(mixtures[:, : -n_templates - 1 : -1].T @ filled)


def _least_squares(
    weight: Single, weighted: Single, basis: Array, total: float
) -> tuple[Array, float]:
    """Fit every row as a sum of the basis (T, M): coefficients (n, T), weighted sum of squares."""
    single = basis.astype(np.float32)
    first, second = np.triu_indices(len(basis))
    products = (weight @ (single[first] * single[second]).T).astype(np.float64)
    normal = np.empty((len(weight), len(basis), len(basis)))
    normal[:, first, second] = products
    normal[:, second, first] = products
    pull = (weighted @ single.T).astype(np.float64)
    trace = np.trace(normal, axis1=1, axis2=2) / len(basis)
    damped = normal + RIDGE * np.where(trace > 0, trace, 1.0)[:, None, None] * np.eye(len(basis))
    coefficients = np.asarray(np.linalg.solve(damped, pull[..., None])[..., 0], np.float64)
    explained = 2 * (coefficients * pull).sum() - np.einsum(
        "ni,nij,nj->", coefficients, normal, coefficients, optimize=True
    )
    return coefficients, total - float(explained)


def _orthonormal(basis: Array) -> Array:
    """Orthonormal vectors that span the same space."""
    q, _ = np.linalg.qr(basis.T)
    return q.T
