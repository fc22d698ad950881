"""The redshift bins that every PDF of an experiment is given on."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["RedshiftGrid"]


@dataclass(frozen=True)
class RedshiftGrid:
    """`n_bins` equal bins on [z_min, z_max]; bin values are bin centres, never left edges."""

    z_min: float
    z_max: float
    n_bins: int

    def __post_init__(self) -> None:
        """Refuse an empty or reversed grid."""
        if not (np.isfinite(self.z_min) and np.isfinite(self.z_max) and self.z_min < self.z_max):
            raise ValueError(f"z_min must be below z_max; got {self.z_min}, {self.z_max}")
        if self.n_bins < 2:
            raise ValueError(f"n_bins must be at least 2; got {self.n_bins}")

    @property
    def width(self) -> float:
        """Width of one bin."""
        return (self.z_max - self.z_min) / self.n_bins

    @cached_property
    def edges(self) -> NDArray[np.float64]:
        """(K + 1,) bin edges, rising."""
        return np.linspace(self.z_min, self.z_max, self.n_bins + 1)

    @cached_property
    def centres(self) -> NDArray[np.float64]:
        """(K,) bin centres."""
        return (self.edges[:-1] + self.edges[1:]) / 2

    def bin_index(self, z: ArrayLike) -> NDArray[np.int64]:
        """Bin of each redshift: half-open bins [left, right), values outside in the end bins."""
        index = np.searchsorted(self.edges, np.asarray(z, np.float64), side="right") - 1
        return np.clip(index, 0, self.n_bins - 1).astype(np.int64)
