"""Trainings side by side: one process per core, each computing with one thread.

A small network trains as fast on one thread as on two, and a larger one not twice as fast, so that
as many trainings at once as there are cores take the least time. The number of processes never
changes a weight: each computes with one thread even where it is the only one, since sums over
several threads round differently.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from ctypes.util import find_library
from logging.handlers import QueueHandler, QueueListener
from multiprocessing import active_children, get_context
from pathlib import Path
from threading import Thread
from typing import Any

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pix2z.errors import Pix2zError
from pix2z.process import cores, end_with_parent

__all__ = ["RunTasks", "processes_for", "side_by_side"]

RunTasks = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""As the built-in `map`: (function, one argument per call) -> results in that order."""

GPU_DRIVER = Path("/dev/nvidiactl")

ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Environment in which TensorFlow, numpy and scipy compute with one thread once they are loaded."""

NONE_TO_SPARE = {"TF_NUM_INTEROP_THREADS": "1"}
"""Environment in which TensorFlow computes one operation at a time, too: where all cores are taken,
two at a time hinder others. No result depends on it."""

PROCESS_BYTES = 1_300_000_000
"""Of memory, that a process which trains the published CNN takes at most; a small network less."""

LAST_LINES_SECONDS = 5.0
"""How long the last lines of processes that have ended are waited for."""


def processes_for(n_tasks: int, processes: int | None) -> int:
    """Return how many processes work on `n_tasks` trainings.

    Parameters
    ----------
    processes : as params.yaml says; None means one per core, as far as the machine's memory goes,
        and a single one beside a GPU.
    """
    if processes is None:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        processes = 1 if _has_gpu() else min(cores(), memory // PROCESS_BYTES)
    return max(min(processes, n_tasks), 1)


def _has_gpu() -> bool:
    """Whether TensorFlow will find a GPU: it needs a driver, and the libraries of `make gpu`."""
    if not GPU_DRIVER.exists() or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    if any(Path(folder, "nvidia", "cudnn").is_dir() for folder in sys.path):
        return True
    folders = [f"{sys.prefix}/lib", *os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)]
    found = (any(Path(folder).glob("libcudnn*")) for folder in folders if folder)
    return any(found) or find_library("cudnn") is not None


@contextmanager
def side_by_side(processes: int) -> Iterator[RunTasks]:
    """Yield what runs tasks in so many processes, and yields their results in order.

    A task is a function of one argument; function, argument and result travel by pickle unless
    `processes` is 1, where all happens in this process, one task after the other. Processes are
    started once and end with the block, and with this process, however it ends. What a task logs
    is logged here. An error of a task is raised here, and stops the others.

    Raises
    ------
    Pix2zError
        A process was killed from outside.
    """
    if processes == 1:
        os.environ.update(ONE_THREAD)
        with threadpool_limits(1):
            yield map
        return
    context, others = get_context("spawn"), set(active_children())
    log: Any = context.Queue()
    log.cancel_join_thread()  # see `_stop`
    listener = QueueListener(log, *logging.getLogger().handlers)
    listener.start()
    level = logging.getLogger().getEffectiveLevel()
    executor = ProcessPoolExecutor(
        processes,
        mp_context=context,
        initializer=_begin,
        initargs=(log, level, ONE_THREAD | (NONE_TO_SPARE if processes >= cores() else {})),
    )
    try:
        yield executor.map
    except BaseException as error:
        for process in set(active_children()) - others:
            process.kill()  # else it would train to its end
        if isinstance(error, BrokenProcessPool):
            raise Pix2zError(
                "a process that trained a network was killed (out of memory?); what it had "
                "finished is kept, the same command goes on"
            ) from error
        raise
    finally:
        executor.shutdown(cancel_futures=True)
        _stop(listener)


def _stop(listener: QueueListener) -> None:
    """Wait for the last lines, but not for ever.

    A process that was killed while it logged holds the lock of the queue, and nobody, this process
    included, can put in the word that ends it.
    """
    stopping = Thread(target=listener.stop, daemon=True)
    stopping.start()
    stopping.join(LAST_LINES_SECONDS)


def _begin(log: Any, level: int, environment: dict[str, str]) -> None:
    """Prepare a process before its first task."""
    os.environ.update(environment)  # of what is loaded from here on
    threadpool_limits(1)  # of what the main module has loaded
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this one
    logging.getLogger().addHandler(QueueHandler(log))
    logging.getLogger().setLevel(level)
    Thread(target=end_with_parent, daemon=True).start()
