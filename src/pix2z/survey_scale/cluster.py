"""Workers of Dask: processes of this machine, or those of a scheduler that runs elsewhere.

Dask gives a partition whose worker is lost to another worker, `MOST_LOSSES` times at most (where
the scheduler is another's, as often as that says), and starts local workers anew.
"""

import logging
import secrets
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import dask
from distributed import (
    CancelledError,
    Client,
    Future,
    KilledWorker,
    LocalCluster,
    Worker,
    WorkerPlugin,
    wait,
)

from pix2z.errors import InputError, Pix2zError
from pix2z.process import cores
from pix2z.survey_scale.run import RunEach

__all__ = ["workers"]

LOCAL = "local"

MOST_LOSSES = 3
"""Workers that a partition may lose before it is given up with the next one."""

MEMORY_LIMIT = 2 * 2**30
"""Bytes that a local worker may take; one that takes more is ended and started anew."""

PATIENCE = 60.0
"""Seconds without any worker after which they are taken to be lost for good."""

POLL = 5.0
"""Seconds between two looks at whether there are workers."""

ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    )
}
"""A worker computes with one thread: there is one per core."""


@contextmanager
def workers(where: str) -> Iterator[RunEach]:
    """Yield what gives work to the workers.

    Parameters
    ----------
    where : ``local``, one process per core of this machine; ``local:N``, N of them; or the address
        of a scheduler, ``tcp://host:port`` or ``tls://host:port``, for which Dask's own settings
        name the certificates.

    Raises
    ------
    InputError
        It is none of these, or nothing answers there.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # of lost workers we tell ourselves
    name, _, number = where.partition(":")
    if name == LOCAL and (not number or number.isdecimal() and int(number) > 0):
        with (
            dask.config.set({"distributed.scheduler.allowed-failures": MOST_LOSSES}),
            LocalCluster(
                n_workers=int(number) if number else cores(),
                threads_per_worker=1,
                memory_limit=MEMORY_LIMIT,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",  # None would be one for all, and port 8787
                silence_logs=logging.CRITICAL,
                env=ONE_THREAD,
            ) as cluster,
            Client(cluster) as client,
        ):
            client.loop.add_callback(cluster.scheduler.http_server.stop)
            client.register_plugin(_LeftToTheCommand())
            yield _giving_to(client)
    elif name in ("tcp", "tls"):
        try:
            client = Client(where)
        except (OSError, ValueError) as error:
            raise InputError(f"--dask {where}: no scheduler answers ({_line(error)})") from error
        with client:
            yield _giving_to(client)
    else:
        raise InputError(
            f"--dask: expected local, local:N, tcp://host:port or tls://host:port; "
            f"received {where!r}"
        )


class _LeftToTheCommand(WorkerPlugin):  # type: ignore[misc]
    """Lets a worker take no notice of Ctrl-C, which a terminal sends to all of its processes.

    Its web server, which Dask starts whatever it is told, is stopped.
    """

    def setup(self, worker: Worker) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        worker.http_server.stop()


def _giving_to(client: Client) -> RunEach:
    """Give each thread of the workers one task at a time.

    A task that waited behind one that ends its worker would be suspected with it. Results come
    without order; of the tasks no more is in memory than there are threads.
    """

    def run_each(
        function: Callable[[Any], Any], arguments: Iterable[Any]
    ) -> Iterator[tuple[Any, Any]]:
        waiting, running, run = iter(arguments), dict[Future, Any](), secrets.token_hex(8)
        number = 0
        while True:
            n_free = max(_n_threads(client), 1) - len(running)
            for argument in islice(waiting, max(n_free, 0)):
                future = client.submit(function, argument, key=f"pix2z-{run}-{number}", pure=False)
                running[future] = argument
                number += 1
            if not running:
                return
            _wait_for_one(client, list(running))
            for future in [future for future in running if future.done()]:
                yield running.pop(future), _result(future)

    return run_each


def _n_threads(client: Client) -> int:
    """Count the threads of the workers that are there."""
    try:
        return sum(client.nthreads().values())
    except (OSError, ValueError, CancelledError):
        raise Pix2zError("Dask's scheduler is lost") from None


def _wait_for_one(client: Client, running: list[Future]) -> None:
    """Wait until a task has ended; raise Pix2zError where there is nobody left to do it."""
    alive = time.monotonic()
    while True:
        try:
            wait(running, timeout=POLL, return_when="FIRST_COMPLETED")
            return
        except CancelledError:
            raise Pix2zError("Dask's scheduler is lost") from None
        except TimeoutError:
            if _n_threads(client):
                alive = time.monotonic()
            elif time.monotonic() - alive > PATIENCE:
                raise Pix2zError(
                    f"all workers of Dask are lost: none has come back for {PATIENCE:g} s"
                ) from None


def _result(future: Future) -> Any:
    """Return the result of a task that has ended; None where its workers have."""
    error = future.exception() if future.status == "error" else None
    if isinstance(error, KilledWorker):
        return None
    if isinstance(error, ImportError):
        raise InputError(f"a worker of Dask lacks what pix2z needs: {_line(error)}") from error
    return future.result()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
