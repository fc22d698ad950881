"""The unit of a file's pixels, as factors to nanomaggies: what is given, else what is said."""

import math
import re
from pathlib import Path

from pix2z.errors import InputError
from pix2z.imaging import SOFTENED_UNIT
from pix2z.imaging.units import PER_PIXEL, nanomaggies_in, parsed_unit
from pix2z.said.agreement import agreed, same
from pix2z.said.claims import Claim, Said, numbers

__all__ = ["Flux", "are_counts", "are_softened", "flux_of"]

NANOMAGGY_ZERO_POINT = 22.5

COUNTS = (
    r"(adu|dn|ct|counts?|data numbers?|e-?|electrons?|ph|photons?)s?"
    rf"((\s*(/|per)\s*|\s+)?(s|sec|seconds?)((\^|\*\*)?-1)?)?{PER_PIXEL}?"
)
"""Units of what a detector counts."""

AB = r"(ab)?\s*(mag|mags|magnitudes?)?\s*\(?(ab)?\)?"
"""What may stand behind a zero point."""

Flux = tuple[tuple[float, ...], str]
"""Nanomaggies in the file's unit, one number or one per band, and in words where that is from."""


def flux_of(
    said: Said,
    path: str | Path,
    *,
    unit: str | None = None,
    zero_point: float | None = None,
    whose: str = "",
    assumed: bool = False,
) -> Flux:
    """Nanomaggies in the file's unit, as given (`unit`, or the AB `zero_point`) or as it says.

    Beside a zero point a unit such as counts is no contradiction. Pixels that the file calls
    softened are `SOFTENED_UNIT`: they have no other unit.

    Parameters
    ----------
    whose : zero point it is, in words, where the user did not give it.
    assumed : that pixels are nanomaggies where nothing says anything else.

    Raises
    ------
    InputError
        Nothing says the unit, it is no flux density, or what the file says contradicts what is
        given, or itself.
    """
    zero_points, named = said.of("zero_point", "magnitude_0_flux"), said.of("unit")
    given: tuple[float, ...] | None = None
    words = ""
    if zero_point is not None:
        given, words = (_of_zero_point(zero_point),), f"AB zero point {zero_point:g}"
        words += f" of {whose}" if whose else ""
    elif unit is not None:
        given, words = (_factor(unit, path),), unit
    if are_softened(said):
        if given:
            raise InputError(f"{path}: {named[0]} contradicts what is given, {words}")
        return (1.0,), SOFTENED_UNIT
    if zero_point is not None or zero_points:
        named = [claim for claim in named if not are_counts(claim)]
    vega = [claim for claim in said.of("system") if "vega" in str(claim.values).lower()]
    if vega and zero_points:
        raise InputError(f"{path}: {vega[0]}: expected AB magnitudes, as of {zero_points[0]}")
    factors, says = agreed(
        given,
        zero_points + named,
        _factors if unit is None else _factors_or_other,
        same,
        path=path,
        given_as=words,
        expected="a flux density per unit frequency that astropy reads, such as nanomaggy, nJy or "
        "erg / (s cm2 Hz), or an AB magnitude; or give ingest.hdf5.unit or zero_point",
    )
    if factors is None:
        if assumed:
            return (1.0,), "assumed nanomaggy: the file names no unit"
        raise InputError(
            f"{path}: the unit of the images is not known: give ingest.hdf5.unit, such as "
            "nanomaggy or nJy, or ingest.hdf5.zero_point, the AB magnitude of a flux of 1"
        )
    if says:
        first = (zero_points + named)[0]
        listed = ", ".join(str(value) for value in first.values or ())
        words = f"{'AB zero point ' if first.what == 'zero_point' else ''}{listed}{says}"
    if same(factors, 1.0):
        return (1.0,), words
    times = ", ".join(f"{factor:.6g}" for factor in factors)
    return factors, f"{words}: times {times} to nanomaggies"


def _factors(claim: Claim) -> tuple[float, ...] | None:
    """Nanomaggies in one of what a claim says; None where it cannot be read."""
    if claim.what == "unit":
        factors = [nanomaggies_in(str(value)) for value in claim.values or ()]
        return numbers([factor if factor else math.nan for factor in factors])
    if "vega" in claim.where.lower():
        return None
    values = numbers(claim.values, then=AB)
    if claim.what == "magnitude_0_flux":
        values = values and tuple(2.5 * math.log10(v) if v > 0 else math.inf for v in values)
    if values is None or not all(-100 <= value <= 100 for value in values):
        return None
    return tuple(_of_zero_point(value) for value in values)


def are_counts(claim: Claim) -> bool:
    """Whether a unit is one of counts, with which a zero point goes."""
    texts = [str(value).strip() for value in claim.values or ("?",)]
    return claim.what == "unit" and all(
        re.fullmatch(COUNTS, text, flags=re.IGNORECASE) for text in texts
    )


def are_softened(said: Said) -> bool:
    """Whether a file calls its pixels softened, and nothing else."""
    named = said.of("unit")
    return bool(named) and all(claim.values == (SOFTENED_UNIT,) for claim in named)


def _factors_or_other(claim: Claim) -> tuple[float, ...] | None:
    """Like `_factors`, but a unit that is no flux density is not the same as any that is."""
    factors = _factors(claim)
    if factors is None and claim.what == "unit" and parsed_unit(str((claim.values or ("",))[0])):
        return (math.nan,)
    return factors


def _of_zero_point(zero_point: float) -> float:
    return float(10 ** (0.4 * (NANOMAGGY_ZERO_POINT - zero_point)))


def _factor(unit: str, path: str | Path) -> float:
    factor = nanomaggies_in(unit)
    if factor is None:
        raise InputError(
            f"{path}: ingest.hdf5.unit: expected a flux density per unit frequency that astropy "
            f"reads, such as nanomaggy, nJy or erg / (s cm2 Hz); received {unit!r}"
        )
    return factor
