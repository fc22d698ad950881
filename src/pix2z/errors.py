"""The exceptions of pix2z; every message names the file, key or array at fault.

::

    Pix2zError              exit code 1
    ├── InputError          exit code 2: a file, key, array or option is not what was expected
    │   └── ParamsError     params.yaml has an unknown, missing or impossible key
    ├── IntegrityError      exit code 1: a saved thing does not match its digest
    └── RefusedError        exit code 3: a promotion or rollback that may not be made now
"""

__all__ = ["InputError", "IntegrityError", "ParamsError", "Pix2zError", "RefusedError"]


class Pix2zError(Exception):
    """Base of every error a person is meant to read; one clear line, no stack trace."""

    exit_code = 1


class InputError(Pix2zError):
    """A file, key, array or option is not what was expected."""

    exit_code = 2


class ParamsError(InputError):
    """params.yaml has an unknown, missing or impossible key."""


class IntegrityError(Pix2zError):
    """A saved file does not match the digest recorded for it."""


class RefusedError(Pix2zError):
    """A promotion or rollback that may not be made now; the registry is as it was."""

    exit_code = 3
