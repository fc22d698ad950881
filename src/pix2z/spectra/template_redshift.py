"""Redshifts of spectra: the minimum of chi-square against templates over a range of redshifts.

Per spectrum: chi-square at every `coarse` pixels of shift over the whole range (`chi_square_scan`),
the lowest minima refined on shifts of a fraction of a pixel (`chi_square_at`), and a parabola
through the last three. The error is where the parabola has risen by 1, or by the reduced chi-square
where that is larger: templates never fit a bright galaxy to within its noise.

The polynomial is *added* to the templates, as SDSS's own pipeline does (Bolton et al. 2012): it
takes up flux calibration, extinction and what no template has of the continuum, so that the
redshift rests on lines and breaks. A polynomial that multiplies would need T columns per degree,
and no weight of a column could then be held to be non-negative.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pix2z.redshift_pdf.flags import FitFlag
from pix2z.spectra.chi_square import (
    chi_square_alone,
    chi_square_at,
    chi_square_scan,
    polynomials,
)
from pix2z.spectra.templates import PHASES, Lattice, Search, Templates, template_lattice
from pix2z.wavelengths import WavelengthGrid, binned, wavelength_grid

__all__ = ["SpectrumRedshifts", "fit_redshifts", "join_redshifts"]

Array = NDArray[np.float64]

MEASURED = Search()
"""How spectra that were measured are searched."""

SEPARATION = 0.005
"""In ln(1 + z), 1,500 km/s: minima closer than this are one redshift."""

N_MINIMA = 3
"""Minima of the scan that are looked at."""

REFINED_BELOW = 0.5
"""Minima of the scan are refined where chi-square is down from its median to the lowest minimum by
this share or more; others cannot become the lowest between two steps of the scan."""

AMBIGUOUS_BELOW = 9.0
"""Rise of chi-square to the second minimum, in units of the reduced chi-square: 3 sigma."""

SCAN_BYTES = 100_000_000
"""About what a block of spectra may need at once."""

AT_BYTES = 4_000_000
"""The same of places that are looked at together: what a processor's cache holds."""


