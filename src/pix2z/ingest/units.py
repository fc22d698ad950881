"""Flux units of raw files, as factors to nanomaggies.

A nanomaggy is the flux density of AB magnitude 22.5, 3631 Jy x 1e-9. `said` is what a file says of
its unit, as `attributes.Said.units`: where it stands -> unit.
"""

from collections.abc import Mapping
from pathlib import Path

from astropy import units

from pix2z.errors import InputError
from pix2z.imaging import SOFTENED_UNIT

__all__ = ["Flux", "flux_of", "nanomaggies_in", "require_nanomaggies"]

NANOMAGGY_WORDS = frozenset({"nanomaggy", "nanomaggies", "nmgy"})
"""Spellings of the unit, in lower case."""

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


def require_nanomaggies(said: Mapping[str, str], path: str | Path) -> Flux:
    """Flux of a layout in nanomaggies; raise InputError where the file says another unit.

    Pixels that the file calls softened pass as `SOFTENED_UNIT`: they have no other unit.
    """
    if said and set(said.values()) == {SOFTENED_UNIT}:
        return 1.0, SOFTENED_UNIT
    for where, unit in said.items():
        factor = nanomaggies_in(unit)
        if factor is None or not _same(factor, 1.0):
            raise InputError(
                f"{path}: expected images in nanomaggies; received {where} {unit!r}: give "
                "ingest.layout hdf5 with ingest.hdf5.unit or zero_point, and they are converted"
            )
    if not said:
        return 1.0, "assumed nanomaggy: no attribute 'unit'"
    return 1.0, f"nanomaggy, as {', '.join(said)} says"


def flux_of(
    said: Mapping[str, str], path: str | Path, *, unit: str | None, zero_point: float | None
) -> Flux:
    """Nanomaggies in the file's unit, as given (`unit`, or the AB `zero_point`) or as it says.

    Raises
    ------
    InputError
        Nothing says the unit, it is no flux density, or an attribute contradicts what is given.
    """
    if zero_point is not None:
        factor = 10 ** (0.4 * (NANOMAGGY_ZERO_POINT - zero_point))
        words = f"AB zero point {zero_point:g}"
    elif unit is not None:
        factor, words = _factor(unit, path, "ingest.hdf5.unit"), unit
    elif said:
        where, text = next(iter(said.items()))
        factor, words = _factor(text, path, where), f"{text}, as {where} says"
    else:
        raise InputError(
            f"{path}: the unit of the images is not known: give ingest.hdf5.unit, such as "
            "nanomaggy or nJy, or ingest.hdf5.zero_point, the AB magnitude of a flux of 1"
        )
    for where, text in said.items():
        other = nanomaggies_in(text)
        # with a zero point, a unit such as counts is no contradiction
        silent = other is None and (zero_point is not None or _parsed(text) is None)
        if not silent and (other is None or not _same(other, factor)):
            raise InputError(f"{path}: {where} {text!r} contradicts the unit given, {words}")
    return factor, words if factor == 1 else f"{words}: times {factor:.6g} to nanomaggies"


def _same(one: float, other: float) -> bool:
    return abs(one / other - 1) <= TOLERANCE


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
