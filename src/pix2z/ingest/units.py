"""Flux units of raw files, as factors to nanomaggies.

A nanomaggy is the flux density of AB magnitude 22.5, 3631 Jy x 1e-9.
"""

from pathlib import Path

import h5py
from astropy import units

from pix2z.errors import InputError
from pix2z.hdf5 import text_attribute
from pix2z.imaging import SOFTENED_UNIT

__all__ = ["Flux", "flux_of", "nanomaggies_in", "require_nanomaggies"]

NANOMAGGY_WORDS = frozenset({"nanomaggy", "nanomaggies", "nmgy"})
"""Spellings of the unit, in lower case."""

ATTRIBUTES = ("unit", "units")
"""Attributes of the images or the file that may name the unit."""

TOLERANCE = 1e-3
"""Relative difference up to which two units are the same: 0.001 mag."""

NANOMAGGY_ZERO_POINT = 22.5

Flux = tuple[float, str]
"""Nanomaggies in the file's unit, and in words where that comes from."""


def nanomaggies_in(unit: str) -> float | None:
    """Nanomaggies in one `unit`; None where it is no flux density that astropy can read."""
    if unit.strip().lower() in NANOMAGGY_WORDS:
        return 1.0
    parsed = _parsed(unit)
    if parsed is None or isinstance(parsed, units.function.FunctionUnitBase):  # a magnitude
        return None
    try:
        factor = float(parsed.to(units.nmgy, equivalencies=units.zero_point_flux(3631 * units.Jy)))
    except (units.UnitsError, ArithmeticError):
        return None
    return factor if 0 < factor < float("inf") else None


def require_nanomaggies(file: h5py.File, images: h5py.Dataset, path: str | Path) -> str:
    """In words, how the unit is known; raise InputError where an attribute says another one.

    Pixels that the file calls softened pass as `SOFTENED_UNIT`: they have no other unit.
    """
    found = _unit_attributes(file, images, path)
    if found and set(found.values()) == {SOFTENED_UNIT}:
        return SOFTENED_UNIT
    for where, unit in found.items():
        factor = nanomaggies_in(unit)
        if factor is None or abs(factor - 1) > TOLERANCE:
            raise InputError(
                f"{path}: expected images in nanomaggies; received {where} {unit!r}: give "
                "ingest.layout hdf5 with ingest.hdf5.unit or zero_point, and they are converted"
            )
    said = ", ".join(found)
    return f"nanomaggy, as {said} says" if said else "assumed nanomaggy: no attribute 'unit'"


def flux_of(
    file: h5py.File,
    images: h5py.Dataset,
    path: str | Path,
    *,
    unit: str | None,
    zero_point: float | None,
) -> Flux:
    """Nanomaggies in the file's unit, as given or as its attribute says.

    Raises
    ------
    InputError
        Nothing says the unit, it is no flux density, or an attribute contradicts what is given.
    """
    found = _unit_attributes(file, images, path)
    if zero_point is not None:
        given: Flux = (
            10 ** (0.4 * (NANOMAGGY_ZERO_POINT - zero_point)),
            f"AB zero point {zero_point:g}",
        )
    elif unit is not None:
        given = (_factor(unit, path, "ingest.hdf5.unit"), unit)
    elif found:
        where, text = next(iter(found.items()))
        given = (_factor(text, path, where), f"{text}, as {where} says")
    else:
        raise InputError(
            f"{path}: the unit of the images is not known: give ingest.hdf5.unit, such as "
            "nanomaggy or nJy, or ingest.hdf5.zero_point, the AB magnitude of a flux of 1"
        )
    for where, text in found.items():
        factor = nanomaggies_in(text)
        # with a zero point, a unit such as counts is no contradiction
        silent = factor is None and (zero_point is not None or _parsed(text) is None)
        if not silent and (factor is None or abs(factor / given[0] - 1) > TOLERANCE):
            raise InputError(f"{path}: {where} {text!r} contradicts the unit given, {given[1]}")
    factor, words = given
    return factor, words if factor == 1 else f"{words}: times {factor:.6g} to nanomaggies"


def _factor(unit: str, path: str | Path, where: str) -> float:
    factor = nanomaggies_in(unit)
    if factor is None:
        raise InputError(
            f"{path}: {where}: expected a flux density per unit frequency that astropy reads, such "
            f"as nanomaggy, nJy or erg / (s cm2 Hz); received {unit!r}"
        )
    return factor


def _parsed(text: str) -> units.UnitBase | None:
    try:
        return units.Unit(text)
    except (ValueError, TypeError, ArithmeticError):
        return None


def _unit_attributes(file: h5py.File, images: h5py.Dataset, path: str | Path) -> dict[str, str]:
    """Where -> text of every attribute that names a unit."""
    holders = {"images": images, "file": file}
    return {
        f"attribute {name!r} of the {holder}": text
        for holder, thing in holders.items()
        for name in ATTRIBUTES
        if (text := text_attribute(thing, name, path))
    }
