"""What HDF5 and npz files say of themselves: where it is read, and nowhere else.

In HDF5 it stands in attributes of the images, of their group and of the file, in the fill value of
the images, and in small datasets beside them; in an npz in small arrays. `said` knows the names.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.lib import format as npy

from pix2z.errors import InputError
from pix2z.hdf5 import (
    MOST_VALUES,
    attribute_names,
    attribute_values,
    dataset_values,
    find_dataset,
    integer_attribute,
    plain,
    reading,
    text_attribute,
)
from pix2z.imaging import BANDS
from pix2z.imaging.names import what_is_called
from pix2z.ingest.npz import Member, open_zip, read_header
from pix2z.said.claims import Claim, Said, claims_in

__all__ = ["array_said", "read_attributes", "read_members", "unit_shown"]

OWN = frozenset(
    {
        *("source", "schema_version", "source_sha256", "parent_sha256", "seed", "data_release"),
        *("CLASS", "NAME", "DIMENSION_LIST", "DIMENSION_LABELS", "REFERENCE_LIST"),
        *("_Netcdf4Dimid", "_Netcdf4Coordinates", "_NCProperties"),
    }
)
"""Attributes that say nothing of pixels: pix2z's own and those of HDF5 and netCDF."""

OF_STORED_NUMBERS = ("masked", "scale", "offset")
"""What of `names.UNDERSTOOD` is done to stored numbers."""

OF_FLUXES = ("unit", "zero_point", "magnitude_0_flux")
"""What of them says what a flux is."""

LARGEST_MEMBER = 4096
"""Bytes of an array of an npz that can say something."""


def read_attributes(file: h5py.File, images: h5py.Dataset, path: str | Path) -> Said:
    """Read what a file says; raise InputError where an attribute is damaged."""
    holders: dict[str, h5py.HLObject] = {"the images": images}
    with reading(path, "attributes"):
        group = above = images.parent
        while above != above.parent:
            holders[str(above.name)] = above
            above = above.parent
    holders["the file"] = file
    claims, unused = list(array_said(images, path, "the images").claims), []
    for what, holder in holders.items():
        if holder is not images:
            claims += _attribute_claims(holder, path, what)
        for name in attribute_names(holder, path):
            if what_is_called(name) is None and name not in OWN:
                unused.append(f"attribute {plain(name)!r} of {what}")
    for beside in (group,) if group == file else (group, file):
        held, left = _beside(beside, images, path)
        said = list(claims_in(held, lambda name: f"dataset {plain(name)!r}"))
        _check_of_bands(said, images.shape or (), path)
        claims += said
        unused += left
    return Said(
        claims=tuple(claims),
        source=text_attribute(file, "source", path),
        schema_version=integer_attribute(file, "schema_version", path),
        unused=tuple(unused),
    )


def array_said(array: h5py.Dataset, path: str | Path, what: str) -> Said:
    """Read what one array of an HDF5 file says of itself; `what` names it in messages."""
    claims = list(_attribute_claims(array, path, what))
    with reading(path, what):
        fill = array.fillvalue if array.dtype.kind in "fiu" else 0
    if fill != 0:
        claims.append(Claim("masked", f"the fill value of {what}", (np.asarray(fill).item(),)))
    return Said(claims=tuple(claims))


def read_members(path: str | Path, images: Member) -> Said:
    """Read what small arrays of an npz say of its images."""
    held: dict[str, Any] = {}
    unused = []
    with open_zip(path) as archive, reading(path):
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name in (info.filename, images.name):
                continue
            with archive.open(info) as stream, reading(path, name):
                shape, _, _ = read_header(stream)
            if _is_said_of_images(name, shape, images.shape):
                held[name] = None
                if info.file_size <= LARGEST_MEMBER:
                    with archive.open(info) as stream, reading(path, name):
                        held[name] = _plain_values(npy.read_array(stream, allow_pickle=False))
            elif _is_unused(name, shape, images.shape):
                unused.append(f"array {plain(name)!r}")
    claims = tuple(claims_in(held, lambda name: f"array {name!r}"))
    _check_of_bands(claims, images.shape, path)
    return Said(claims=claims, unused=tuple(unused))


def unit_shown(array: h5py.Dataset, path: str | Path) -> str | None:
    """Return the unit that any array of a file names, to be shown."""
    units = Said(tuple(_attribute_claims(array, path, "it"))).of("unit")
    return next((str(claim.values[0]) for claim in units if claim.values), None)


def _attribute_claims(holder: h5py.HLObject, path: str | Path, what: str) -> Iterator[Claim]:
    names = [name for name in attribute_names(holder, path) if what_is_called(name)]
    held = {name: attribute_values(holder, name, path) for name in names}
    return claims_in(held, lambda name: f"attribute {plain(name)!r} of {what}")


def _beside(
    group: h5py.Group, images: h5py.Dataset, path: str | Path
) -> tuple[dict[str, Any], list[str]]:
    """Return the values of the datasets of a group that say something, and those not used."""
    with reading(path):
        shapes = {
            str(name): group[name].shape or ()
            for name in group
            if isinstance(group.get(name, getlink=True), h5py.HardLink)
            and isinstance(group[name], h5py.Dataset)
            and group[name] != images
        }
    held, unused = {}, []
    for name, shape in shapes.items():
        if _is_said_of_images(name, shape, images.shape or ()):
            array = find_dataset(group.file, path, f"{group.name}/{name}")
            held[name] = dataset_values(array, path)
        elif _is_unused(name, shape, images.shape or ()):
            unused.append(f"dataset {plain(name)!r}")
    return held, unused


def _is_said_of_images(name: str, shape: tuple[int, ...], images: tuple[int, ...]) -> bool:
    """Whether an array beside images says something of all of them.

    What is done to stored numbers is said in one number, or in one for each band; under the same
    names there are columns, with a number for each galaxy.
    """
    what, _ = what_is_called(name) or ("", "")
    n_bands = {length for length in images[1:] if length <= len(BANDS)} - set(images[:1])
    one_each = shape in ((), (1,), *((length,) for length in n_bands))
    return bool(what) and (what not in OF_STORED_NUMBERS or one_each)


def _check_of_bands(said: Iterable[Claim], images: tuple[int, ...], path: str | Path) -> None:
    """Raise InputError where fluxes of as many galaxies as bands have one number for each.

    Scale and offset are taken for those of the galaxies then: see `_is_said_of_images`.
    """
    for claim in said:
        values = claim.values or ()
        both = (len(values),) == images[:1] and len(values) in images[1:]
        if claim.what in OF_FLUXES and both and len(set(values)) > 1 and len(values) <= len(BANDS):
            raise InputError(
                f"{path}: {claim}: there are {len(values)} galaxies and {len(values)} bands, and "
                "each of either may have one; expected one number for all, or one for each band "
                "under a name of its own, such as zp_u"
            )


def _is_unused(name: str, shape: tuple[int, ...], images: tuple[int, ...]) -> bool:
    """Whether an array of which no notice is taken looks like images, or has a name of `said`."""
    return (len(shape) >= 3 and shape[:1] == images[:1]) or what_is_called(name) is not None


def _plain_values(array: np.ndarray[Any, Any]) -> tuple[Any, ...] | None:
    if array.dtype.kind not in "SUfiu" or not 1 <= array.size <= MOST_VALUES:
        return None
    values = array.reshape(-1).tolist()
    return tuple(v.decode(errors="replace") if isinstance(v, bytes) else v for v in values)
