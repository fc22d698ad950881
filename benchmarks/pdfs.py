"""What short forms of PDFs lose: bytes per galaxy against CRPS and the largest error of the CDF."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from pix2z.catalogue.compact_pdfs import LEVELS, QuantilePdfs, as_codes
from pix2z.evaluation.figures.style import BLUE, VERMILLION, figure_file
from pix2z.evaluation.pdf_metrics import crps_values
from pix2z.redshift_pdf.density import cdf_edges, normalise, quantiles
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.qp_files import read_prediction_chunks

PREDICTIONS = Path("predictions/full/pool.hdf5")
FIGURE = Path("docs/figures/pdf_forms.png")
FINER = 8
"""Points per bin of the PDFs at which CDFs are compared."""

Array = NDArray[np.float64]
Cdf = Callable[[Array], Array]
"""Redshifts (M,) -> CDFs (N, M)."""


def bench_pdfs() -> dict[str, Any]:
    """Write the test galaxies' PDFs of `full` in every form and compare with what was written."""
    chunks = list(read_prediction_chunks(PREDICTIONS))
    grid = chunks[0].grid
    density = np.concatenate([chunk.density for chunk in chunks]).astype(np.float64)
    z_spec = np.concatenate([chunk.z_spec for chunk in chunks])
    fine = RedshiftGrid(grid.z_min, grid.z_max, FINER * grid.n_bins)
    whole = interpolated(cdf_edges(density, grid), grid)(fine.edges)
    exact = crps_values(density, grid, z_spec).mean()
    found = {}
    for name, (n_bytes, cdf) in forms(density, grid).items():
        errors = np.abs(cdf(fine.edges) - whole).max(axis=1)
        crps = crps_values(np.diff(cdf(fine.edges)) / fine.width, fine, z_spec).mean()
        found[name] = {
            "bytes": n_bytes,
            "crps_change_percent": 100 * (crps / exact - 1),
            "largest_cdf_error": errors.max(),
            "cdf_error_of_99_percent": np.quantile(errors, 0.99),
        }
    results = {"galaxies": len(z_spec), "bins": grid.n_bins, "crps": exact, "forms": found}
    plot(found)
    return results


def forms(density: Array, grid: RedshiftGrid) -> dict[str, tuple[int, Cdf]]:
    """Form -> bytes per galaxy, and the CDFs that its reader has; numbers are float32 but ours."""
    n_bins = grid.n_bins
    found: dict[str, tuple[int, Cdf]] = {
        f"hist, {n_bins} bins": (4 * n_bins, interpolated(cdf_edges(density, grid), grid))
    }
    for n in (90, 45, 20):
        coarse = RedshiftGrid(grid.z_min, grid.z_max, n)
        at_edges = interpolated(cdf_edges(density, grid), grid)(coarse.edges)
        found[f"hist, {n} bins"] = (4 * n, interpolated(at_edges, coarse))
    for n in (n_bins, 90, 45, 20):
        found[f"interp, {n} points"] = (4 * n, of_points(density, grid, n))
    for n in (99, 20, 5):
        levels = np.linspace(0, 1, n + 2)[1:-1]
        z = quantiles(density, grid, levels).astype(np.float32)
        found[f"quantiles, {n}"] = (4 * n, of_quantiles(z, levels, grid))
    codes = as_codes(density, grid)
    ours = QuantilePdfs(np.arange(len(codes)), codes, LEVELS, grid)
    found["ours: 16 quantiles in uint16"] = (codes[0].nbytes, ours.cdf)
    found["ours, read by qp.quant"] = (codes[0].nbytes, read_by_qp(ours))
    for n in (1, 2, 3, 5):
        found[f"mixture, {n} normal" + "s" * (n > 1)] = (4 * (3 * n - 1), mixture(density, grid, n))
    return found


