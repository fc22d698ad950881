"""What a pool says of training rows, as the targets of one network that learns it.

A network is distilled (Hinton, Vinyals & Dean 2015, https://arxiv.org/abs/1503.02531) by the
cross-entropy against the average of the pool's uncalibrated PDFs, in the place of the redshift.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.batches import N_SYMMETRIES, sequential_batches, transform
from pix2z.dataset.store import Galaxies
from pix2z.files import atomic_path
from pix2z.network.estimator import Estimator
from pix2z.network.joint import joined
from pix2z.network.recipes import smooth_targets

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
    """Write what a pool of softmax networks says of rows, averaged over the turns of each stamp.

    A pool says nearly the same of a stamp that is turned or mirrored; what differs is noise.

    Parameters
    ----------
    rows : (n,) of training galaxies, in any order; nothing else is read.
    truth_share : weight of the known redshift in the target, from 0 to 1.
    truth_width : standard deviation in redshift of the Gaussian around it; 0: its bin alone.
    """
    teacher, ascending, grid = joined(pool).members[0], np.sort(rows), pool.grid
    z_spec = galaxies.column("specz_redshift", ascending).astype(np.float64)
    with atomic_path(path) as partial:
        shape = (len(rows), grid.n_bins)
        shares = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float32, shape=shape)
        first = 0
        for images, batch in sequential_batches(galaxies, ascending, batch_size=BATCH):
            ebv, here = galaxies.column("ebv", batch), slice(first, first + len(batch))
            turned = (np.ascontiguousarray(transform(images, n)) for n in range(N_SYMMETRIES))
            said = sum(teacher.raw(one, ebv) for one in turned) * (grid.width / N_SYMMETRIES)
            truth = smooth_targets(z_spec[here], grid, width=truth_width)
            shares[here] = (1 - truth_share) * said + truth_share * truth
            first += len(batch)
        shares.flush()
    return SoftTargets(path, ascending)
