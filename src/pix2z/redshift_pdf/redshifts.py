"""What an estimator says of galaxies: calibrated PDFs, point estimates, intervals, flags.

`Redshifts` is the answer to images, in a notebook, a table or a service; `COLUMNS` are its columns
wherever it becomes a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pix2z.imaging import has_nan
from pix2z.redshift_pdf.calibration import LocalTemperature, Temperature
from pix2z.redshift_pdf.density import mean, median, mode, quantiles, second_peak
from pix2z.redshift_pdf.flags import IMAGE_FLAG_MEANINGS, ImageFlag, in_words
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.residual import ResidualPdf, residual_density

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

__all__ = [
    "COLUMNS",
    "Calibration",
    "Column",
    "Pdf",
    "Redshifts",
    "calibrated",
    "image_flags",
    "redshifts",
]

Calibration = LocalTemperature | Temperature | ResidualPdf

SECOND_PEAK, RESOLUTION = 0.05, 0.01
"""`ImageFlag.SEVERAL_MODES`: least probability of another peak, and the redshift by which PDFs are
smoothed before, less than the error of a typical galaxy."""


@dataclass(frozen=True)
class Column:
    """A column's stored dtype and what it holds; redshifts have no unit."""

    dtype: DTypeLike
    meaning: str


# float32 resolves 1e-8 at these redshifts, far below any error, in half the space.
COLUMNS: Mapping[str, Column] = {
    "object_id": Column(np.int64, "id in the input file, or its row number where it has none"),
    "pix2z_z_median": Column(np.float32, "redshift: median of the PDF"),
    "pix2z_z_mean": Column(np.float32, "redshift: mean of the PDF"),
    "pix2z_z_mode": Column(np.float32, "redshift: centre of the PDF's highest bin"),
    "pix2z_z_err68_low": Column(np.float32, "redshift: lower limit of the central 68 %"),
    "pix2z_z_err68_high": Column(np.float32, "redshift: upper limit of the central 68 %"),
    "pix2z_z_err95_low": Column(np.float32, "redshift: lower limit of the central 95 %"),
    "pix2z_z_err95_high": Column(np.float32, "redshift: upper limit of the central 95 %"),
    "pix2z_flags": Column(np.int32, f"sum of bits; {in_words(IMAGE_FLAG_MEANINGS)}"),
}
"""Columns of a table of redshifts, named as Rubin's photometric redshifts are."""


@dataclass(frozen=True)
class Pdf:
    """The redshift PDFs of N galaxies: `density` (N, K) per unit redshift in the bins of `grid`."""

    grid: RedshiftGrid
    density: NDArray[np.float64]

    @property
    def z(self) -> NDArray[np.float64]:
        """(K,) redshifts at the centres of the bins."""
        return self.grid.centres


@dataclass(frozen=True)
class Redshifts:
    """What an estimator says of N galaxies; all z_* are redshifts, shape (N,).

    density : (N, K) per unit redshift on `grid`; err68, err95: limits of the central 68 and 95 %.
    flags : (N,) sums of `flags.ImageFlag`.
    """

    grid: RedshiftGrid
    density: NDArray[np.float64]
    z_phot: NDArray[np.float64]
    z_median: NDArray[np.float64]
    z_mean: NDArray[np.float64]
    z_mode: NDArray[np.float64]
    err68_low: NDArray[np.float64]
    err68_high: NDArray[np.float64]
    err95_low: NDArray[np.float64]
    err95_high: NDArray[np.float64]
    flags: NDArray[np.int32]

    def __len__(self) -> int:
        """Count the galaxies."""
        return len(self.flags)

    @property
    def pdf(self) -> Pdf:
        """The PDFs with their grid."""
        return Pdf(self.grid, self.density)

    def columns(self, object_id: NDArray[np.int64] | None = None) -> dict[str, NDArray[Any]]:
        """Column -> (N,) values in the stored dtype, in the order of `COLUMNS`.

        object_id : (N,) ids of the galaxies; None numbers them from 0.
        """
        values: dict[str, NDArray[Any]] = {
            "object_id": np.arange(len(self)) if object_id is None else object_id,
            "pix2z_z_median": self.z_median,
            "pix2z_z_mean": self.z_mean,
            "pix2z_z_mode": self.z_mode,
            "pix2z_z_err68_low": self.err68_low,
            "pix2z_z_err68_high": self.err68_high,
            "pix2z_z_err95_low": self.err95_low,
            "pix2z_z_err95_high": self.err95_high,
            "pix2z_flags": self.flags,
        }
        return {name: values[name].astype(column.dtype) for name, column in COLUMNS.items()}

    def to_pandas(self, object_id: NDArray[np.int64] | None = None) -> "pd.DataFrame":
        """Return the table that ``pix2z predict`` writes, a row per galaxy; as `columns`."""
        import pandas as pd

        return pd.DataFrame(self.columns(object_id))


