"""What is held of an arm's predictions: columns and terms of metrics, about 100 bytes per galaxy.

PDFs (720 bytes each and more) are read in chunks and left behind: every metric of a sample, and of
each of its resamples, follows from a few numbers per galaxy.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.pdf_metrics import pdf_terms
from pix2z.redshift_pdf.density import quantiles
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import Predictions, columns_of

__all__ = [
    "ArmGalaxies",
    "GalaxyTerms",
    "galaxy_terms",
    "select_terms",
    "subset_masks",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class GalaxyTerms:
    """Columns of N galaxies, as in `Predictions`, and what each adds to the metrics of one arm.

    Attributes
    ----------
    grid : of the PDFs that the terms come from.
    err68_low, err68_high : (N,) limits of the central 68 % of each PDF.
    crps, cde, pit : (N,) terms of the PDF metrics, see `pdf_metrics`.
    """

    grid: RedshiftGrid
    row: NDArray[np.int64]
    object_id: NDArray[np.int64]
    group_id: NDArray[np.int64]
    z_spec: Array
    z_phot: Array
    mag_r: NDArray[np.float32]
    ebv: NDArray[np.float32]
    err68_low: Array
    err68_high: Array
    crps: Array
    cde: Array
    pit: Array

    def __len__(self) -> int:
        """Count the galaxies."""
        return len(self.row)


@dataclass(frozen=True, eq=False)
class ArmGalaxies:
    """An arm or a control on the test galaxies, and what it cost.

    Attributes
    ----------
    pool : terms of its pool of seeds.
    seeds : training seed -> subset -> metric -> value; a control has none.
    of_networks : ``crps`` and ``mae`` -> (n,) means over the seeds' single networks of what each
        galaxy adds; a control has none.
    n_train : training galaxies; cpu_seconds: of all its seeds; None where not known.
    """

    pool: GalaxyTerms
    seeds: Mapping[int, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    of_networks: Mapping[str, Array] = field(default_factory=dict)
    n_train: int | None = None
    cpu_seconds: float | None = None


def galaxy_terms(chunks: Iterable[Predictions]) -> GalaxyTerms:
    """Work out every per-galaxy term of predictions that come in chunks, at least one."""
    parts = [_terms(chunk) for chunk in chunks]
    columns = [_arrays(part) for part in parts]
    joined = {name: np.concatenate([part[name] for part in columns]) for name in columns[0]}
    return GalaxyTerms(grid=parts[0].grid, **joined)


def select_terms(terms: GalaxyTerms, keep: Mask | NDArray[np.int64]) -> GalaxyTerms:
    """Pick galaxies by a mask (n,) or an index array."""
    columns = {name: values[keep] for name, values in _arrays(terms).items()}
    return GalaxyTerms(grid=terms.grid, **columns)


def subset_masks(z_spec: Array, clip_window: tuple[float, float]) -> dict[str, Mask]:
    """Masks (n,) of all galaxies, ``whole``, and of those ``inside`` and ``outside`` the window.

    The window's ends are inside.
    """
    inside = (z_spec >= clip_window[0]) & (z_spec <= clip_window[1])
    return {"whole": np.ones(len(z_spec), bool), "inside": inside, "outside": ~inside}


def _terms(chunk: Predictions) -> GalaxyTerms:
    low, high = quantiles(chunk.density, chunk.grid, [0.16, 0.84]).T
    columns: dict[str, NDArray[Any]] = {
        **columns_of(chunk),
        **pdf_terms(chunk.density, chunk.grid, chunk.z_spec),
    }
    return GalaxyTerms(grid=chunk.grid, err68_low=low, err68_high=high, **columns)


def _arrays(terms: GalaxyTerms) -> dict[str, NDArray[Any]]:
    """Every field that holds one value per galaxy."""
    return {name: values for name, values in vars(terms).items() if name != "grid"}
