"""Many small files of one server, a few at a time, in the order in which they were asked for.

What `download` does for one file holds for each of them. A server that gives nothing any more is
not asked for every one of the rest.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.pool import ThreadPool

from urllib3 import Retry

from pix2z.archive.addresses import RemoteFile
from pix2z.archive.download import PATIENCE, Provenance, Report, download
from pix2z.archive.http_answers import new_session
from pix2z.errors import InputError, IntegrityError, Pix2zError

__all__ = ["MOST_IN_A_ROW", "PATIENCE_WITH_MANY", "downloads"]

MOST_JOBS = 8
"""Requests at a time, at most: the server is for everyone."""

PATIENCE_WITH_MANY = PATIENCE.new(total=4, backoff_factor=0.5, backoff_jitter=0.5)
"""About ten seconds of waiting for a file that does not come; many others wait behind it."""

MOST_IN_A_ROW = 8
"""Files given up one after the other before nothing more is asked for."""

Download = Callable[[Sequence[RemoteFile], str], Iterator[str | Pix2zError]]


@contextmanager
def downloads(
    *,
    jobs: int,
    force: bool = False,
    patience: Retry = PATIENCE_WITH_MANY,
    progress: Report = lambda *_: None,
) -> Iterator[Download]:
    """Yield a function that fetches files, and gives the SHA-256 of each, or why it did not come.

    It takes the files and what they are called in `progress`.

    At the end, also by an error or Ctrl-C, what has arrived stays on disk and nothing more is
    asked for: threads of a `ThreadPool` are daemons, and none keeps the process waiting for a
    silent server.

    Parameters
    ----------
    jobs : files at a time, 1 to 8.
    force : fetch what is there already again.
    patience : as for `download`, for each file.
    progress : called with the name, files done and files in all.

    Raises
    ------
    InputError
        `jobs` is out of range.
    Pix2zError
        Many files in a row did not come, whatever was tried.
    """
    if not 1 <= jobs <= MOST_JOBS:
        raise InputError(f"--jobs: expected 1 to {MOST_JOBS}; received {jobs}")
    with new_session() as session, ThreadPool(jobs) as threads:
        one = partial(download, session=session, patience=patience)
        fetch = partial(_fetch, fetch=one, force=force)

        def fetch_all(files: Sequence[RemoteFile], name: str) -> Iterator[str | Pix2zError]:
            in_a_row = 0
            progress(name, 0, len(files))
            for n_done, result in enumerate(threads.imap(fetch, files), start=1):
                progress(name, n_done, len(files))
                answered = isinstance(result, str | InputError)
                in_a_row = 0 if answered else in_a_row + 1
                if in_a_row == MOST_IN_A_ROW:
                    raise Pix2zError(f"{in_a_row} files in a row did not come: {result}")
                yield result

        yield fetch_all


def _fetch(file: RemoteFile, *, fetch: Callable[..., Provenance], force: bool) -> str | Pix2zError:
    """Fetch one file; an error is returned, so that the others go on."""
    fetch_it = partial(fetch, file.url, file.path, signature=file.signature)
    try:
        try:
            return fetch_it(force=force).sha256
        except IntegrityError:
            return fetch_it(force=True).sha256  # altered since; a cache is there to be filled again
    except Pix2zError as error:
        return error
