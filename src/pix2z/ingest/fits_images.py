"""FITS files of cut-outs: a cube, or one image per band in one file or in one file per band.

A cube is (bands, ny, nx) of one galaxy or (N, bands, ny, nx) of many. An image of one band, (ny,
nx) or (N, ny, nx), says which in EXTNAME, FILTER or BAND, or its file does by its name, as
``m51-r.fits``. Columns are those of a table of N rows in the file or, of one galaxy, cards of its
headers; where no other is named, its position is that of the WCS.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pix2z.config.ingest import Hdf5Mapping
from pix2z.errors import InputError
from pix2z.fits import opened_fits, reading_fits
from pix2z.hdf5 import plain
from pix2z.imaging import BANDS
from pix2z.ingest.columns import StoredColumn
from pix2z.ingest.fits_headers import Plane, read_plane, said_together
from pix2z.ingest.mapped import column_keys, survey_of
from pix2z.ingest.raw import RawSurvey
from pix2z.said.claims import NOTHING_SAID, Said, band_in, claims_in

__all__ = ["galaxies_by_band", "open_fits", "shown_name"]

NO_FLUX = frozenset(
    {"err", "error", "errors", "ivar", "invvar", "var", "variance", "rms", "sigma", "wht", "weight"}
    | {"mask", "dq", "maskbits", "bitmask", "psf", "model", "resid", "exp", "exptime", "nexp"}
    | {"uncert", "uncertainty", "std", "stddev", "noise", "weights", "wt", "flag", "flags", "seg"}
)
"""Words in the name of an HDU that holds no fluxes."""

UNCHECKED_BYTES = 1 << 26
"""An image that claims to be no larger than this may be packed as it likes."""

JOHNSON = frozenset({"b", "v"})
"""Filters beside which R and I are not those of SDSS."""

MOST_COMPRESSION = 4096
"""Claimed over stored bytes of a packed image."""

CARDS = {"unit": "TUNIT", "blank": "TNULL"}
"""What a column of a table says of itself."""

IMAGES = (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)
Image = Any
"""One of `IMAGES`; astropy has no types."""


@dataclass(frozen=True)
class FitsImages:
    """Stamps as one array, of which ranges of rows are read; `by_band` : from an image per band."""

    hdus: tuple[Image, ...]
    by_band: bool
    one_galaxy: bool
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    path: Path

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[Any]:
        """Read a range of rows, whole, and return what the rest of `index` wants of them."""
        with reading_fits(self.path, "images"):
            parts = [
                hdu.section[...][None] if self.one_galaxy else hdu.section[index[0]]
                for hdu in self.hdus
            ]
        values = np.stack(parts, axis=1) if self.by_band else parts[0]
        return np.asarray(values[(slice(None), *index[1:])])


@contextmanager
def open_fits(paths: Sequence[Path], *, mapping: Hdf5Mapping) -> Iterator[RawSurvey]:
    """Open a file, or the files of the bands of one galaxy, as `open_source` does.

    mapping : `images` names the HDUs, by EXTNAME or number, where the file leaves it open; columns
        are keys of a table or cards.
    """
    path = paths[0]
    with ExitStack() as stack:
        with reading_fits(path, "images"):
            files = {one: stack.enter_context(opened_fits(one)) for one in paths}
            for hdus in files.values():
                _read_headers(hdus)
        planes = [plane for one in paths for plane in _planes(one, files[one], mapping)]
        chosen, by_band = _chosen(path, planes, mapping)
        images = _stacked(path, chosen, by_band=by_band)
        named = by_band and all(plane.band for plane in chosen)
        bands = "".join(str(plane.band) for plane in chosen) if named else None
        said = said_together(chosen, bands=bands)
        said = replace(said, unused=_unused(files, chosen))
        headers = [plane.hdu.header for plane in chosen] + [h[0].header for h in files.values()]
        tables = [hdu for hdus in files.values() for hdu in hdus]
        columns = _columns(path, column_keys(mapping), tables, headers, n=images.shape[0])
        middle = chosen[0].middle
        if images.shape[0] == 1 and middle and "ra" not in columns:
            ra, dec = (StoredColumn(path, "the WCS", np.array([degrees])) for degrees in middle)
            columns |= {"ra": ra, "dec": dec}
        others = tuple(paths[1:])
        yield survey_of(path, images, said, columns, layout="fits", mapping=mapping, others=others)


def _read_headers(hdus: fits.HDUList) -> None:
    """Read all HDUs and all cards of images, which astropy leaves until they are asked for."""
    for hdu in hdus:
        if isinstance(hdu, IMAGES):
            dict(hdu.header)
            math.prod(hdu.shape)  # fails where a damaged card leaves a side without a length


def _unused(files: Mapping[Path, fits.HDUList], chosen: Sequence[Plane]) -> tuple[str, ...]:
    """Images of the files that are not read, in words."""
    used = [id(plane.hdu) for plane in chosen]
    return tuple(
        f"image {shown_name(number, hdu)}"
        for hdus in files.values()
        for number, hdu in enumerate(hdus)
        if isinstance(hdu, IMAGES) and hdu.shape and id(hdu) not in used
    )


def _planes(path: Path, hdus: fits.HDUList, mapping: Hdf5Mapping) -> list[Plane]:
    """Return the images of a file that are named in `mapping`, else all with fluxes."""
    key, is_given = mapping.images, "images" in mapping.model_fields_set
    found: list[tuple[str, Image]] = []
    named: list[tuple[str, Image]] = []
    for number, hdu in enumerate(hdus):
        if isinstance(hdu, IMAGES) and len(hdu.shape) >= 2 and math.prod(hdu.shape) > 0:
            found.append((shown_name(number, hdu), hdu))
            if key.lower() in (hdu.name.lower(), str(number)):
                named.append(found[-1])
    if not named and is_given:
        raise InputError(f"{path}: image {key!r} is missing; the file has {_listed(found)}")
    fluxes = [(name, hdu) for name, hdu in found if not NO_FLUX & set(_words(name))]
    if not (named or fluxes):
        raise InputError(f"{path}: expected images of two axes or more; has {_listed(found)}")
    planes = []
    for name, hdu in named or fluxes:
        _check_claims(path, hdu, f"{path}: {name}")
        is_alone = len(hdu.shape) == 2 and len(named or fluxes) == 1
        file_name = path.name if is_alone else ""
        planes.append(read_plane(f"{path}: {name}", hdu, hdus[0].header, file_name=file_name))
    return planes


def shown_name(number: int, hdu: Any) -> str:
    """Name of an HDU, else its number."""
    return plain(str(hdu.name)) if hdu.name and hdu.name != "PRIMARY" else f"HDU {number}"


def _words(text: str) -> list[str]:
    return re.split(r"[^a-z0-9]+", text.lower())


def _listed(found: Sequence[tuple[str, Image]]) -> str:
    return ", ".join(f"{name} {hdu.shape}" for name, hdu in found[:20]) or "none"


def _check_claims(path: Path, hdu: Image, where: str) -> None:
    """Raise InputError where an image claims far more than is stored."""
    held, claimed = path.stat().st_size, math.prod(hdu.shape) * abs(hdu.header["BITPIX"]) // 8
    with path.open("rb") as file:
        packed = isinstance(hdu, fits.CompImageHDU) or file.read(6) != b"SIMPLE"
    if claimed > (max(UNCHECKED_BYTES, MOST_COMPRESSION * held) if packed else held):
        raise InputError(f"{where}: claims {claimed} bytes of pixels, in a file of {held}")


def _chosen(
    path: Path, planes: Sequence[Plane], mapping: Hdf5Mapping
) -> tuple[Sequence[Plane], bool]:
    """Return the cube, or the images of single bands and True."""
    if len(planes) == 1 and len(planes[0].hdu.shape) > 2:
        return planes, False
    of_bands = [plane for plane in planes if plane.band]
    for plane in planes:
        filters = f"{plane.hdu.name} {plane.hdu.header.get('FILTER', '')}"
        if not plane.band and JOHNSON & set(_words(filters)):
            raise InputError(
                f"{plane.name}: a filter of Johnson's; expected images in ugriz: "
                "ingest.hdf5.images chooses by EXTNAME or number"
            )
    bands = [plane.band for plane in of_bands]
    if of_bands and len(set(bands)) == len(bands) and (len(bands) > 1 or len(planes) == 1):
        return of_bands, True
    nameless = all(plane.hdu.name in ("", "PRIMARY") for plane in planes)
    flat = all(len(plane.hdu.shape) == 2 for plane in planes)
    survey = mapping.of_survey
    expected = mapping.bands or (survey.bands if survey else BANDS)
    if not bands and nameless and flat and len(planes) == len(expected):
        return planes, True
    listed = ", ".join(
        f"{plane.name} {plane.hdu.shape} of {plane.band or 'no band named'}"
        for plane in planes[:12]
    )
    raise InputError(
        f"{path}: expected one cube, or one image per band whose band EXTNAME, FILTER or the name "
        f"of its file says; received {listed}: ingest.hdf5.images chooses by EXTNAME or number"
    )


def _stacked(path: Path, planes: Sequence[Plane], *, by_band: bool) -> FitsImages:
    """Put the images together as one array; raise InputError where their shapes differ."""
    hdus = tuple(plane.hdu for plane in planes)
    for plane in planes[1:]:
        if plane.hdu.shape != hdus[0].shape:
            raise InputError(
                f"{plane.name}: expected shape {hdus[0].shape}, that of "
                f"{planes[0].name}; received {plane.hdu.shape}"
            )
    shape = hdus[0].shape
    one_galaxy = len(shape) == (2 if by_band else 3)
    shape = (1, *shape) if one_galaxy else shape
    shape = (shape[0], len(hdus), *shape[1:]) if by_band else shape
    with reading_fits(path, "images"):
        dtype = hdus[0].section[0:1].dtype
    return FitsImages(hdus, by_band, one_galaxy, shape, dtype, path)


def _columns(
    path: Path,
    keys: Mapping[str, str],
    hdus: Sequence[Any],
    headers: Sequence[fits.Header],
    *,
    n: int,
) -> dict[str, StoredColumn]:
    """Role -> the column of a table, or of one galaxy the card, that `keys` names."""
    tables = [hdu for hdu in hdus if type(hdu) in (fits.BinTableHDU, fits.TableHDU)]
    with reading_fits(path, "tables"):
        fields = {name.lower(): (hdu, name) for hdu in tables for name in hdu.columns.names}
    columns = {}
    for role, key in keys.items():
        said = NOTHING_SAID
        hdu, name = fields.get(key.lower(), (None, key))
        if hdu is not None:
            with reading_fits(path, f"a column {plain(name)}"):
                values = np.array(hdu.data[name])
                said = _said_of(hdu.columns[name])
        else:
            cards = [header[key] for header in headers if key in header] if n == 1 else []
            if not cards:
                there = ", ".join(plain(name) for _, name in fields.values()) or "no table"
                cards_too = " or a card of the header" if n == 1 else ""
                raise InputError(
                    f"{path}: key {key!r} is missing; expected a column of a table{cards_too}; the "
                    f"file has {there}"
                )
            values = np.array(cards[:1])
        columns[role] = StoredColumn(path, key, values, said)
    return columns


def _said_of(column: fits.Column) -> Said:
    """Read what a column of a table says of itself."""
    held = {"unit": column.unit or None, "blank": column.null}
    there = {name: value for name, value in held.items() if value is not None}
    return Said(tuple(claims_in(there, lambda name: f"{CARDS[name]} of {column.name}")))


def galaxies_by_band(files: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Put files together whose names differ in nothing but the band, as m51-g.fits, m51-r.fits."""
    galaxies: dict[str, list[Path]] = {}
    for file in files:
        parts = re.split(r"([^A-Za-z0-9]+)", file.name)
        band = band_in(file.name)
        name = "".join("*" if band and part.lower() == band else part for part in parts)
        galaxies.setdefault(name, []).append(file)
    return [tuple(members) for members in galaxies.values()]
