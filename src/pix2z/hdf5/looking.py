"""Looking at an HDF5 file from a process of its own, which can be ended where HDF5 hangs.

HDF5 walks the global heaps of a file, where texts of variable length and the sources of virtual
datasets lie, by sizes that the file gives. A damaged size sends it round for ever, or asks for 4
GiB, within a call that nothing in this process can interrupt. So another process does first what
readers do before they read arrays: it opens all objects, and it alone reads such texts.

It is started with the first file, in about 0.3 s, and ends with this process; a file of a few
objects then takes it 2 ms.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Lock
from typing import IO, Any, cast

from pix2z.errors import InputError

__all__ = ["look_at", "variable_text"]

SECONDS = 10.0
"""For one answer, which takes some milliseconds, and longer only where a disk is slow."""

_lock = Lock()
_started: dict[int, subprocess.Popen[str]] = {}  # by the process that started it: forks start more


def look_at(path: str | Path) -> None:
    """Raise InputError where HDF5 hangs or crashes on opening what is in a file."""
    _answer(path, [])


def variable_text(path: str | Path, place: str, name: str) -> str:
    """Text of variable length in an attribute of the object at `place`.

    Raises
    ------
    InputError
        HDF5 hangs or crashes on it.
    OSError
        It cannot be read.
    """
    answer = _answer(path, [place, name])
    if isinstance(answer, str):
        return answer
    raise OSError(answer["raised"])


def _answer(path: str | Path, question: list[str]) -> Any:
    with _lock:
        process = _started.get(os.getpid()) or _start()
        line = _exchange(process, json.dumps([str(Path(path).absolute()), *question]))
        if line:
            return json.loads(line)
        code = process.returncode
    if code == -signal.SIGALRM:
        raise InputError(f"{path}: damaged: HDF5 gives no answer within {SECONDS:g} s")
    raise InputError(f"{path}: damaged: HDF5 ended with exit code {code} on it")


def _exchange(process: subprocess.Popen[str], question: str) -> str:
    """Answer to a question; empty where the process has ended instead."""
    stdin, stdout = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
    line = ""
    try:
        stdin.write(question + "\n")
        stdin.flush()
        line = stdout.readline()
    except BrokenPipeError:
        pass
    finally:
        if not line:  # also where this was interrupted: the answer would be taken for the next
            _started.pop(os.getpid())
            process.kill()
            process.communicate()
    return line


def _start() -> subprocess.Popen[str]:
    # -P: no module beside the script can be taken for another
    process = subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__).with_name("probe.py")), str(SECONDS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    _started[os.getpid()] = process
    return process


@atexit.register
def _end() -> None:
    process = _started.pop(os.getpid(), None)
    if process is not None:
        process.kill()
        process.communicate()