def interpolated(at_edges: Array, grid: RedshiftGrid) -> Cdf:
    """CDFs that are linear between the edges of a grid, where they are `at_edges`."""
    return lambda z: np.stack([np.interp(z, grid.edges, row) for row in at_edges])


def of_points(density: Array, grid: RedshiftGrid, n: int) -> Cdf:
    """PDFs at n points from end to end, linear between them, as qp's `interp`."""
    points = np.linspace(grid.z_min, grid.z_max, n)
    values = np.stack([np.interp(points, grid.centres, row) for row in density])
    steps = np.diff(points) * (values[:, 1:] + values[:, :-1]) / 2
    cdf = np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))
    values, cdf = values / cdf[:, -1:], cdf / cdf[:, -1:]

    def at(z: Array) -> Array:
        place = np.clip(np.searchsorted(points, z, side="right") - 1, 0, n - 2)
        along = z - points[place]
        slope = np.diff(values)[:, place] / np.diff(points)[place]
        return cdf[:, place] + along * values[:, place] + along**2 * slope / 2

    return at


def of_quantiles(z: Array, levels: Array, grid: RedshiftGrid) -> Cdf:
    """CDFs that are linear between quantiles, and from and to the ends of the grid."""
    known = np.concatenate([[0.0], levels, [1.0]])
    ends = [[grid.z_min], [grid.z_max]]
    return lambda at: np.stack(
        [np.interp(at, np.concatenate([ends[0], row, ends[1]]), known) for row in z]
    )


def read_by_qp(pdfs: QuantilePdfs) -> Cdf:
    """Read quantiles by qp, which joins them by a quadratic spline."""
    import qp

    ensemble = qp.Ensemble(qp.quant, data={"quants": pdfs.levels, "locs": pdfs.z})
    return ensemble.cdf


def mixture(density: Array, grid: RedshiftGrid, n: int, *, steps: int = 200) -> Cdf:
    """CDFs of n normal distributions each, fitted to the PDFs by expectation and maximisation."""
    shares = normalise(density, grid) * grid.width
    starts = quantiles(density, grid, (np.arange(n) + 0.5) / n)
    limits = quantiles(density, grid, [0.16, 0.84])
    mean, weight = starts, np.full_like(starts, 1 / n)
    sigma = np.repeat(np.diff(limits) / 2 / n, n, axis=1)
    for _ in range(steps):
        parts = weight[..., None] * norm.pdf(grid.centres, mean[..., None], sigma[..., None])
        share = shares[:, None] * parts / np.maximum(parts.sum(axis=1, keepdims=True), 1e-300)
        weight = share.sum(axis=2)
        mean = (share @ grid.centres) / np.maximum(weight, 1e-12)
        spread = (share * (grid.centres - mean[..., None]) ** 2).sum(axis=2)
        sigma = np.sqrt(spread / np.maximum(weight, 1e-12) + grid.width**2 / 12)
    return lambda z: sum(
        w[:, None] * norm.cdf(z, m[:, None], s[:, None])
        for w, m, s in zip(weight.T, mean.T, sigma.T, strict=True)
    )


def plot(found: dict[str, dict[str, float]]) -> None:
    """Draw both errors against bytes, a line per family."""
    families: dict[str, list[dict[str, float]]] = {}
    for name, form in found.items():
        families.setdefault(name.split(",")[0].split(":")[0], []).append(form)
    with figure_file(FIGURE, width=9.0, height=3.6) as figure:
        axes = figure.subplots(1, 2)
        for axis, key, label in (
            (axes[0], "crps_change_percent", "change of CRPS, %"),
            (axes[1], "largest_cdf_error", "largest error of the CDF"),
        ):
            for name, members in families.items():
                n_bytes = [form["bytes"] for form in members]
                axis.plot(n_bytes, [abs(form[key]) for form in members], "o-", label=name)
            axis.set(xscale="log", yscale="log", xlabel="bytes per galaxy", ylabel=label)
        axes[0].legend(fontsize=8)
