"""What commands share that go through a file of images in any layout and write beside it."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pix2z.config.ingest import Hdf5Mapping
from pix2z.errors import InputError

if TYPE_CHECKING:
    from pix2z.ingest.layouts.raw import RawSurvey

__all__ = ["CheckOption", "EbvOption", "check_output", "ebv_option", "flags_text", "open_images"]

EbvOption = Annotated[
    str | None,
    typer.Option(
        metavar="VALUE|KEY", help="E(B-V) of all galaxies in mag, or the key of their column."
    ),
]

CheckOption = Annotated[
    bool, typer.Option(help="Refuse pixels that do not look like ugriz in nanomaggies.")
]


def check_output(path: Path | None, *suffixes: str) -> None:
    """Raise InputError where a path is not the name of a file with one of the suffixes."""
    if path is None:
        return
    if path.suffix not in suffixes:
        raise InputError(f"{path}: expected a name ending in {' or '.join(suffixes)}")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; expected the name of a file")


def ebv_option(text: str | None) -> tuple[float | None, str | None]:
    """Tell a value for all galaxies from the key of a column."""
    if text is None:
        return None, None
    try:
        value = float(text)
    except ValueError:
        return None, text
    if not (math.isfinite(value) and value >= 0):
        raise InputError(f"--ebv: expected E(B-V) of 0 mag or more, or a key; received {text!r}")
    return value, None


@contextmanager
def open_images(
    path: Path,
    *outputs: Path | None,
    layout: str | None,
    mapping: Hdf5Mapping,
    ebv_key: str | None,
    check: bool,
    verb: str,
) -> Iterator["RawSurvey"]:
    """Open galaxies in any layout, read-only.

    Parameters
    ----------
    outputs : files that will be written.
    check : whether pixels must look like ugriz in nanomaggies; `verb` says in the message what
        the command does all the same without.

    Raises
    ------
    InputError
        The file is not what was expected, or an output would replace a file of it.
    """
    from pix2z.ingest.plausibility import photometry_problems
    from pix2z.ingest.source import open_source
    from pix2z.ingest.usable_pixels import usable_pixels

    with (
        _explained(ebv_key),
        open_source(path, layout=layout, mapping=mapping, ebv_key=ebv_key) as survey,
    ):
        for output in outputs:
            _refuse_input(survey, output)
        problems = photometry_problems(usable_pixels(survey)) if check else ()
        if problems:
            raise InputError(f"{path}: {'; '.join(problems)} (--no-check {verb} all the same)")
        yield survey


def flags_text(n_flagged: int, n_by_flag: Mapping[int, int], meanings: Mapping[int, str]) -> str:
    """How many galaxies are flagged and why, as "1 flagged (a band is absent: 1)"."""
    kinds = [f"{meanings[bit].split(',')[0]}: {n:,}" for bit, n in n_by_flag.items() if n]
    return f"{n_flagged:,} flagged" + (f" ({', '.join(kinds)})" if kinds else "")


def _refuse_input(survey: "RawSurvey", output: Path | None) -> None:
    for source in survey.files:
        if output is not None and output.exists() and output.samefile(source.path):
            raise InputError(f"{output}: is the input itself; expected another name")


@contextmanager
def _explained(ebv_key: str | None) -> Iterator[None]:
    """Say that a missing key is what --ebv was taken for."""
    try:
        yield
    except InputError as error:
        if ebv_key is None or f"{ebv_key!r} is missing" not in str(error):
            raise
        raise InputError(f"--ebv: {ebv_key!r} is no number, and {error}") from error
