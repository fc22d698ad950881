"""What is said of a table of redshifts, gathered block by block while it is written.

Of each galaxy its redshift, its error and its flags are kept, of PDFs their sum and a few.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from pix2z.redshift_pdf.flags import IMAGE_FLAG_MEANINGS, FlagCounts, ImageFlag
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import COLUMNS, Redshifts

__all__ = ["DOUBTFUL_ERROR", "DOUBTS", "Overview"]

DOUBTFUL_ERROR = 0.05
"""Times 1 + z: an error above it is as large as that of what is called an outlier."""

N_SHOWN = 6

DOUBTS = {"pix2z_z_best", "pix2z_z_err68_low", "pix2z_z_err68_high", "pix2z_flags"}
"""Columns that tell which redshifts are doubtful."""


class Overview:
    """Redshifts of N galaxies, as they come.

    Attributes
    ----------
    z_phot : (N,) point estimates; NaN where there is none, or where `columns` lack it.
    error : (N,) half of the central 68 %; NaN where there is none, or where `columns` lack one of
        `DOUBTS`.
    counts : how many have each flag; none is counted where `columns` lack one of `DOUBTS`.
    shown : row -> its PDF (K,), of some galaxies from all over the file.
    n_known : how many have a redshift.
    """

    def __init__(self, n: int, grid: RedshiftGrid, *, columns: Collection[str] = COLUMNS) -> None:
        """Expect n galaxies whose PDFs are on `grid`; only what `columns` hold is looked at."""
        self.grid = grid
        self.z_phot = np.full(n, np.nan, np.float32)
        self.error = np.full(n, np.nan, np.float32)
        self.counts = FlagCounts(IMAGE_FLAG_MEANINGS)
        self.shown: dict[int, NDArray[np.float64]] = {}
        self._has_best, self._has_doubts = "pix2z_z_best" in columns, set(columns) >= DOUBTS
        self.n_known = 0
        self._summed = np.zeros(grid.n_bins)
        self._wanted = {round(row) for row in np.linspace(0, max(n - 1, 0), N_SHOWN)}

    def add(self, rows: NDArray[np.int64], estimate: Redshifts) -> None:
        """Take in the redshifts of some rows, which follow those before."""
        self.n_known += int((~estimate.blank).sum())
        if self._has_best:
            self.z_phot[rows] = estimate.z_phot
        if self._has_doubts:
            self.error[rows] = (estimate.err68_high - estimate.err68_low) / 2
            self.counts.add(estimate.flags)
        self._summed += np.nansum(estimate.density, axis=0)
        self.shown |= {
            int(row): density
            for row, density in zip(rows, estimate.density, strict=True)
            if row in self._wanted and np.isfinite(density).all()
        }

    @property
    def mean_density(self) -> NDArray[np.float64]:
        """(K,) mean of all PDFs: how the galaxies are spread in redshift."""
        mean: NDArray[np.float64] = self._summed / max(self.n_known, 1)
        return mean

    def __str__(self) -> str:
        """Say how many there are, how large their errors are, and which are doubtful and why."""
        n = len(self.z_phot)
        if not self.n_known:
            why = f": {self.counts}" if self._has_doubts else ""
            return f"None of {n:,} galaxies has a redshift{why}."
        number = "redshift" if self.n_known == 1 else "redshifts"
        out_of = "" if self.n_known == n else f" of {n:,} galaxies"
        words = f"{self.n_known:,} {number}{out_of}"
        return f"{words} {self._doubts()}" if self._has_doubts else f"{words}."

    def _doubts(self) -> str:
        n, known = len(self.z_phot), np.isfinite(self.error)
        wide = int((self.error[known] > DOUBTFUL_ERROR * (1 + self.z_phot[known])).sum())
        kinds = [str(self.counts)] if self.counts.n_flagged else []
        if wide:
            kinds.append(f"{wide:,} with an error above {DOUBTFUL_ERROR} (1 + z)")
        doubtful = f"doubtful: {', and '.join(kinds)}" if kinds else "none is doubtful"
        words = (
            f"with a typical error of {np.median(self.error[known]):.2g} (half of the central "
            f"68 %); {doubtful}."
        )
        if self.counts.n_by_flag[ImageFlag.EBV_UNKNOWN] == n:
            words += " --ebv gives E(B-V), which the file has for none."
        return words
