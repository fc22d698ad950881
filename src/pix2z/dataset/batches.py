"""Rows -> batches of stamps, or of what was measured on them, out of core.

Order and augmentation of a training epoch are functions of (seed, epoch) alone, so a training that
was stopped goes on exactly as it would have.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pix2z.dataset.store import Galaxies

__all__ = [
    "N_SYMMETRIES",
    "Arrays",
    "Read",
    "epoch_order",
    "one_ahead",
    "sequential_batches",
    "training_batches",
    "transform",
]

N_SYMMETRIES = 8
"""Rotations by 0, 90, 180, 270 degrees, and the same mirrored."""

BLOCK_ROWS = 64
"""Rows that stay together when blocks are shuffled; they are read as one range."""

PIXEL = np.dtype("V20")
"""The five float32 bands of a pixel."""

Images = NDArray[np.float32]
Rows = NDArray[np.int64]
Arrays = dict[str, NDArray[Any]]
"""Name -> (n, ...): what is known of n galaxies."""
Read = Callable[[Rows], Arrays]
Item = TypeVar("Item")


def one_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the same items in the same order, the next one made while one is used.

    An error in the making is raised where the item would have come.
    """
    with ThreadPoolExecutor(max_workers=1) as worker:
        upcoming = worker.submit(next, items, None)
        while (item := upcoming.result()) is not None:
            upcoming = worker.submit(next, items, None)
            yield item


def sequential_batches(
    galaxies: Galaxies, rows: ArrayLike, *, batch_size: int
) -> Iterator[tuple[Images, Rows]]:
    """Yield (images (n, 32, 32, 5), rows (n,)) in the order given; the last batch may be short."""
    wanted = np.asarray(rows, dtype=np.int64)
    for start in range(0, len(wanted), batch_size):
        batch = wanted[start : start + batch_size]
        yield galaxies.images(batch), batch


def training_batches(
    read: Read,
    rows: ArrayLike,
    *,
    batch_size: int,
    seed: int,
    epoch: int,
    augment: bool,
    buffer_rows: int = 12_000,
) -> Iterator[tuple[Arrays, Rows]]:
    """Yield (arrays of n galaxies, rows (n,)), every row once, in an order of (seed, epoch).

    Blocks of neighbouring rows are shuffled, then rows within a buffer of about `buffer_rows`
    galaxies (stamps have 20 kB each, 246 MB in all), which bounds the memory. With `augment` images
    are turned and mirrored by one of the 8 symmetries of the square. The last batch may be short.

    Parameters
    ----------
    read : ascending rows (n,) -> arrays of these galaxies by name, images (n, side, side, 5) among
        them or not.
    """
    rng = np.random.default_rng((seed, epoch))
    window = max(buffer_rows // batch_size, 1) * batch_size
    order = epoch_order(np.asarray(rows, dtype=np.int64), window=window, rng=rng)
    symmetry = rng.integers(N_SYMMETRIES, size=len(order)) if augment else None
    for start in range(0, len(order), window):
        in_window = order[start : start + window]
        ascending = np.sort(in_window)
        buffer: Arrays = {}  # let go of the last window's before the next is read
        buffer = read(ascending)
        place = np.searchsorted(ascending, in_window)
        for first in range(0, len(in_window), batch_size):
            batch = slice(first, first + batch_size)
            chosen = None if symmetry is None else symmetry[start:][batch]
            arrays = {name: _gather(array, place[batch], chosen) for name, array in buffer.items()}
            yield arrays, in_window[batch]


def epoch_order(rows: Rows, *, window: int, rng: np.random.Generator) -> Rows:
    """Rows of an epoch in their order: blocks shuffled, then rows within each window.

    Parameters
    ----------
    rows : (N,) rows; one that is there twice is in the epoch twice.
    window : rows in memory at a time.
    """
    ascending = np.sort(rows)
    starts = rng.permutation(np.arange(0, len(rows), BLOCK_ROWS))
    if not len(starts):
        return ascending
    order = np.concatenate([ascending[start : start + BLOCK_ROWS] for start in starts])
    for start in range(0, len(order), window):
        rng.shuffle(order[start : start + window])
    return order


def transform(images: NDArray[Any], symmetry: int) -> NDArray[Any]:
    """Turn stamps (n, 32, 32, ...) by ``symmetry % 4`` quarter turns; mirror them from 4 on.

    A view, without a copy; the galaxy's centre, (15.5, 15.5), stays where it is.
    """
    turned = np.rot90(images, symmetry % 4, axes=(1, 2))
    return turned[:, :, ::-1] if symmetry >= 4 else turned


def _gather(buffer: NDArray[Any], place: Rows, symmetry: NDArray[np.int64] | None) -> NDArray[Any]:
    """Galaxies of the buffer at `place`, images among them each under its symmetry."""
    if symmetry is None or buffer.ndim < 4:
        return buffer[place]
    images = np.empty((len(place), *buffer.shape[1:]), np.float32)
    # A pixel's five bands are moved as one item: two to three times faster than as five numbers.
    stored, turned = (array.view(PIXEL)[..., 0] for array in (buffer, images))
    for value in range(N_SYMMETRIES):
        chosen = np.flatnonzero(symmetry == value)
        turned[chosen] = transform(stored[place[chosen]], value)
    return images
