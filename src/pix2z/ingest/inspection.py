"""What a raw file holds, as far as its columns and a sample of its stamps tell.

Of a file that fits no layout: which arrays it has, and how a mapping would find stamps in them.
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.photometry import aperture_photometry, magnitude, sky_sigma
from pix2z.errors import InputError
from pix2z.hdf5 import open_hdf5, plain, reading, text_attribute
from pix2z.imaging import BANDS, STAMP_SIDE
from pix2z.ingest.checks import column_faults, usable_pixels
from pix2z.ingest.duplicates import repeated_ids
from pix2z.ingest.plausibility import photometry_problems, sample_rows
from pix2z.ingest.raw import RawSurvey, RawTable
from pix2z.ingest.units import nanomaggies_in

__all__ = [
    "Inspection",
    "Range",
    "StampSample",
    "StoredArray",
    "file_contents",
    "inspect_survey",
    "sample_stamps",
    "spread_out",
    "suggested_mapping",
]

R_BAND = BANDS.index("r")

COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "redshift": ("redshift", "z", "zspec", "specz", "speczredshift", "zredshift", "ztrue"),
    "redshift_error": ("redshifterr", "redshifterror", "speczredshifterr", "zerr", "zerror"),
    "object_id": ("objectid", "objid", "id", "specobjid", "sourceid", "galaxyid"),
    "group_id": ("groupid", "group", "parent", "field", "healpix"),
    "ra": ("ra", "radeg", "alpha"),
    "dec": ("dec", "decdeg", "declination", "delta"),
    "ebv": ("ebv", "sfdebv"),
}
"""Entry of the mapping -> names a column may have, in lower case without punctuation."""

UNIT_ATTRIBUTES = ("unit", "units", "bunit", "BUNIT", "UNIT")


@dataclass(frozen=True)
class Range:
    """Finite values of a quantity: how many there are, and where they lie."""

    n: int
    low: float
    high: float
    median: float
    mean: float
    sd: float


@dataclass(frozen=True, eq=False)
class StampSample:
    """Stamps (n, 32, 32, 5) of blocks spread evenly over a file, and the rows (n,) they are of."""

    rows: NDArray[np.int64]
    images: NDArray[np.float32]
    mag_r: NDArray[np.float64]


@dataclass(frozen=True)
class Inspection:
    """Findings on a raw file; None where it has none of a quantity.

    Attributes
    ----------
    converted, columns_from : as in `RawSurvey` and `RawTable.origin`.
    redshift, ebv, ra, dec : over all rows.
    n_looked_at : stamps behind what the pixels say: mag_r (AB magnitude in the largest aperture),
        sky_noise (median over stamps, nanomaggies per pixel), masked_share (of the pixels of bands
        that are there), absent_share (of stamps without the band), n_blank (stamps without any).
    z_warnings, classes : value of ZWARNING or spectral class -> rows, most frequent first.
    bad_rows : reason -> number of rows that ingest would leave out for it, judged by columns alone.
    problems : what makes the pixels implausible as nanomaggies in ugriz.
    """

    layout: str
    source: str
    files: Mapping[str, int]
    n_rows: int
    n_groups: int
    n_moved: int
    converted: Mapping[str, str]
    columns_from: Mapping[str, str]
    redshift: Range | None
    ebv: Range | None
    ra: Range | None
    dec: Range | None
    z_warnings: Mapping[str, int]
    classes: Mapping[str, int]
    n_looked_at: int
    mag_r: Range | None
    sky_noise: Mapping[str, float | None]
    masked_share: float
    absent_share: Mapping[str, float]
    n_blank: int
    bad_rows: Mapping[str, int]
    problems: tuple[str, ...]


def sample_stamps(survey: RawSurvey, *, most_rows: int = 2048) -> StampSample:
    """Read at most `most_rows` stamps from all over the file."""
    blocks = sample_rows(len(survey.table), most=most_rows)
    read_images = usable_pixels(survey).read_images
    rows = np.concatenate([np.arange(block.start, block.stop) for block in blocks])
    images = np.concatenate([read_images(block.start, block.stop) for block in blocks])
    flux, _, _ = aperture_photometry(images[..., R_BAND : R_BAND + 1])
    mag_r = np.asarray(magnitude(flux[:, -1, 0]), np.float64)
    return StampSample(rows, images, mag_r)


def inspect_survey(
    survey: RawSurvey,
    sample: StampSample,
    *,
    z_min: float,
    z_max: float,
    pdf_range: tuple[float, float],
    z_warnings: Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
) -> Inspection:
    """Gather what is worth knowing of a file before it is used.

    Parameters
    ----------
    sample : from `sample_stamps` of the same survey.
    z_min, z_max, pdf_range : redshifts outside either range count as bad rows.
    z_warnings, classes : other values count as bad rows; None: none does.
    """
    table = survey.table
    masked = np.isnan(sample.images)
    absent = np.asarray(masked.all(axis=(1, 2)))
    there = ~absent
    sigma = sky_sigma(sample.images)
    return Inspection(
        layout=survey.layout,
        source=survey.source,
        files={str(file.path): file.n_rows for file in survey.files},
        n_rows=len(table),
        n_groups=len(np.unique(table.group_id)),
        n_moved=int(table.moved.sum()),
        converted=dict(survey.converted),
        columns_from=dict(table.origin),
        redshift=_range(table.z_spec),
        ebv=_range(table.ebv),
        ra=_range(table.ra),
        dec=_range(table.dec),
        z_warnings=_counts(table.z_warning),
        classes=_counts(table.spectral_class),
        n_looked_at=len(sample.rows),
        mag_r=_range(sample.mag_r),
        sky_noise={band: _median(sigma[:, number]) for number, band in enumerate(BANDS)},
        masked_share=float(masked.mean(axis=(1, 2))[there].mean()) if there.any() else 0.0,
        absent_share=dict(zip(BANDS, absent.mean(axis=0).tolist(), strict=True)),
        n_blank=int(absent.all(axis=1).sum()),
        bad_rows=_bad_rows(
            table,
            column_faults(
                table,
                z_min=z_min,
                z_max=z_max,
                pdf_range=pdf_range,
                z_warnings=z_warnings,
                classes=classes,
            ),
        ),
        problems=photometry_problems(usable_pixels(survey)),
    )


def spread_out(sample: StampSample, *, most: int) -> NDArray[np.int64]:
    """Positions in the sample of at most `most` stamps that are not blank, from all over it."""
    shown = np.flatnonzero(~np.isnan(sample.images).all(axis=(1, 2, 3)))
    return shown[np.linspace(0, len(shown) - 1, min(most, len(shown))).round().astype(np.int64)]


def _bad_rows(table: RawTable, faults: dict[str, NDArray[np.bool_]]) -> dict[str, int]:
    """Reason -> rows, each for its first reason; redshifts are judged only where there are any."""
    if table.has_ids:
        faults["object id seen before"] = repeated_ids(table.object_id)
    counts, taken = {}, np.zeros(len(table), np.bool_)
    for reason, bad in faults.items():
        if table.has_redshifts or not reason.startswith("redshift"):
            counts[reason] = int((bad & ~taken).sum())
            taken |= bad
    return counts


def _counts(values: NDArray[Any] | None) -> dict[str, int]:
    if values is None:
        return {}
    different, counts = np.unique(values, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    texts = [
        v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in different.tolist()
    ]
    return {plain(texts[i]): int(counts[i]) for i in order}


def _range(values: NDArray[np.floating]) -> Range | None:
    finite = np.asarray(values[np.isfinite(values)], np.float64)
    if not finite.size:
        return None
    return Range(
        n=finite.size,
        low=float(finite.min()),
        high=float(finite.max()),
        median=float(np.median(finite)),
        mean=float(finite.mean()),
        sd=float(finite.std()),
    )


def _median(values: NDArray[np.floating]) -> float | None:
    finite = _range(values)
    return None if finite is None else finite.median


@dataclass(frozen=True)
class StoredArray:
    """An array in a file; `unit` is what its attributes say, None where they do not."""

    key: str
    shape: tuple[int, ...]
    dtype: str
    is_number: bool
    unit: str | None = None


def file_contents(path: str | Path) -> tuple[StoredArray, ...]:
    """List the arrays of an HDF5 or npz file, the largest first; none of their values is read.

    Raises
    ------
    InputError
        The file is missing, damaged, or neither HDF5 nor npz.
    """
    path = Path(path)
    if path.is_file() and zipfile.is_zipfile(path):
        arrays = _npz_contents(path)
    else:
        with open_hdf5(path) as file, reading(path):
            arrays = _hdf5_contents(file, path)
    return tuple(sorted(arrays, key=lambda array: (-_size(array), array.key)))


def suggested_mapping(contents: Sequence[StoredArray]) -> dict[str, Any] | None:
    """Guess the entries of `ingest.hdf5` that fit, by shapes and names; None without images.

    What cannot be known is left out: `unit` where no attribute names a flux density, and `bands`
    where there are fewer than five.
    """
    images = next((array for array in contents if _band_axis(array.shape) is not None), None)
    if images is None:
        return None
    mapping: dict[str, Any] = {"images": images.key}
    if images.shape[_band_axis(images.shape) or 0] == len(BANDS):
        mapping["bands"] = BANDS
    if images.unit and nanomaggies_in(images.unit):
        mapping["unit"] = images.unit
    n = images.shape[0]
    for entry, names in COLUMN_NAMES.items():
        fitting = [array.key for array in contents if array.shape == (n,) and array.is_number]
        ranked = sorted((names.index(_plain(key)), key) for key in fitting if _plain(key) in names)
        if ranked:
            mapping[entry] = ranked[0][1]
    if ("ra" in mapping) != ("dec" in mapping):
        for entry in ("ra", "dec"):
            mapping.pop(entry, None)
    return mapping


def _hdf5_contents(file: h5py.File, path: Path) -> list[StoredArray]:
    arrays = []

    def visit(name: str | bytes, held: Any) -> None:
        key = name if isinstance(name, str) else plain(name.decode(errors="replace"))
        if isinstance(held, h5py.Dataset):
            units = (text_attribute(held, name, path) for name in UNIT_ATTRIBUTES)
            unit = next((text for text in units if text), None)
            arrays.append(_stored(key, held.shape or (), held.dtype, unit))

    file.visititems(visit)
    return arrays


def _npz_contents(path: Path) -> list[StoredArray]:
    arrays = []
    with reading(path), zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not name.endswith(".npy"):
                continue
            with archive.open(name) as member:
                major, _ = np.lib.format.read_magic(member)
                headers = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
                shape, _, dtype = headers[major > 1](member)
            arrays.append(_stored(name.removesuffix(".npy"), shape, dtype))
    if not arrays:
        raise InputError(f"{path}: neither HDF5 nor npz; expected one of them")
    return arrays


def _stored(
    key: str, shape: tuple[int, ...], dtype: np.dtype[Any], unit: str | None = None
) -> StoredArray:
    return StoredArray(key, tuple(shape), str(dtype), dtype.kind in "fiu", unit)


def _band_axis(shape: tuple[int, ...]) -> int | None:
    """Axis that may be that of the bands, in stamps (N, B, side, side) or (N, side, side, B)."""
    if len(shape) == 4:
        for axis, sides in ((1, shape[2:]), (3, shape[1:3])):
            if 1 < shape[axis] <= len(BANDS) and sides[0] == sides[1] >= STAMP_SIDE:
                return axis
    return None


def _plain(key: str) -> str:
    return "".join(letter for letter in key.rsplit("/", 1)[-1].lower() if letter.isalnum())


def _size(array: StoredArray) -> int:
    return int(np.prod(array.shape, dtype=np.int64))
