"""What short forms of PDFs lose: bytes per galaxy against CRPS and the largest error of the CDF.

On the PDFs that a finished run has of its test galaxies. Every form is stored in the same way, as
float32 in Parquet, byte by byte and with zstd; what is compared are the CDFs that its reader has.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import qp
from numpy.typing import NDArray
from scipy.special import ndtr

from pix2z.catalogue.compact_pdfs import LEVELS, QuantilePdfs, as_quantiles
from pix2z.evaluation.figures.style import figure_file
from pix2z.evaluation.pdf_metrics import crps_values
from pix2z.redshift_pdf.density import cdf_edges, quantiles
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.qp_files import read_prediction_chunks

PREDICTIONS = Path("predictions/full/pool.hdf5")
FIGURE = Path("docs/figures/pdf_forms.png")
FINER = 8
"""Points per bin of the PDFs at which CDFs are compared."""
OURS = "compact"

Array = NDArray[np.float64]
Form = tuple[Array, Callable[[Array], Array]]
"""Numbers (N, M) that are stored, and what gives the CDFs (N, P) at redshifts (P,)."""


def bench_pdfs() -> dict[str, Any]:
    """Bring the test galaxies' PDFs of `full` into every form and compare with what they were."""
    chunks = list(read_prediction_chunks(PREDICTIONS))
    grid, z_spec = chunks[0].grid, np.concatenate([chunk.z_spec for chunk in chunks])
    density = np.concatenate([chunk.density for chunk in chunks]).astype(np.float64)
    fine = RedshiftGrid(grid.z_min, grid.z_max, FINER * grid.n_bins)
    whole = interpolated(cdf_edges(density, grid), grid)(fine.edges)
    exact = crps_values(density, grid, z_spec).mean()
    found = {}
    for name, (numbers, cdf) in forms(density, grid).items():
        short = np.asarray(cdf(fine.edges))
        errors = np.abs(short - whole).max(axis=1)
        crps = crps_values(np.diff(short) / fine.width, fine, z_spec).mean()
        found[name] = {
            "numbers": numbers.shape[1],
            "bytes": stored_bytes(numbers),
            "crps_change_percent": 100 * (crps / exact - 1),
            "largest_cdf_error": errors.max(),
            "cdf_error_of_99_percent": np.quantile(errors, 0.99),
            "galaxies_above_0.02": int((errors > 0.02).sum()),
        }
    plot(found)
    return {"galaxies": len(z_spec), "bins": grid.n_bins, "crps": exact, "forms": found}


def stored_bytes(numbers: Array) -> float:
    """Bytes per galaxy that float32 take in Parquet."""
    file, (n, length) = io.BytesIO(), numbers.shape
    starts = pa.array(np.arange(n + 1) * length, pa.int32())
    lists = pa.ListArray.from_arrays(starts, pa.array(numbers.astype(np.float32).ravel()))
    table = pa.table({"numbers": lists})
    split = {"numbers.list.element": "BYTE_STREAM_SPLIT"}
    options = {"use_dictionary": False, "column_encoding": split}
    pq.write_table(table, file, compression="zstd", compression_level=9, **options)
    column = pq.ParquetFile(file).metadata.row_group(0).column(0)
    return column.total_compressed_size / len(numbers)


