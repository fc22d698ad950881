"""What commands that read a user's file share: its options, and the mapping they make."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from pix2z.config.ingest import Hdf5Mapping, IngestConfig
from pix2z.config.section import first_fault
from pix2z.errors import ParamsError

__all__ = ["LayoutOption", "MapOption", "ParamsOption", "params_file", "read_mapping"]

LayoutOption = Annotated[
    str | None,
    typer.Option(
        help="Layout of the file: seed, nersc, pasquet, galaxies or hdf5.", show_default="found out"
    ),
]

ParamsOption = Annotated[
    Path | None,
    typer.Option(
        help="File whose ingest.hdf5 says where things are.",
        show_default="params.yaml, where there is one",
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

DEFAULT_PARAMS = Path("params.yaml")

NONE_WORDS = ("", "null", "none", "~")

EITHER_OR = {"unit": "zero_point", "zero_point": "unit"}


def read_mapping(params: Path | None, entries: list[str] | None) -> Hdf5Mapping:
    """Where a user's HDF5 file keeps things: `params`, with `entries` (KEY=VALUE) laid over.

    Parameters
    ----------
    params : a params.yaml; None takes the one in the working folder where there is one, else the
        defaults of `Hdf5Mapping`.

    Raises
    ------
    ParamsError
        One line naming the file or entry, the key and what was expected.
    """
    given = dict(_entry(text) for text in entries or [])
    path = params_file(params)
    base = IngestConfig.read(path).hdf5.model_dump() if path else {}
    for key, other in EITHER_OR.items():
        if given.get(key) is not None and other not in given:
            base.pop(other, None)
    try:
        return Hdf5Mapping.model_validate({**base, **given})
    except ValidationError as error:
        raise first_fault(error, path="option -m", key="hdf5") from error


def params_file(params: Path | None) -> Path | None:
    """Return `params` where it is given, else the params.yaml of the working folder, if any."""
    return params or (DEFAULT_PARAMS if DEFAULT_PARAMS.is_file() else None)


def _entry(text: str) -> tuple[str, str | None]:
    key, sign, value = (part.strip() for part in text.partition("="))
    if not sign:
        raise ParamsError(f"option -m: expected KEY=VALUE; received {text!r}")
    if key not in Hdf5Mapping.model_fields:
        known = ", ".join(Hdf5Mapping.model_fields)
        raise ParamsError(f"option -m: expected one of {known}; received {key!r}")
    return key, None if value.lower() in NONE_WORDS else value
