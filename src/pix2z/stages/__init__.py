"""One thin main per DVC stage.

A stage imports what it needs before its main runs, so that a missing package is told from here.
"""

import sys
from types import TracebackType

from pix2z.process import missing_extra


def _tell_missing_extra(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """End with one line where an extra of pix2z is missing, else with the stack trace."""
    words = missing_extra(error) if isinstance(error, ModuleNotFoundError) else None
    if words is None:
        sys.__excepthook__(kind, error, trace)
    else:
        sys.stderr.write(f"error: {words}\n")


sys.excepthook = _tell_missing_extra
