"""HDF5 files of many spectra on common wavelengths, written and read in blocks of rows.

::

    wavelength      (L,)    float64  Angstrom in vacuum, as observed, log-spaced; converted when
                                     read, where an attribute of it says another unit, or one of it
                                     or of the file says air
    flux            (N, L)  float32  per Angstrom; NaN marks a bad pixel
    flux_error      (N, L)  float32  1 sigma; may be absent, or, in files of others, `ivar` instead:
                                     inverse variances, 0 at a bad pixel
    object_id, ...  (N,)             any columns; may be absent
    basis/wavelength (M,), basis/flux (T, M)   rest-frame spectra, sums of which the galaxies are;
                                     may be absent
    redshift_range  (2,)    float64  of spectra that a network made of images: the first and the
                                     last redshift it has; attributes n_templates (of the basis,
                                     from the first), degree and n_pixels: see `search.Search`; else
                                     absent
    attributes      schema "pix2z-spectra 1", unit
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from pix2z.errors import InputError
from pix2z.files import atomic_path, reserve
from pix2z.hdf5 import (
    attribute_names,
    attribute_texts,
    attribute_values,
    find_dataset,
    has_key,
    integer_attribute,
    open_hdf5,
    plain,
    reading,
    text_attribute,
)
from pix2z.imaging.names import NO_CLAIM, bare, what_is_called
from pix2z.imaging.units import factor_to, nanomaggies_in
from pix2z.spectra.templates import Search, Templates
from pix2z.wavelengths import FLUX_UNIT, MEDIA, in_vacuum, wavelength_grid

__all__ = ["SCHEMA", "SpectrumFile", "SpectrumWriter", "open_spectra", "spectrum_writer"]

SCHEMA = "pix2z-spectra 1"

CHUNK_ROWS = 16

Dtypes = Mapping[str, DTypeLike]

SEARCH_NUMBERS = ("degree", "n_templates", "n_pixels")
"""Attributes of redshift_range, fields of `Search`."""

IVAR_UNIT = "1e34 s2 cm4 Angstrom2 / erg2"
"""1 / FLUX_UNIT^2, as astropy reads it."""

NOISE = re.compile(
    "(?:flux)?(?:ivar|invvar|inversevariance|var|variance|err|errors?|sigma|std|rms|noise"
    "|uncert(?:ainty)?|weights?|wht)|.*mask(?:bits)?|.*flags?|quality|dq|bad(?:pix|pixels?)"
)
"""Names, bare, of what says how good pixels are."""

NEUTRAL = {
    "scale": ("1", "1.0"),
    "offset": ("0", "0.0"),
    "masked": ("nan",),
    "zero_point": (),
    "magnitude_0_flux": (),
}
"""What says that numbers are not what is stored -> texts of a value with which they are."""


@dataclass(frozen=True, eq=False)
class SpectrumFile:
    """An open file of N spectra.

    wavelength : (L,) Angstrom.
    basis : the templates in the file, or None.
    search : how redshifts of reconstructions are searched; None of other spectra.
    """

    path: Path
    wavelength: NDArray[np.float64]
    basis: Templates | None
    search: Search | None
    _flux: h5py.Dataset
    _noise: h5py.Dataset | None
    _noise_key: str

    def __len__(self) -> int:
        """Return the number of spectra."""
        return int(self._flux.shape[0])

    def read(self, first: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.float64] | None]:
        """Flux and inverse variance of rows [first, stop), each (stop - first, L).

        Inverse variance is None where the file has no errors, and 0 where an error, or the inverse
        variance that is in the file, is not finite and positive.
        """
        with reading(self.path, "flux"), np.errstate(over="ignore"):  # beyond float32 is no flux
            flux = self._flux[first:stop].astype(np.float32)
        if self._noise is None:
            return flux, None
        with reading(self.path, self._noise_key):
            noise = self._noise[first:stop].astype(np.float64)
        usable = np.isfinite(noise) & (noise > 0)
        if self._noise_key == "ivar":
            return flux, np.where(usable, noise, 0.0)
        ivar = np.divide(1.0, noise**2, out=np.zeros_like(noise), where=usable)
        return flux, ivar


@contextmanager
def open_spectra(path: str | Path) -> Iterator[SpectrumFile]:
    """Open a file of spectra read-only; InputError names what is not as expected."""
    path = Path(path)
    with open_hdf5(path) as file:
        schema = text_attribute(file, "schema", path)
        if schema != SCHEMA:
            raise InputError(
                f"{path}: expected spectra, as `pix2z spectrum` makes them of images (attribute "
                f"schema {SCHEMA!r}); received {f'schema {schema!r}' if schema else 'none'}"
            )
        wavelength = _wavelength(file, path)
        flux = _numbers(file, path, "flux", "N", len(wavelength))
        noise_key = _noise_key(file, path, flux.shape)
        noise = _numbers(file, path, noise_key, *flux.shape) if noise_key else None
        _check_flux_units(file, path, flux, noise, noise_key)
        yield SpectrumFile(
            path=path,
            wavelength=wavelength,
            basis=_basis(file, path),
            search=_search(file, path, len(wavelength)),
            _flux=flux,
            _noise=noise,
            _noise_key=noise_key,
        )


def _noise_key(file: h5py.File, path: Path, shape: tuple[int, ...]) -> str:
    """Return the name of the errors, "" of none; refuse what else says how good pixels are."""
    found = [key for key in ("flux_error", "ivar") if has_key(file, path, key)]
    if len(found) > 1:
        raise InputError(f"{path}: ivar: expected either it or flux_error; received both")
    with reading(path):
        others = [str(name) for name in file if NOISE.fullmatch(bare(str(name)))]
    for key in others:
        if key not in found and _has_pixels(file, path, key, shape):
            raise InputError(
                f"{path}: {plain(key)}: expected errors in flux_error (1 sigma) or ivar (inverse "
                "variance), and NaN in flux or 0 there at bad pixels; nothing else is read"
            )
    return found[0] if found else ""


def _has_pixels(file: h5py.File, path: Path, key: str, shape: tuple[int, ...]) -> bool:
    """Whether something is of the pixels of flux (N, L), or of its wavelengths, and no column.

    What a link names is not looked at: it may lie anywhere.
    """
    with reading(path, key):
        linked = not isinstance(file.get(key, getlink=True), h5py.HardLink)
        found = shape if linked else getattr(file[key], "shape", None) or ()
    return found[-1:] == shape[-1:] and found != shape[:1]


def _numbers(file: h5py.File, path: Path, key: str, *shape: int | str) -> h5py.Dataset:
    """Find numbers of a shape, in which a letter is any length but 0; they are as they stand."""
    dataset = find_dataset(file, path, key)
    found = dataset.shape or ()
    if dataset.dtype.kind not in "iuf":
        raise InputError(f"{path}: {key}: expected numbers; received dtype {dataset.dtype}")
    if not _fits(found, shape):
        expected = str(shape).replace("'", "")
        raise InputError(f"{path}: {key}: expected {expected}, none empty; received {found}")
    for name in attribute_names(dataset, path):
        what, _ = what_is_called(name) or ("", "")
        values = attribute_values(dataset, name, path) if what in NEUTRAL else ()
        if values is None or any(str(value).lower() not in NEUTRAL[what] for value in values):
            raise InputError(
                f"{path}: {key}: attribute {name!r}: expected numbers that are not scaled, with "
                "NaN where masked"
            )
    return dataset


def _fits(found: tuple[int, ...], shape: tuple[int | str, ...]) -> bool:
    return len(found) == len(shape) and all(
        n > 0 if isinstance(wanted, str) else n == wanted
        for n, wanted in zip(found, shape, strict=True)
    )


def _values(dataset: h5py.Dataset, path: Path) -> NDArray[np.float64]:
    with reading(path, str(dataset.name)):
        return np.asarray(dataset[...], np.float64)


def _wavelength(file: h5py.File, path: Path) -> NDArray[np.float64]:
    """Angstrom in vacuum, log-spaced."""
    said = attribute_texts(file, path, "wavelength")
    values = in_vacuum(_in_angstrom(file, path, "wavelength"), said, f"{path}: wavelength")
    try:
        wavelength_grid(values)
    except ValueError as error:
        raise InputError(f"{path}: wavelength: {error}") from error
    return values


def _in_angstrom(file: h5py.File, path: Path, key: str) -> NDArray[np.float64]:
    dataset = _numbers(file, path, key, "L")
    unit = _unit_of(dataset, path) or "Angstrom"
    factor = _factor(unit, "Angstrom")
    if factor is None:
        raise InputError(f"{path}: {key}: expected a unit such as Angstrom; received {unit!r:.60}")
    return _values(dataset, path) * factor


def _check_flux_units(
    file: h5py.File, path: Path, flux: h5py.Dataset, noise: h5py.Dataset | None, noise_key: str
) -> None:
    """Refuse a flux per frequency, and errors in another unit; else any unit will do."""
    unit = _unit_of(flux, path) or _unit_of(file, path) or FLUX_UNIT
    if nanomaggies_in(unit) is not None:
        raise InputError(f"{path}: flux: expected a flux per Angstrom; received {unit!r:.60}")
    said = None if noise is None else _unit_of(noise, path)
    of_ivar = noise_key == "ivar"
    if said is None or said == (f"1 / ({unit})^2" if of_ivar else unit):
        return
    one, other = _factor(unit, FLUX_UNIT), _factor(said, IVAR_UNIT if of_ivar else FLUX_UNIT)
    if one is None or other is None or not math.isclose(one**-2 if of_ivar else one, other):
        raise InputError(
            f"{path}: {noise_key}: expected {'1 over the square of ' if of_ivar else ''}the unit "
            f"of flux, {unit!r:.60}; received {said!r:.60}"
        )


def _factor(unit: str, target: str) -> float | None:
    """How much of the target one unit is, whose text may say that it holds in air or vacuum."""
    text = re.sub(rf"\b(?:in|{'|'.join(MEDIA)})\b", " ", unit, flags=re.IGNORECASE)
    text = re.sub(r"\(\s*\)", "", re.sub(r"\b(A|AA|Ang)\b", "Angstrom", text)).strip(" ,;")
    return factor_to(text, target)


def _unit_of(holder: h5py.HLObject, path: Path) -> str | None:
    """Return the unit that a dataset or a file says it has; None where it says none."""
    for name in attribute_names(holder, path):
        if what_is_called(name) == ("unit", ""):
            text = str((attribute_values(holder, name, path) or ("",))[0]).strip()
            if text.lower() not in NO_CLAIM:
                return text
    return None


def _basis(file: h5py.File, path: Path) -> Templates | None:
    if not has_key(file, path, "basis"):
        return None
    wavelength = _in_angstrom(file, path, "basis/wavelength")
    flux = _values(_numbers(file, path, "basis/flux", "T", len(wavelength)), path)
    try:
        return Templates(wavelength, flux, non_negative=False)
    except ValueError as error:
        raise InputError(f"{path}: basis: {error}") from error


def _search(file: h5py.File, path: Path, n_wavelengths: int) -> Search | None:
    if not has_key(file, path, "redshift_range"):
        return None
    where = f"{path}: redshift_range"
    dataset = _numbers(file, path, "redshift_range", 2)
    first, last = map(float, _values(dataset, path))
    degree, n_templates, n_pixels = (_number(dataset, name, path) for name in SEARCH_NUMBERS)
    try:
        search = Search(first, last, degree, n_templates, n_pixels)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    if n_wavelengths % n_pixels:
        raise InputError(
            f"{where}: expected n_pixels to divide {n_wavelengths} wavelengths; received {n_pixels}"
        )
    return search


def _number(dataset: h5py.Dataset, name: str, path: Path) -> int:
    value = integer_attribute(dataset, name, path)
    if value is None:
        raise InputError(f"{path}: redshift_range: expected attribute {name!r}, a whole number")
    return value


class SpectrumWriter:
    """An open file of spectra that is filled in row order; made by `spectrum_writer`."""

    def __init__(self, file: h5py.File, n: int, tables: Mapping[str, int], columns: Dtypes) -> None:
        """Make the datasets for n rows, and claim their space on the disk."""
        datasets = {
            name: file.create_dataset(
                name, (n, width), np.float32, chunks=(min(CHUNK_ROWS, n), width), track_times=False
            )
            for name, width in tables.items()
        }
        for name, dtype in columns.items():
            datasets[name] = file.create_dataset(name, (n,), dtype, track_times=False)
        reserve(file.id.get_vfd_handle(), sum(dataset.nbytes for dataset in datasets.values()))
        self._datasets, self._n, self.n_filled = datasets, n, 0

    def append(self, **blocks: ArrayLike) -> None:
        """Write the next b rows: ``flux`` (b, L), other spectra (b, L), and columns (b,)."""
        if set(blocks) != set(self._datasets):
            raise ValueError(f"expected {sorted(self._datasets)}; got {sorted(blocks)}")
        arrays = {name: np.asarray(block) for name, block in blocks.items()}
        stop = self.n_filled + len(arrays["flux"])
        for name, values in arrays.items():
            expected = (len(arrays["flux"]), *self._datasets[name].shape[1:])
            if values.shape != expected:
                raise ValueError(f"{name} must have shape {expected}; got {values.shape}")
        if stop > self._n:
            raise ValueError(f"expected {self._n} rows in all; got at least {stop}")
        for name, values in arrays.items():
            self._datasets[name][self.n_filled : stop] = values
        self.n_filled = stop


@contextmanager
def spectrum_writer(
    path: str | Path,
    wavelength: ArrayLike,
    *,
    n: int,
    unit: str,
    with_errors: bool = True,
    spectra: Sequence[str] = (),
    tables: Mapping[str, int] | None = None,
    columns: Dtypes | None = None,
    basis: Templates | None = None,
    search: Search | None = None,
    attributes: Mapping[str, str | int | float] | None = None,
) -> Iterator[SpectrumWriter]:
    """Write n spectra in blocks, atomically: nothing is left where the block fails.

    Parameters
    ----------
    wavelength : (L,) Angstrom in vacuum, as observed, log-spaced.
    unit : of the flux.
    with_errors : whether ``flux_error`` is written.
    spectra : names of further arrays of the shape of flux.
    tables : name -> width of arrays of some numbers per galaxy.
    columns : name -> dtype of what there is per galaxy, as object_id.
    basis : templates for `pix2z redshift`, kept in the file.
    search : of reconstructions, how their redshifts are searched.
    attributes : further attributes of the file, as where the spectra come from.

    Raises
    ------
    ValueError
        n is less than 1, wavelengths are not log-spaced, or other than n rows were appended.
    """
    values = np.asarray(wavelength, np.float64)
    wavelength_grid(values)
    if n < 1:
        raise ValueError(f"n: expected 1 or more; got {n}")
    arrays: dict[str, ArrayLike] = {}
    if basis is not None:
        arrays |= {"basis/wavelength": basis.wavelength, "basis/flux": basis.flux}
    if search is not None:
        arrays["redshift_range"] = search.z_min, search.z_max
    arrays["wavelength"] = values
    with (
        atomic_path(path, n_bytes=4 * n * len(values)) as partial,
        h5py.File(partial, "w") as file,
    ):
        file.attrs.update({**(attributes or {}), "schema": SCHEMA, "unit": unit})
        for name, array in arrays.items():
            file.create_dataset(name, data=array, track_times=False)
        if search is not None:
            numbers = {name: getattr(search, name) for name in SEARCH_NUMBERS}
            file["redshift_range"].attrs.update(numbers)
        names = ("flux", *(["flux_error"] if with_errors else []), *spectra)
        wide = dict.fromkeys(names, len(values)) | dict(tables or {})
        writer = SpectrumWriter(file, n, wide, columns or {})
        yield writer
        if writer.n_filled != n:
            raise ValueError(f"expected {n} rows in all; got {writer.n_filled}")
