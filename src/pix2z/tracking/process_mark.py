"""Which process writes a run, so that others can tell whether it still lives."""

import os
import socket
from pathlib import Path

__all__ = ["PROCESS_TAG", "is_gone", "lives", "this_process"]

PROCESS_TAG = "process"
"""Of a run: machine, process id, and when that process began, as the kernel counts."""


def this_process() -> str:
    """Return the mark of this process."""
    return f"{socket.gethostname()} {os.getpid()} {_began(os.getpid())}"


def is_gone(mark: str) -> bool | None:
    """Tell whether a marked process has ended; None where that cannot be told from here."""
    host, _, rest = mark.rpartition(" ")[0].rpartition(" ")
    began = mark.rpartition(" ")[2]
    if host != socket.gethostname() or not rest.isdigit():
        return None
    return not lives(int(rest)) or _began(int(rest)) != began


def lives(pid: int) -> bool:
    """Tell whether there is a process of this id on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _began(pid: int) -> str:
    """When a process began, in ticks since the machine did: ids are used again. 0 if not known."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return "0"
    return text.rpartition(")")[2].split()[19]  # field 22; the name before it may hold blanks
