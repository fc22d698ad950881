"""Units as people write them.

A nanomaggy is the flux density of AB magnitude 22.5, 3631 Jy x 1e-9.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy import units

__all__ = ["PER_PIXEL", "factor_to", "nanomaggies_in", "parsed_unit"]

NANOMAGGY_WORDS = frozenset({"nanomaggy", "nanomaggies", "nmgy"})
"""Spellings of the unit, in lower case."""

PER_PIXEL = r"(\s*(/|per)\s*\(?pix(el)?s?\)?|\s+pix(el)?(\^|\*\*)?-1)"
"""What may stand behind the unit of a pixel, and changes nothing."""

DIMENSIONLESS = ("dimensionless", "unitless", "redshift", "z")
"""Words for no unit, of columns."""


def nanomaggies_in(unit: str) -> float | None:
    """Nanomaggies in one `unit`; None where it is no flux density that astropy can read."""
    unit = re.sub(PER_PIXEL + "$", "", unit.strip())
    if unit.lower() in NANOMAGGY_WORDS:
        return 1.0
    from astropy import units  # half of a second, for units that are spelled out

    parsed = parsed_unit(unit)
    if parsed is None or isinstance(parsed, units.function.FunctionUnitBase):  # a magnitude
        return None
    try:
        factor = float(parsed.to(units.nmgy, equivalencies=units.zero_point_flux(3631 * units.Jy)))
    except (units.UnitsError, ArithmeticError):
        return None
    return factor if 0 < factor < float("inf") else None


def factor_to(unit: str, target: str) -> float | None:
    """How much of `target` one `unit` is; None where astropy reads no such unit in it.

    target : as astropy spells it, "" of no unit.
    """
    from astropy import units

    unit = re.sub(r"^decimal\s+", "", unit.strip(), flags=re.IGNORECASE)
    hours = re.fullmatch(r"h|hrs?|hours?", unit, flags=re.IGNORECASE)
    if unit.lower() in DIMENSIONLESS:
        unit = "1"
    parsed = units.hourangle if hours and target == "deg" else parsed_unit(unit)
    try:
        return None if parsed is None else float(parsed.to(target))
    except (units.UnitsError, TypeError, ArithmeticError):
        return None


def parsed_unit(text: str) -> "units.UnitBase | None":
    """Read a unit; None where astropy knows none of that name."""
    from astropy import units

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", units.UnitsWarning)  # of spellings that FITS discourages
        for spelled in _spellings(text.strip()):
            with suppress(ValueError, TypeError, ArithmeticError):
                return units.Unit(spelled)
    return None


def _spellings(text: str) -> Iterator[str]:
    """Yield a unit as it stands, in the singular, and with the capitals that astropy wants."""
    yield text
    yield re.sub(r"ies$", "y", text).removesuffix("s")
    if found := re.fullmatch(r"(micro|nano|milli)?janskys?", text, flags=re.IGNORECASE):
        yield (found[1] or "").lower() + "Jansky"
    if found := re.fullmatch(r"([nu]?)jy", text, flags=re.IGNORECASE):
        yield found[1].lower() + "Jy"
    if text.lower() in ("magnitude", "magnitudes"):
        yield "mag"
