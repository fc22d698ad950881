"""What a pool says of galaxies, as the targets of one network that learns it.

A network is distilled (Hinton, Vinyals & Dean 2015, https://arxiv.org/abs/1503.02531) by the
cross-entropy against the average of the pool's uncalibrated PDFs, mixed with the known redshift.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.batches import sequential_batches
from pix2z.dataset.store import Galaxies
from pix2z.files import atomic_path
from pix2z.network.estimator import Estimator
from pix2z.network.recipes import smooth_targets
from pix2z.redshift_pdf.density import mix

__all__ = ["SoftTargets", "write_soft_targets"]

BATCH = 1024


@dataclass(frozen=True)
class SoftTargets:
    """Targets of some rows, on disk, since they take as much memory as there are galaxies."""

    path: Path
    """Array (n, K), float32: the share of each redshift bin."""
    rows: NDArray[np.int64]
    """(n,) ascending rows of galaxies.h5 that these are of."""

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the targets (m, K) of some of the rows, in any order."""
        shares = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return np.asarray(shares[np.searchsorted(self.rows, rows)])


def write_soft_targets(
    path: Path,
    pool: Estimator,
    galaxies: Galaxies,
    rows: NDArray[np.int64],
    *,
    truth_share: float,
    truth_width: float,
) -> SoftTargets:
    """Write what a pool of softmax networks says of galaxies, mixed with their redshifts.

    Parameters
    ----------
    rows : (n,) galaxies, in any order; nothing else is read.
    truth_share : weight of the known redshift, from 0 to 1.
    truth_width : standard deviation in redshift of the Gaussian around it; 0: its bin alone.
    """
    ascending, grid = np.sort(rows), pool.grid
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(rows), grid.n_bins)}
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for images, batch in sequential_batches(galaxies, ascending, batch_size=BATCH):
            ebv = galaxies.column("ebv", batch)
            density = mix([member.raw(images, ebv) for member in pool.members])
            z_spec = galaxies.column("specz_redshift", batch).astype(np.float64)
            truth = smooth_targets(z_spec, grid, width=truth_width)
            mixed = (1 - truth_share) * density * grid.width + truth_share * truth
            file.write(mixed.astype("<f4").tobytes())  # a full disk is an error here, not a crash
    return SoftTargets(path, ascending)
