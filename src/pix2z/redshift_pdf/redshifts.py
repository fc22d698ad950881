"""What an estimator says of galaxies: calibrated PDFs, point estimates, intervals, flags.

`Redshifts` is the answer to images, in a notebook, a table or a service; `COLUMNS` are its columns
wherever it becomes a table. What is read off PDFs is computed when it is first asked for, so that a
table of few columns costs little.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pix2z.imaging import has_nan
from pix2z.process import cores
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
    "ra": Column(np.float64, "right ascension in degrees, as the input has it; NaN where unknown"),
    "dec": Column(np.float64, "declination in degrees, as the input has it; NaN where unknown"),
    "pix2z_z_best": Column(
        np.float32,
        "redshift by which the model is judged: the median of the PDF, or, of a network that gives "
        "a redshift and no PDF, as the published CNN, that redshift",
    ),
    "pix2z_z_median": Column(np.float32, "redshift: median of the PDF"),
    "pix2z_z_mean": Column(np.float32, "redshift: mean of the PDF"),
    "pix2z_z_mode": Column(np.float32, "redshift: centre of the PDF's highest bin"),
    "pix2z_z_err68_low": Column(np.float32, "redshift: lower limit of the central 68 %"),
    "pix2z_z_err68_high": Column(np.float32, "redshift: upper limit of the central 68 %"),
    "pix2z_z_err95_low": Column(np.float32, "redshift: lower limit of the central 95 %"),
    "pix2z_z_err95_high": Column(np.float32, "redshift: upper limit of the central 95 %"),
    "pix2z_flags": Column(np.int32, f"sum of bits; {in_words(IMAGE_FLAG_MEANINGS)}"),
}
"""Columns of a table of redshifts, named as in Rubin's data preview 2."""

ATTRIBUTES: Mapping[str, str] = {
    "pix2z_z_best": "z_phot",
    "pix2z_z_median": "z_median",
    "pix2z_z_mean": "z_mean",
    "pix2z_z_mode": "z_mode",
    "pix2z_z_err68_low": "err68_low",
    "pix2z_z_err68_high": "err68_high",
    "pix2z_z_err95_low": "err95_low",
    "pix2z_z_err95_high": "err95_high",
    "pix2z_flags": "flags",
}
"""Column -> attribute of `Redshifts` that it holds."""

LEVELS: Mapping[str, float] = {
    "err95_low": 0.025,
    "err68_low": 0.16,
    "z_median": 0.5,
    "err68_high": 0.84,
    "err95_high": 0.975,
}
"""Attribute of `Redshifts` -> level of the CDF at which it is read off."""

BEHIND: Mapping[str, tuple[str, ...]] = {
    "z_phot": ("z_median",),
    "flags": ("err68_low", "err68_high"),
}
"""Attribute of `Redshifts` -> those of `LEVELS` that it is made of."""

