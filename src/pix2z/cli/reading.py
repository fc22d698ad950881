"""What commands that read a user's file of galaxies share: its options, and how it is opened."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from pix2z.cli.display import number_of, say
from pix2z.config.ingest import Hdf5Mapping, IngestConfig
from pix2z.config.section import first_fault
from pix2z.errors import InputError, ParamsError

if TYPE_CHECKING:
    from pix2z.ingest.raw import RawSurvey

__all__ = [
    "CheckOption",
    "EbvOption",
    "Given",
    "HatsOption",
    "LayoutOption",
    "MapOption",
    "ParamsOption",
    "check_hats",
    "check_input",
    "check_output",
    "done",
    "galaxies",
    "open_images",
    "params_file",
    "read_mapping",
    "refuse_input",
    "say_hats",
]


LayoutOption = Annotated[
    str | None,
    typer.Option(
        help="Layout of the file: sdss32, nersc, pasquet, galaxies, hdf5, fits, npz or npy.",
        show_default="found out",
    ),
]

ParamsOption = Annotated[
    Path | None,
    typer.Option(
        help="File whose ingest.hdf5 says where things are.",
        show_default="params.yaml of the checkout",
    ),
]

MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        "-m",
        metavar="KEY=VALUE",
        help="One entry of ingest.hdf5, before that of the file, as -m images=stamps -m unit=nJy; "
        "null for none. Repeat as needed.",
    ),
]

EbvOption = Annotated[
    str | None,
    typer.Option(
        metavar="VALUE|KEY", help="E(B-V) of all galaxies in mag, or the key of their column."
    ),
]

CheckOption = Annotated[
    bool, typer.Option(help="Refuse pixels that do not look like ugriz in nanomaggies.")
]

HatsOption = Annotated[
    Path | None,
    typer.Option(help="Folder to make of the output: a HATS catalogue, which lsdb opens."),
]

PARAMS = "params.yaml"

NONE_WORDS = ("", "null", "none", "~")

EITHER_OR = {"unit": "zero_point", "zero_point": "unit"}


def read_mapping(params: Path | None, entries: list[str] | None) -> Hdf5Mapping:
    """Where a file keeps things, what its pixels are: `params`, with `entries` (KEY=VALUE) over it.

    Parameters
    ----------
    params : a params.yaml; None takes that of the checkout, else of the working folder, where there
        is one, else the defaults of `Hdf5Mapping`.

    Raises
    ------
    ParamsError
        One line naming the file or entry, the key and what was expected.
    """
    given: dict[str, str | None] = {}
    for key, value in map(_entry, entries or []):
        if given.setdefault(key, value) != value:
            raise ParamsError(f"option -m: expected one {key}; received {given[key]} and {value}")
    path = params_file(params)
    base = IngestConfig.read(path).hdf5.given if path else {}
    for key, other in EITHER_OR.items():
        if given.get(key) is not None and other not in given:
            base.pop(other, None)
    try:
        return Hdf5Mapping.model_validate({**base, **given})
    except ValidationError as error:
        raise first_fault(error, path="option -m", key="hdf5") from error


def params_file(params: Path | None) -> Path | None:
    """Return `params` where it is given, else the params.yaml beside the models, if any."""
    from pix2z.tracking.checkout import models_home

    beside = models_home() / PARAMS
    return params or (beside if beside.is_file() else None)


def _entry(text: str) -> tuple[str, str | None]:
    key, sign, value = (part.strip() for part in text.partition("="))
    if not sign:
        raise ParamsError(f"option -m: expected KEY=VALUE; received {text!r}")
    if key not in Hdf5Mapping.model_fields:
        known = ", ".join(Hdf5Mapping.model_fields)
        raise ParamsError(f"option -m: expected one of {known}; received {key!r}")
    return key, None if value.lower() in NONE_WORDS else value


def check_input(path: Path) -> None:
    """Raise InputError where there is nothing of that name."""
    if not path.exists():
        raise InputError(f"{path}: cannot be opened: no such file")


def check_output(path: Path | None, *suffixes: str) -> None:
    """Raise InputError where a path is not the name of a file with one of the suffixes."""
    if path is None:
        return
    if path.suffix not in suffixes:
        raise InputError(f"{path}: expected a name ending in {' or '.join(suffixes)}")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; expected the name of a file")


def check_hats(folder: Path, *outputs: Path | None) -> None:
    """Raise InputError where no HATS catalogue can be made in a folder, or outputs lie in it."""
    from pix2z.catalogue.hats import check_hats_folder

    for path in outputs:
        if path and folder.absolute() in path.absolute().parents:
            raise InputError(f"{path}: lies in {folder}; expected a folder for the catalogue alone")
    check_hats_folder(folder)


def say_hats(folder: Path) -> None:
    """Say how a HATS catalogue is opened."""
    say(f"{folder} is a HATS catalogue of it: lsdb.open_catalog({str(folder)!r})")


@dataclass(frozen=True)
class Given:
    """A user's file of galaxies, and what the options of a command say of it.

    layout, mapping, ebv_key : as `ingest.source.open_source` takes them. ebv : E(B-V) in mag of all
    galaxies; None where each has its own. check : whether pixels must look like nanomaggies.
    """

    path: Path
    layout: str | None
    mapping: Hdf5Mapping
    ebv: float | None
    ebv_key: str | None
    check: bool

    @classmethod
    def read(
        cls,
        path: Path,
        *,
        layout: str | None,
        params: Path | None,
        mapping: list[str] | None,
        ebv: str | None,
        check: bool,
    ) -> "Given":
        """Understand the options of these names; raise InputError where they make no sense."""
        everywhere, ebv_key = _told_ebv(ebv, mapping)
        return cls(path, layout, read_mapping(params, mapping), everywhere, ebv_key, check)


@contextmanager
def open_images(given: Given, *outputs: Path | None, verb: str) -> Iterator["RawSurvey"]:
    """Open galaxies in any layout, read-only.

    Parameters
    ----------
    outputs : files that will be written.
    verb : what the command does all the same without a check of the pixels, for the message.

    Raises
    ------
    InputError
        The file is not what was expected, or an output would replace a file of it.
    """
    from pix2z.files import KINDS
    from pix2z.hdf5 import begin_guard

    if given.path.suffix in KINDS["HDF5"]:
        begin_guard()  # which starts while this process imports the rest

    from pix2z.ingest.checks import usable_pixels
    from pix2z.ingest.plausibility import photometry_problems
    from pix2z.ingest.source import open_source

    path, key = given.path, given.ebv_key
    with (
        _explained(key),
        open_source(path, layout=given.layout, mapping=given.mapping, ebv_key=key) as survey,
    ):
        for output in outputs:
            refuse_input(output, (path for file in survey.files for path in file.paths))
        problems = photometry_problems(usable_pixels(survey)) if given.check else ()
        if problems:
            raise InputError(f"{path}: {'; '.join(problems)} (--no-check {verb} all the same)")
        yield survey


def refuse_input(output: Path | None, inputs: Iterable[Path]) -> None:
    """Raise InputError where a file to be written is one of those that are read."""
    for path in inputs:
        if output is not None and output.exists() and path.exists() and output.samefile(path):
            raise InputError(f"{output}: is the input itself; expected another name")


def galaxies(n: int) -> str:
    """Say how many galaxies there are."""
    return number_of(n, "galaxy", "galaxies")


def done(n: int, seconds: float) -> str:
    """Say how many galaxies took how long."""
    rate = n / max(seconds, 1e-9)
    return f"{galaxies(n)} in {seconds:.1f} s" + (f" ({rate:,.0f} per s)" if rate >= 1 else "")


def _told_ebv(ebv: str | None, mapping: list[str] | None) -> tuple[float | None, str | None]:
    """Tell what --ebv gives: E(B-V) of all galaxies in mag, or the key of a column.

    mapping : entries of -m, which must not name a column of E(B-V), too.
    """
    if ebv is not None and any(_entry(text)[0] == "ebv" for text in mapping or []):
        raise InputError(f"expected --ebv {ebv} or an entry -m ebv, not both")
    if ebv is None:
        return None, None
    try:
        value = float(ebv) if ebv else math.nan
    except ValueError:
        return None, ebv
    from pix2z.dataset.stamps import LARGEST_EBV

    if not 0 <= value <= LARGEST_EBV:
        raise InputError(
            f"--ebv: expected E(B-V) of 0 to {LARGEST_EBV:g} mag, or a key; received {ebv!r}"
        )
    return value, None


@contextmanager
def _explained(ebv_key: str | None) -> Iterator[None]:
    """Say that a missing key is what --ebv was taken for."""
    try:
        yield
    except InputError as error:
        if ebv_key is None or f"{ebv_key!r} is missing" not in str(error):
            raise
        raise InputError(f"--ebv: {ebv_key!r} is no number, and {error}") from error
