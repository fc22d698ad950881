"""What is said of a table of redshifts, gathered block by block while it is written.

Of each galaxy its redshift, its error and its flags are kept, of PDFs their sum and a few.
"""

import numpy as np
from numpy.typing import NDArray

from pix2z.redshift_pdf.flags import IMAGE_FLAG_MEANINGS, FlagCounts, ImageFlag
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import Redshifts

__all__ = ["DOUBTFUL_ERROR", "Overview"]

DOUBTFUL_ERROR = 0.05
"""Times 1 + z: an error above it is as large as that of what is called an outlier."""

N_SHOWN = 6


class Overview:
    """Redshifts of N galaxies, as they come.

    Attributes
    ----------
    z_phot, error : (N,) point estimates and half of the central 68 %; NaN where there is none.
    counts : how many have each flag.
    shown : row -> its PDF (K,), of some galaxies from all over the file.
    """

    def __init__(self, n: int, grid: RedshiftGrid) -> None:
        """Expect n galaxies whose PDFs are on `grid`."""
        self.grid = grid
        self.z_phot = np.full(n, np.nan, np.float32)
        self.error = np.full(n, np.nan, np.float32)
        self.counts = FlagCounts(IMAGE_FLAG_MEANINGS)
        self.shown: dict[int, NDArray[np.float64]] = {}
        self._summed = np.zeros(grid.n_bins)
        self._wanted = {round(row) for row in np.linspace(0, max(n - 1, 0), N_SHOWN)}

    def add(self, rows: NDArray[np.int64], estimate: Redshifts) -> None:
        """Take in the redshifts of some rows, which follow those before."""
        self.z_phot[rows] = estimate.z_phot
        self.error[rows] = (estimate.err68_high - estimate.err68_low) / 2
        self.counts.add(estimate.flags)
        self._summed += np.nansum(estimate.density, axis=0)
        self.shown |= {
            int(row): density
            for row, density in zip(rows, estimate.density, strict=True)
            if row in self._wanted and np.isfinite(density).all()
        }

    @property
    def n_known(self) -> int:
        """Count the galaxies that have a redshift."""
        return int(np.isfinite(self.error).sum())

    @property
    def mean_density(self) -> NDArray[np.float64]:
        """(K,) mean of all PDFs: how the galaxies are spread in redshift."""
        mean: NDArray[np.float64] = self._summed / max(self.n_known, 1)
        return mean

    def __str__(self) -> str:
        """Say how many there are, how large their errors are, and which are doubtful and why."""
        n, known = len(self.z_phot), np.isfinite(self.error)
        if not known.any():
            return f"None of {n:,} galaxies has a redshift: {self.counts}."
        wide = int((self.error[known] > DOUBTFUL_ERROR * (1 + self.z_phot[known])).sum())
        kinds = [str(self.counts)] if self.counts.n_flagged else []
        if wide:
            kinds.append(f"{wide:,} with an error above {DOUBTFUL_ERROR} (1 + z)")
        doubtful = f"doubtful: {', and '.join(kinds)}" if kinds else "none is doubtful"
        out_of = "" if known.all() else f" of {n:,} galaxies"
        number = "redshift" if known.sum() == 1 else "redshifts"
        words = (
            f"{int(known.sum()):,} {number}{out_of} with a typical error of "
            f"{np.median(self.error[known]):.2g} (half of the central 68 %); {doubtful}."
        )
        if self.counts.n_by_flag[ImageFlag.EBV_UNKNOWN] == n:
            words += " --ebv gives E(B-V), which the file has for none."
        return words