def forms(density: Array, grid: RedshiftGrid) -> dict[str, Form]:
    """Family and size -> form."""
    at_edges = interpolated(cdf_edges(density, grid), grid)
    found: dict[str, Form] = {}
    for n in (grid.n_bins, 90, 45, 20):
        coarse = RedshiftGrid(grid.z_min, grid.z_max, n)
        edges = at_edges(coarse.edges)
        found[f"hist, {n} bins"] = np.diff(edges) / coarse.width, interpolated(edges, coarse)
    for n in (grid.n_bins, 90, 45, 20):
        found[f"interp, {n} points"] = of_points(density, grid, n)
    for n in (99, 20, 5):
        levels = np.linspace(0.005, 0.995, n)
        pdfs = QuantilePdfs(np.arange(len(density)), quantiles(density, grid, levels), levels, grid)
        found[f"quantiles at equal levels, {n}"] = pdfs.z, pdfs.cdf
    for n in (1, 2, 3, 5):
        found[f"mixture, {n} normal"] = mixture(density, grid, n)
    ours = as_quantiles(density, grid)["locs"].astype(np.float64)
    pdfs = QuantilePdfs(np.arange(len(density)), ours, LEVELS, grid)
    by_qp = qp.Ensemble(qp.quant, data={"quants": LEVELS, "locs": ours})
    found[f"{OURS}, {len(LEVELS)} quantiles"] = ours, pdfs.cdf
    found[f"{OURS}, read by qp's quant"] = ours, by_qp.cdf
    return found


def interpolated(at_edges: Array, grid: RedshiftGrid) -> Callable[[Array], Array]:
    """CDFs that are linear between the edges of a grid, where they are `at_edges`."""
    return lambda z: np.stack([np.interp(z, grid.edges, row) for row in at_edges])


def of_points(density: Array, grid: RedshiftGrid, n: int) -> Form:
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

    return values, at


def mixture(density: Array, grid: RedshiftGrid, n: int, *, steps: int = 100) -> Form:
    """Fit n normal distributions to each PDF, by expectation and maximisation."""
    shares = (density / density.sum(axis=1, keepdims=True))[:, None]
    mean = quantiles(density, grid, (np.arange(n) + 0.5) / n)
    low, high = quantiles(density, grid, [0.16, 0.84]).T
    sigma = np.repeat((high - low)[:, None] / 2 / n, n, axis=1)
    weight = np.full_like(mean, 1 / n)
    for _ in range(steps):
        scaled = (grid.centres - mean[..., None]) / sigma[..., None]
        parts = (weight / sigma)[..., None] * np.exp(-(scaled**2) / 2)
        share = shares * parts / np.maximum(parts.sum(axis=1, keepdims=True), 1e-300)
        weight = np.maximum(share.sum(axis=2), 1e-12)
        mean = share @ grid.centres / weight
        spread = (share * (grid.centres - mean[..., None]) ** 2).sum(axis=2)
        sigma = np.sqrt(spread / weight + grid.width**2 / 12)
    weight = weight / weight.sum(axis=1, keepdims=True)

    def at(z: Array) -> Array:
        found = np.zeros((len(density), len(z)))
        for of_one in zip(weight.T, mean.T, sigma.T, strict=True):
            share, centre, width = (values[:, None] for values in of_one)
            found += share * ndtr((z - centre) / width)
        return found

    return np.concatenate([weight[:, 1:], mean, sigma], axis=1), at


def plot(found: dict[str, dict[str, float]]) -> None:
    """Draw both errors against bytes, a line per family."""
    families: dict[str, list[dict[str, float]]] = {}
    for name, form in found.items():
        families.setdefault(name.split(", ")[0], []).append(form)
    families[OURS] = families[OURS][:1]
    with figure_file(FIGURE, width=9.0, height=3.6) as figure:
        left, right = figure.subplots(1, 2)
        for axes, key, label in (
            (left, "crps_change_percent", "change of CRPS, % (size)"),
            (right, "largest_cdf_error", "largest error of the CDF"),
        ):
            for name, members in families.items():
                shown = [form for form in members if abs(form[key]) > 1e-9]  # else it is the whole
                marker = "*" if name == OURS else "o"
                axes.plot(
                    [form["bytes"] for form in shown],
                    [abs(form[key]) for form in shown],
                    marker=marker,
                    markersize=14 if name == OURS else 5,
                    label=name,
                )
            axes.set(xscale="log", yscale="log", xlabel="bytes per galaxy", ylabel=label)
        left.axhline(1, color="0.5", linestyle=":")
        right.axhline(0.02, color="0.5", linestyle=":")
        right.legend(fontsize=8)
