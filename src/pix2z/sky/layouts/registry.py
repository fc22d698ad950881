"""Layouts by name."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from pix2z.errors import InputError
from pix2z.sky.layouts.nersc import open_nersc
from pix2z.sky.layouts.raw import RawSurvey
from pix2z.sky.layouts.seed import open_seed

__all__ = ["LAYOUTS", "open_raw"]

LAYOUTS: dict[str, Callable[[str | Path], AbstractContextManager[RawSurvey]]] = {
    "nersc": open_nersc,
    "seed": open_seed,
}


def open_raw(path: str | Path, *, layout: str) -> AbstractContextManager[RawSurvey]:
    """Open a raw file in the layout of that name."""
    if layout not in LAYOUTS:
        raise InputError(f"layout: expected one of {', '.join(LAYOUTS)}; received {layout!r}")
    return LAYOUTS[layout](path)
