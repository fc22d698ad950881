"""TensorFlow without its greetings."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

__all__ = ["quiet_import"]


@contextmanager
def quiet_import() -> Iterator[None]:
    """Hold back what is written to stderr while TensorFlow is imported; an error lets it through.

    TensorFlow 2.21 writes of processors and drivers before it looks at TF_CPP_MIN_LOG_LEVEL, from
    native code, so the file descriptor itself is turned aside.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    with TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            aside.seek(0)
            os.write(terminal, aside.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