@dataclass(frozen=True, eq=False)
class SpectrumRedshifts:
    """Redshifts of N spectra; every array is (N,).

    z, z_err : redshift, from the first to the last that was tried, and its 1 sigma error; NaN where
    there is none.
    chi2 : at the best redshift; chi2_alone : of the polynomial alone, without templates.
    n_dof : good pixels less fitted numbers.
    z_second, delta_chi2 : the best redshift more than 1,500 km/s away, and how much its chi-square
    is larger; NaN and infinity where there is no other minimum.
    flags : sums of `flags.FitFlag`.
    """

    z: Array
    z_err: Array
    chi2: Array
    chi2_alone: Array
    n_dof: NDArray[np.int64]
    z_second: Array
    delta_chi2: Array
    flags: NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of spectra."""
        return len(self.z)


def fit_redshifts(
    wavelength: ArrayLike,
    flux: ArrayLike,
    ivar: ArrayLike | None,
    templates: Templates,
    search: Search = MEASURED,
    *,
    coarse: int = 1,
) -> SpectrumRedshifts:
    """Fit the redshifts of spectra on common, log-spaced wavelengths.

    Parameters
    ----------
    wavelength : (L,) Angstrom in vacuum, as observed.
    flux : (N, L) per Angstrom, any unit. NaN marks a bad pixel.
    ivar : (N, L) inverse variance of the flux; 0 or NaN marks a bad pixel. None gives every pixel
        the same, unknown error, and errors of redshifts from the scatter about the fit; where
        pixels are correlated these are too small.
    templates : rest-frame spectra.
    search : the redshifts that are tried, and what is fitted.
    coarse : pixels that are averaged for the scan of the whole range, and its step. 1 misses
        nothing. 4 to 8 are enough for smooth spectra, and faster by as much; narrow lines lose
        contrast.

    Raises
    ------
    ValueError
        Shapes do not fit together, wavelengths are not log-spaced, or too few for `coarse`.
    """
    if search.n_pixels is not None:
        wavelength, flux, ivar = _means(wavelength, flux, ivar, search.n_pixels)
    grid = wavelength_grid(wavelength)
    flux, weight = _checked(flux, ivar, grid)
    if not 1 <= coarse <= grid.n / 16:
        raise ValueError(f"expected coarse from 1 to a 16th of {grid.n} pixels; got {coarse}")
    fit = _Fit(
        search=search,
        lattice=template_lattice(templates, grid, search, margin=PHASES * coarse),
        basis=polynomials(grid.n, search.degree),
        non_negative=templates.non_negative,
        coarse=coarse,
        errors_known=ivar is not None,
    )
    blocks = [_fit_block(flux[rows], weight[rows], fit) for rows in _blocks(len(flux), fit)]
    return join_redshifts(blocks)


def _means(
    wavelength: ArrayLike, flux: ArrayLike, ivar: ArrayLike | None, n: int
) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
    """Means over neighbouring wavelengths, and their inverse variances: see `Search`."""
    if ivar is not None:
        with np.errstate(divide="ignore"):  # no weight is an infinite error
            ivar = binned(1 / np.sqrt(np.asarray(ivar, np.float64)), n) ** -2
    centres = np.exp(binned(np.log(wavelength)[None], n)[0])
    return centres, binned(np.asarray(flux), n), ivar


def join_redshifts(blocks: Sequence[SpectrumRedshifts]) -> SpectrumRedshifts:
    """Put blocks of spectra one after the other."""
    names = [field.name for field in fields(SpectrumRedshifts)]
    return SpectrumRedshifts(
        **{name: np.concatenate([getattr(block, name) for block in blocks]) for name in names}
    )


@dataclass(frozen=True, eq=False)
class _Fit:
    """What is the same for all spectra. `basis` : (P, L) polynomials."""

    search: Search
    lattice: Lattice
    basis: Array
    non_negative: bool
    coarse: int
    errors_known: bool

    @property
    def n_fitted(self) -> int:
        n_templates = int(self.lattice.flux.shape[1])
        return n_templates + len(self.basis) + 1


class _Minimum(NamedTuple):
    """A minimum in places of the lattice, and its 1 sigma error."""

    place: float = np.nan
    chi2: float = np.nan
    sigma: float = np.nan


T = TypeVar("T")
Asking = Generator[list[int], Any, T]
"""A search in one spectrum: it asks for chi-square at places, and returns what it has found."""


def _checked(flux: ArrayLike, ivar: ArrayLike | None, grid: WavelengthGrid) -> tuple[Array, Array]:
    """Flux and weights (N, L), both 0 at bad pixels."""
    values = np.array(flux, np.float64)
    if values.ndim != 2 or values.shape[1] != grid.n:
        raise ValueError(f"flux must be (N, {grid.n}); got shape {values.shape}")
    weight = np.ones(values.shape) if ivar is None else np.array(ivar, np.float64)
    if weight.shape != values.shape:
        raise ValueError(f"ivar must be {values.shape}; got shape {weight.shape}")
    good = np.isfinite(weight) & (weight > 0) & np.isfinite(values)
    return np.where(good, values, 0.0), np.where(good, weight, 0.0)


def _blocks(n: int, fit: _Fit) -> list[slice]:
    """Rows that are scanned at once."""
    columns = (fit.lattice.flux.shape[1] + len(fit.basis)) ** 2
    one = 8 * columns * 2 * fit.lattice.flux.shape[2] // fit.coarse
    size = max(1, SCAN_BYTES // one)
    return [slice(first, min(first + size, n)) for first in range(0, max(n, 1), size)]


def _fit_block(flux: Array, weight: Array, fit: _Fit) -> SpectrumRedshifts:
    scan, n_good = _scan(flux, weight, fit), (weight > 0).sum(axis=1)
    searches = [_minima(*row, fit) for row in zip(scan, n_good - fit.n_fitted, strict=True)]
    return _collect(_side_by_side(searches, flux, weight, fit), flux, weight, n_good, fit)


def _side_by_side(
    searches: Sequence[Asking[list[_Minimum]]], flux: Array, weight: Array, fit: _Fit
) -> list[list[_Minimum]]:
    """Run the search of every spectrum; what all of them ask for is worked out together.

    Called for one spectrum at a time, numpy takes six times as long.
    """
    found: list[list[_Minimum]] = [[] for _ in searches]
    answers: dict[int, Array | None] = dict.fromkeys(range(len(searches)))
    while answers:
        asked: dict[int, list[int]] = {}
        for row, answer in answers.items():
            try:
                asked[row] = searches[row].send(answer)
            except StopIteration as end:
                found[row] = end.value
        answers = {}
        for number in {len(places) for places in asked.values()}:
            alike = {row: places for row, places in asked.items() if len(places) == number}
            answers |= _at(alike, flux, weight, fit)
    return found


def _scan(flux: Array, weight: Array, fit: _Fit) -> Array:
    """Chi-square (n, S) at every `coarse` pixels of shift, data averaged over as many."""
    coarse, lattice = fit.coarse, fit.lattice
    n_trials = -(-(lattice.n_places - 1) // (PHASES * coarse)) - 1
    n_bins = flux.shape[1] // coarse
    weights = _binned(weight, n_bins, coarse).sum(axis=2)
    sums = _binned(weight * flux, n_bins, coarse).sum(axis=2)
    # Templates begin one step in, after the margin.
    n_wide = n_bins + n_trials - 1
    known = _binned(lattice.known[:1, coarse:], n_wide, coarse).min(axis=2)[0]
    return chi_square_scan(
        np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0),
        weights,
        templates=_binned(lattice.flux[0, :, coarse:], n_wide, coarse).mean(axis=2) * known,
        known=known,
        degree=len(fit.basis) - 1,
        non_negative=fit.non_negative,
    )


def _binned(values: Array, n_bins: int, width: int) -> Array:
    """Cut rows (n, L) into (n, n_bins, width)."""
    return values[:, : n_bins * width].reshape(len(values), n_bins, width)


def _minima(scan: Array, n_dof: int, fit: _Fit) -> Asking[list[_Minimum]]:
    """Best minima, more than `SEPARATION` apart, the best first; asks for chi-square at places."""
    if n_dof <= 0 or not np.isfinite(scan).any():
        return []
    step = PHASES * fit.coarse
    ends = np.concatenate([[np.inf], scan, [np.inf]])
    lowest = np.flatnonzero((scan <= ends[:-2]) & (scan < ends[2:]) & np.isfinite(scan))
    lowest = lowest[np.argsort(scan[lowest])]
    kept: list[int] = []
    for place in lowest:
        apart = [abs(place - one) * step * fit.lattice.step > SEPARATION for one in kept]
        if all(apart) and len(kept) < N_MINIMA:
            kept.append(int(place))
    first = yield from _refined(step + step * kept[0], n_dof, fit)
    rise = scan[kept] - scan[kept[0]]
    worth = rise < REFINED_BELOW * (np.median(scan[np.isfinite(scan)]) - scan[kept[0]])
    minima = [first]
    for other, above, refine in zip(kept[1:], rise[1:], worth[1:], strict=True):
        start = step + step * other
        if refine:
            minima.append((yield from _refined(start, n_dof, fit)))
        else:
            minima.append(_Minimum(start, first.chi2 + above, np.nan))
    return sorted(minima, key=lambda minimum: minimum.chi2)


def _refined(place: int, n_dof: int, fit: _Fit) -> Asking[_Minimum]:
    """Go down from a place of the scan, by parabolas whose width shrinks to one sigma."""
    known: dict[int, float] = {}
    end = fit.lattice.n_places - 1
    reach = max(PHASES * fit.coarse // 2, 1)
    for _ in range(40):
        place = min(max(place, reach), end - reach)
        three = [place - reach, place, place + reach]
        missing = [q for q in three if q not in known]
        if missing:
            known.update(zip(missing, (yield missing), strict=True))
        left, middle, right = (known[q] for q in three)
        if middle > min(left, right) and reach < place < end - reach:
            place = three[0] if left < right else three[2]
            continue
        curvature = (left + right - 2 * middle) / (2 * reach**2)
        if not (np.isfinite(curvature) and curvature > 0):
            return _Minimum(float(place), middle, np.nan)
        shift = float(np.clip((left - right) / (4 * reach * curvature), -reach, reach))
        sigma = float(np.sqrt(_scale(middle, n_dof, fit) / curvature))
        if reach == 1 or reach <= sigma:
            return _Minimum(place + shift, middle - curvature * shift**2, sigma)
        place, reach = round(place + shift), max(1, min(reach // 2, round(sigma)))
    return _Minimum(float(place), middle, np.nan)


def _at(asked: Mapping[int, list[int]], flux: Array, weight: Array, fit: _Fit) -> dict[int, Array]:
    """Chi-square at places of the lattice: row of a spectrum -> as many places for each."""
    rows, n = list(asked), flux.shape[1]
    one = 8 * len(asked[rows[0]]) * fit.n_fitted * n
    answers: dict[int, Array] = {}
    for first in range(0, len(rows), size := max(1, AT_BYTES // one)):
        block = rows[first : first + size]
        seen = [[fit.lattice.at(place, n) for place in asked[row]] for row in block]
        chi2 = chi_square_at(
            flux[block],
            weight[block],
            templates=np.array([[templates for templates, _ in of_row] for of_row in seen]),
            known=np.array([[known for _, known in of_row] for of_row in seen]),
            basis=fit.basis,
            non_negative=fit.non_negative,
        )
        answers |= dict(zip(block, chi2, strict=True))
    return answers


def _collect(
    minima: list[list[_Minimum]], flux: Array, weight: Array, n_good: NDArray[np.int64], fit: _Fit
) -> SpectrumRedshifts:
    best = [of_one[0] if of_one else _Minimum() for of_one in minima]
    second = [of_one[1] if len(of_one) > 1 else _Minimum() for of_one in minima]
    place, chi2, sigma = np.reshape(best, (-1, 3)).T
    second_place, second_chi2, _ = np.reshape(second, (-1, 3)).T
    z, z_second = _redshift(place, fit), _redshift(second_place, fit)
    delta = second_chi2 - chi2
    delta = np.where(np.isfinite(delta), delta, np.inf)
    n_dof = np.maximum(n_good - fit.n_fitted, 0)
    scale = _scale(chi2, n_dof, fit)
    first = PHASES * fit.coarse
    at_end = (place <= first) | (place >= fit.lattice.n_places - 1 - first)
    at_end |= z >= fit.search.z_max  # the lattice's own end lies up to a step beyond
    z_err = np.where(at_end, np.nan, (1 + z) * sigma * fit.lattice.step)
    flags = np.zeros(len(z), np.int32)
    flags |= np.where(np.isnan(z), FitFlag.NO_DATA, 0)
    flags |= np.where(n_good < 0.5 * flux.shape[1], FitFlag.FEW_PIXELS, 0)
    flat = np.isfinite(z) & np.isnan(z_err) & ~at_end  # no curvature: nothing tells redshifts apart
    flags |= np.where((delta <= AMBIGUOUS_BELOW * scale) | flat, FitFlag.AMBIGUOUS, 0)
    flags |= np.where(at_end, FitFlag.AT_END, 0)
    flags |= np.where((n_good > 0) & ((weight * flux).sum(axis=1) <= 0), FitFlag.NEGATIVE_FLUX, 0)
    alone = chi_square_alone(flux, weight, fit.basis)
    return SpectrumRedshifts(z, z_err, chi2, alone, n_dof, z_second, delta, flags)


def _scale(chi2: Any, n_dof: Any, fit: _Fit) -> Any:
    """Rise of chi-square that is 1 sigma: 1, or the reduced chi-square where that is larger."""
    scatter = chi2 / np.maximum(n_dof, 1)
    return np.maximum(scatter, 1.0) if fit.errors_known else scatter


def _redshift(place: Array, fit: _Fit) -> Array:
    """Redshifts of places; those of the margins beyond the range are its ends."""
    z: Array = np.expm1(fit.lattice.ln_first - place * fit.lattice.step)
    return np.clip(z, fit.search.z_min, fit.search.z_max)
