"""What an HDF5 file says of itself in attributes: read here, and nowhere else.

Attributes are claims of whoever wrote the file. Here they are only read, as plain text and numbers;
`units` and `mapped` say what they mean and whether they agree with what the user gave.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py

from pix2z.hdf5 import integer_attribute, text_attribute

__all__ = ["NOTHING_SAID", "Said", "read_attributes", "schema_version", "unit_shown"]

UNIT = ("unit", "units")
"""Attributes of the images or the file that name the unit of the pixels."""

UNIT_SHOWN = (*UNIT, "bunit", "BUNIT", "UNIT")
"""Attributes of any array that `pix2z inspect` shows as its unit."""


@dataclass(frozen=True)
class Said:
    """What a file says of its images and of itself.

    Attributes
    ----------
    source : what the survey is, in the file's own words; None where there are none.
    schema_version : of what ingest writes; None for all other files.
    units : where it stands, as "attribute 'unit' of the images" -> the unit of the pixels.
    """

    source: str | None
    schema_version: int | None
    units: Mapping[str, str]


NOTHING_SAID = Said(source=None, schema_version=None, units={})
"""Of a file without attributes, such as an npz."""


def read_attributes(file: h5py.File, images: h5py.Dataset, path: str | Path) -> Said:
    """Read what a file says; raise InputError where an attribute is damaged."""
    return Said(
        source=text_attribute(file, "source", path),
        schema_version=schema_version(file, path),
        units={
            f"attribute {name!r} of the {what}": text
            for what, holder in (("images", images), ("file", file))
            for name in UNIT
            if (text := text_attribute(holder, name, path))
        },
    )


def schema_version(file: h5py.File, path: str | Path) -> int | None:
    """Return the version of a file that ingest wrote; None for all others."""
    return integer_attribute(file, "schema_version", path)


def unit_shown(array: h5py.Dataset, path: str | Path) -> str | None:
    """Return the unit that any array of a file names, to be shown."""
    texts = (text_attribute(array, name, path) for name in UNIT_SHOWN)
    return next((text for text in texts if text), None)
