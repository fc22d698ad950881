"""What a command or a stage does to its process: its surroundings, its signals, and how it ends."""

import io
import os
import re
import select
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import requires
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from tempfile import gettempdir
from threading import Thread
from typing import Any, TypeVar

from pix2z.errors import InputError, Pix2zError

__all__ = [
    "beside",
    "cores",
    "end_with_parent",
    "ended_by_signals",
    "missing_extra",
    "needs_extra",
    "one_line_if_interrupted",
    "run",
]

INTERRUPTED, BROKEN_PIPE = 130, 141
"""Exit codes after Ctrl-C, and where nobody reads stdout any more: 128 + SIGINT, + SIGPIPE."""

IMPORTED_AS = {
    "pz-rail-base": "rail",
    "qp-prob": "qp",
    "scikit-learn": "sklearn",
    "xgboost-cpu": "xgboost",
}
"""Distribution -> the package that it installs, where that has another name."""

_OF_EXTRA = re.compile(r"""([\w.-]+).*extra == ["'](\w+)["']""")


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


T = TypeVar("T")


@contextmanager
def beside(
    function: Callable[..., T], *arguments: Any, processes: int | None
) -> Iterator[Callable[[], T]]:
    """Run a function in a second process while the block does something else.

    Yields what waits for its result, which travels by pickle as the arguments do; an error of the
    function is raised there. Libraries compute with as many threads as they would here, so that
    no digit depends on where it runs. The process ends with the block, and with this process,
    however it ends.

    Parameters
    ----------
    processes : as `compute.processes` of params.yaml. With one, or on one core where it is None,
        the function runs in this process, when its result is asked for.

    Raises
    ------
    Pix2zError
        The second process was killed from outside.
    """
    if (processes or cores()) == 1:
        yield partial(function, *arguments)
        return
    others = set(active_children())
    executor = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin_beside)
    try:
        yield executor.submit(function, *arguments).result
    except BaseException as error:
        for process in set(active_children()) - others:
            process.kill()  # else it would work to its end
        if isinstance(error, BrokenProcessPool):
            raise Pix2zError("a second process was killed (out of memory?)") from error
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def _begin_beside() -> None:
    """Leave Ctrl-C to the first process, and leave nothing behind where that was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Wait for the process that started this one, and end: it may be killed and not say so."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def run(main: Callable[[], None]) -> None:
    """Run a command or a stage; what a person can mend ends it with one line and an exit code.

    That is what pix2z raises, and whatever library meets a file, a folder, a text or a terminal
    that is not what it needs; and a package that an extra of pix2z installs, and this installation
    has not. Other errors keep their stack trace: they are defects, to be seen.
    """
    _open_closed_streams()
    # A notebook hands the commands that it starts its own, which they may not have.
    os.environ["MPLBACKEND"] = "agg"
    try:
        _check_folder()
        _find_home()
        with ended_by_signals():
            try:
                main()
            finally:
                sys.stdout.flush()
    except Pix2zError as error:
        _end(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        if (words := missing_extra(error)) is None:
            raise
        _end(words, Pix2zError.exit_code)
    except BrokenPipeError as error:  # `| head` has what it wanted, but there are other pipes
        _end("" if _nobody_reads_stdout() else _words(error), BROKEN_PIPE)
    except (OSError, UnicodeError) as error:
        _end(_words(error), InputError.exit_code)


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """Say which extra of pix2z names the package that is missing; None where none does.

    Which extra brings what is read from the requirements of the installed pix2z, so that it is
    written in pyproject.toml alone.
    """
    for requirement in requires("pix2z") or ():
        if found := _OF_EXTRA.match(requirement):
            distribution, extra = found.groups()
            package = IMPORTED_AS.get(distribution, distribution.replace("-", "_"))
            if package == error.name:
                return needs_extra(package, extra)
    return None


def needs_extra(package: str, extra: str) -> str:
    """Say that a package is missing, and how it is installed."""
    return f"this needs {package}, which the extra [{extra}] installs: pip install 'pix2z[{extra}]'"


def _open_closed_streams() -> None:
    """Let every stream take any text, and open those that a shell closed (``>&-``) on nothing.

    Else the next file that is opened would have the number of stdout, and be printed into.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _check_folder() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise InputError(
            f"the current folder: {error.strerror}; change into one that exists"
        ) from error


def _find_home() -> None:
    """Give a user without a home one, as in a container: astropy looks for settings in it."""
    try:
        Path.home()
    except RuntimeError:
        home = Path(gettempdir(), f"pix2z-{os.getuid()}")
        home.mkdir(exist_ok=True)
        os.environ["HOME"] = str(home)


@contextmanager
def ended_by_signals(*, as_ctrl_c: bool = False) -> Iterator[None]:
    """Let a batch system's SIGTERM, and a closed terminal, end the block as an error does.

    What is half-written is removed then. Not where SIGHUP is ignored: `nohup` asks for that.

    Parameters
    ----------
    as_ctrl_c : end it with KeyboardInterrupt, by SIGINT too where a shell had that ignored.
    """

    def end(number: int, _: Any) -> None:
        raise KeyboardInterrupt if as_ctrl_c else SystemExit(128 + number)

    wanted = [signal.SIGTERM, signal.SIGHUP]
    wanted = [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]
    wanted += [signal.SIGINT] * as_ctrl_c
    before = {number: signal.signal(number, end) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def one_line_if_interrupted(what_is_kept: Callable[[], str]) -> Iterator[None]:
    """Let Ctrl-C end the command with one line, which says what goes on from where."""
    try:
        yield
    except KeyboardInterrupt:
        _end(f"interrupted: {what_is_kept()}", INTERRUPTED, begin="")


def _nobody_reads_stdout() -> bool:
    asked = select.poll()
    asked.register(sys.stdout.fileno(), 0)
    return bool(asked.poll(0))


def _words(error: OSError | UnicodeError) -> str:
    """Say what failed in one line: the file, if it is one, and why."""
    if not isinstance(error, OSError) or error.strerror is None:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    if error.filename is None:
        return error.strerror
    return f"{os.fsdecode(error.filename)}: {error.strerror}"


def _end(words: str, exit_code: int, *, begin: str = "error: ") -> None:
    """End the process with a line on stderr: these words, or that stdout took nothing."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python would try again
        words = words and f"stdout: cannot be written ({error.strerror})"
    with suppress(OSError):
        sys.stderr.write(f"{begin}{words}\n" if words else "")
    sys.exit(exit_code)
