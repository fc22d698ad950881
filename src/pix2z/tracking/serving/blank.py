"""The flag of galaxies whose pixels are all masked."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLAG_BAND_ABSENT", "FLAG_BLANK", "with_blank"]

FLAG_BAND_ABSENT, FLAG_BLANK = 1, 8


def with_blank(flags: NDArray[np.int32], images: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return flags (n,) with `FLAG_BLANK` where no pixel of an image is known."""
    flags = flags.copy()
    absent = np.flatnonzero(flags & FLAG_BAND_ABSENT)
    blank = ~np.isfinite(images[absent]).any(axis=(1, 2, 3))
    flags[absent] |= FLAG_BLANK * blank.astype(flags.dtype)
    return flags