BLOCK = 256
"""PDFs that are looked at at a time by one core, 0.4 MB."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pdf:
    """The redshift PDFs of N galaxies: `density` (N, K) per unit redshift in the bins of `grid`."""

    grid: RedshiftGrid
    density: Array

    @property
    def z(self) -> Array:
        """(K,) redshifts at the centres of the bins."""
        return self.grid.centres


@dataclass(frozen=True)
class Redshifts:
    """What an estimator says of N galaxies; all z_* are redshifts, shape (N,).

    Attributes
    ----------
    grid : the bins of the PDFs.
    density : (N, K) per unit redshift on `grid`; NaN where every band is blank, and so is all that
        is read off it: the networks only know their training sample.
    image_flags : (N,) sums of `flags.ImageFlag`, without those that tell of a PDF's shape.
    given : (N,) redshifts of a network that gives them and no PDF; None where PDFs came first.
    """

    grid: RedshiftGrid
    density: Array
    image_flags: NDArray[np.int32]
    given: Array | None = None

    def __len__(self) -> int:
        """Count the galaxies."""
        return len(self.image_flags)

    @property
    def pdf(self) -> Pdf:
        """The PDFs with their grid."""
        return Pdf(self.grid, self.density)

    @property
    def blank(self) -> NDArray[np.bool_]:
        """(N,) whether every band is blank, so that there is no redshift."""
        return np.asarray(self.image_flags & ImageFlag.BLANK != 0)

    @property
    def z_phot(self) -> Array:
        """The point estimate by which the model is judged: `given`, else the median."""
        return self.z_median if self.given is None else self.given

    @property
    def z_median(self) -> Array:
        """Median of each PDF."""
        return self._read("z_median")

    @cached_property
    def z_mean(self) -> Array:
        """Mean of each PDF."""
        return self._read_off(lambda pdfs: mean(pdfs, self.grid))

    @cached_property
    def z_mode(self) -> Array:
        """Centre of the highest bin of each PDF."""
        found = self._read_off(lambda pdfs: mode(pdfs, self.grid))
        return np.where(self.blank, np.nan, found)

    @property
    def err68_low(self) -> Array:
        """Lower limit of the central 68 %."""
        return self._read("err68_low")

    @property
    def err68_high(self) -> Array:
        """Upper limit of the central 68 %."""
        return self._read("err68_high")

    @property
    def err95_low(self) -> Array:
        """Lower limit of the central 95 %."""
        return self._read("err95_low")

    @property
    def err95_high(self) -> Array:
        """Upper limit of the central 95 %."""
        return self._read("err95_high")

    @cached_property
    def flags(self) -> NDArray[np.int32]:
        """(N,) sums of `flags.ImageFlag`: of images, and `AT_GRID_END` and `SEVERAL_MODES`."""
        self._read_limits("flags")
        error = (self.err68_high - self.err68_low) / 2
        to_end = np.minimum(self.z_mode - self.grid.z_min, self.grid.z_max - self.z_mode)
        at_end = to_end - self.grid.width / 2 < error  # of the highest bin, not of its centre
        second = self._read_off(lambda pdfs: second_peak(pdfs, self.grid, resolution=RESOLUTION))
        several = second >= SECOND_PEAK
        of_shape = ImageFlag.AT_GRID_END * at_end + ImageFlag.SEVERAL_MODES * several
        return np.asarray(self.image_flags | np.where(self.blank, 0, of_shape), np.int32)

    def _read_limits(self, *attributes: str) -> None:
        """Read what attributes need of `LEVELS` off the PDFs, in one go, unless it was."""
        needed = dict.fromkeys(
            name for attribute in attributes for name in BEHIND.get(attribute, (attribute,))
        )
        wanted = [name for name in needed if name in LEVELS and name not in self._limits]
        if wanted:
            levels = [LEVELS[name] for name in wanted]
            found = self._read_off(lambda pdfs: quantiles(pdfs, self.grid, levels))
            found[self.blank] = np.nan
            self._limits.update(zip(wanted, found.T, strict=True))

    def _read_off(self, read: Callable[[Array], Array]) -> Array:
        """Results (N, ...) of what reads PDFs (n, K), in blocks that fit a cache, on all cores."""
        parts = [self.density[i : i + BLOCK] for i in range(0, len(self), BLOCK)]
        if len(parts) < 2:
            return read(self.density)
        with ThreadPoolExecutor(min(cores(), len(parts))) as threads:
            return np.concatenate(list(threads.map(read, parts)))

    @cached_property
    def _limits(self) -> dict[str, Array]:
        return {}

    def _read(self, name: str) -> Array:
        if name not in self._limits:
            self._read_limits(*LEVELS)
        return self._limits[name]

    def columns(
        self,
        object_id: NDArray[np.int64] | None = None,
        *,
        ra: Array | None = None,
        dec: Array | None = None,
        names: Iterable[str] = COLUMNS,
    ) -> dict[str, NDArray[Any]]:
        """Column -> (N,) values in the stored dtype.

        Parameters
        ----------
        object_id : (N,) ids of the galaxies; None numbers them from 0.
        ra, dec : (N,) degrees; None where they are unknown.
        names : of `COLUMNS`, in this order; what is not among them is not computed.
        """
        names, unknown = tuple(names), np.full(len(self), np.nan)
        told = {
            "object_id": np.arange(len(self)) if object_id is None else object_id,
            "ra": unknown if ra is None else ra,
            "dec": unknown if dec is None else dec,
        }
        self._read_limits(*(ATTRIBUTES[name] for name in names if name in ATTRIBUTES))
        found = {
            name: told[name] if name in told else getattr(self, ATTRIBUTES[name]) for name in names
        }
        return {name: np.asarray(values, COLUMNS[name].dtype) for name, values in found.items()}

    def to_pandas(
        self,
        object_id: NDArray[np.int64] | None = None,
        *,
        ra: Array | None = None,
        dec: Array | None = None,
    ) -> "pd.DataFrame":
        """Return the table that ``pix2z predict`` writes, a row per galaxy; as `columns`."""
        import pandas as pd

        return pd.DataFrame(self.columns(object_id, ra=ra, dec=dec))


def calibrated(raw: Array, calibration: Calibration, grid: RedshiftGrid) -> tuple[Array, Array]:
    """Turn raw outputs into PDFs (N, K) and point estimates (N,).

    raw : densities (N, K), whose point estimate is the median; or redshifts (N,), as they are.
    """
    density = _pdfs(raw, calibration, grid)
    return density, raw if isinstance(calibration, ResidualPdf) else median(density, grid)


def _pdfs(raw: Array, calibration: Calibration, grid: RedshiftGrid) -> Array:
    """Calibrated PDFs (N, K) of raw outputs, as `calibrated`."""
    if isinstance(calibration, ResidualPdf):
        return residual_density(calibration, raw)
    return calibration.apply(raw, grid)


def redshifts(
    raw: Array,
    calibration: Calibration,
    *,
    grid: RedshiftGrid,
    flags: NDArray[np.int32],
) -> Redshifts:
    """Calibrate raw outputs, as `calibrated`; estimates and limits are read off when asked for.

    Parameters
    ----------
    flags : (N,) what is said of the images; those that tell of a PDF's shape are added later.
    """
    density = _pdfs(raw, calibration, grid)
    given = raw if isinstance(calibration, ResidualPdf) else None
    blank = (flags & ImageFlag.BLANK != 0).nonzero()[0]
    if len(blank):
        density = np.array(density, np.float64)
        density[blank] = np.nan
        if given is not None:
            given = np.array(given, np.float64)
            given[blank] = np.nan
    return Redshifts(grid, density, flags, given)


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
