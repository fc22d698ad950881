"""Log lines of long passes over rows: how many are done, and how long the rest will take."""

import logging
import time
from collections.abc import Callable, Iterator

__all__ = ["row_ranges"]

logger = logging.getLogger(__name__)

EVERY_SECONDS = 10.0


def row_ranges(
    n: int, *, chunk_rows: int, doing: str, clock: Callable[[], float] = time.monotonic
) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of chunks of n rows; log about every 10 s what has been done with them.

    Parameters
    ----------
    doing : what is done with the rows, such as "checked".
    """
    started = said = clock()
    for start in range(0, n, chunk_rows):
        stop = min(start + chunk_rows, n)
        yield start, stop
        now = clock()
        if now - said >= EVERY_SECONDS and stop < n:
            left = (now - started) * (n - stop) / stop
            logger.info("%d of %d rows %s, about %.0f s left", stop, n, doing, left)
            said = now