def calibrated(
    raw: NDArray[np.float64], calibration: Calibration, grid: RedshiftGrid
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn raw outputs into PDFs (N, K) and point estimates (N,).

    raw : densities (N, K), whose point estimate is the median; or redshifts (N,), as they are.
    """
    if isinstance(calibration, ResidualPdf):
        return residual_density(calibration, raw), raw
    density = calibration.apply(raw, grid)
    return density, median(density, grid)


def redshifts(
    raw: NDArray[np.float64],
    calibration: Calibration,
    *,
    grid: RedshiftGrid,
    flags: NDArray[np.int32],
) -> Redshifts:
    """Calibrate raw outputs and read the point estimates and intervals off the PDFs.

    To the flags are added those that tell of a PDF's shape: `AT_GRID_END` and `SEVERAL_MODES`.
    Where every band is blank, all of them are NaN: the networks only know their training sample.
    """
    density, z_phot = calibrated(raw, calibration, grid)
    levels = [0.025, 0.16, 0.5, 0.84, 0.975]
    low95, low68, z_median, high68, high95 = quantiles(density, grid, levels).T
    values = {
        "density": density,
        "z_phot": z_phot,
        "z_median": z_median,
        "z_mean": mean(density, grid),
        "z_mode": mode(density, grid),
        "err68_low": low68,
        "err68_high": high68,
        "err95_low": low95,
        "err95_high": high95,
    }
    blank = flags & ImageFlag.BLANK != 0
    flags = flags | np.where(blank, 0, _shape_flags(density, values, grid))
    if blank.any():
        values = {name: value.astype(np.float64) for name, value in values.items()}
        for value in values.values():
            value[blank] = np.nan
    return Redshifts(grid=grid, **values, flags=flags)


def _shape_flags(
    density: NDArray[np.float64], values: Mapping[str, NDArray[np.float64]], grid: RedshiftGrid
) -> NDArray[np.int32]:
    """Return the flags (N,) that follow from PDFs (N, K) and what was read off them."""
    error = (values["err68_high"] - values["err68_low"]) / 2
    to_end = np.minimum(values["z_mode"] - grid.z_min, grid.z_max - values["z_mode"])
    at_end = to_end - grid.width / 2 < error  # of the highest bin, not of its centre
    several = second_peak(density, grid, resolution=RESOLUTION) >= SECOND_PEAK
    flags = ImageFlag.AT_GRID_END * at_end + ImageFlag.SEVERAL_MODES * several
    return np.asarray(flags, np.int32)


def image_flags(images: NDArray[Any], ebv: NDArray[Any]) -> NDArray[np.int32]:
    """Flag images (n, 32, 32, 5) and E(B-V) (n,), NaN where unknown, with sums of `ImageFlag`."""
    flags = np.asarray(ImageFlag.EBV_UNKNOWN * np.isnan(ebv), np.int32)
    incomplete = has_nan(images)  # few stamps are, and the others need no work
    masked = np.isnan(images[incomplete])
    # The sum of truth values is any, ten times as fast.
    absent = ~np.einsum("nxyb->nb", ~masked)
    some = (np.einsum("nxyb->nb", masked) & ~absent).any(axis=1)
    lacks = ImageFlag.BAND_ABSENT * absent.any(axis=1) + ImageFlag.PIXELS_MASKED * some
    flags[incomplete] += (lacks + ImageFlag.BLANK * absent.all(axis=1)).astype(np.int32)
    return flags
