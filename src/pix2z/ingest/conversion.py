"""How stamps of any axes, bands, unit, size and pixel scale become ours, and that in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pix2z.config.ingest import Hdf5Mapping
from pix2z.errors import InputError
from pix2z.imaging import BANDS, PIXEL_SCALE, STAMP_SIDE
from pix2z.ingest.layouts import KnownMapping
from pix2z.ingest.resampling import Cut, plan_cut, resample
from pix2z.said.agreement import bands_of, of_all_bands, pixel_scale_of, stored_as
from pix2z.said.claims import Said, numbers
from pix2z.said.units import are_softened, flux_of

__all__ = ["Conversion", "converted", "in_our_order", "is_one_of", "plan_conversion"]

Axes = Literal["NHWC", "NCHW"]


@dataclass(frozen=True)
class Conversion:
    """How the stored stamps of a file become ours.

    Attributes
    ----------
    bands, axes : of the file; NHWC has the bands last.
    masked : stored numbers that stand for masked pixels.
    gain, level : nanomaggies are ``gain * stored + level``; one number, or one per band.
    softened : whether the pixels are no fluxes.
    rows, columns : how stored stamps are cut along both axes.
    words : what was assumed of the pixels or is done to them, and who says so.
    """

    bands: str
    axes: Axes
    masked: tuple[float, ...]
    gain: NDArray[np.float64]
    level: NDArray[np.float64]
    softened: bool
    rows: Cut
    columns: Cut
    words: Mapping[str, str]

    @property
    def window(self) -> tuple[slice, slice, slice]:
        """The part of a stored stamp that is read."""
        every = slice(None)
        if self.axes == "NHWC":
            return self.rows.window, self.columns.window, every
        return every, self.rows.window, self.columns.window


def plan_conversion(
    shape: tuple[int, ...], mapping: Hdf5Mapping, said: Said, path: str | Path
) -> Conversion:
    """Find out how images of a shape (N, ., ., .) become stamps.

    Parameters
    ----------
    mapping : what is given, or known of the layout. said : what the file says of itself.

    Raises
    ------
    InputError
        Axes or unit are not known, what is given contradicts what the file says, or the stamps are
        too small or of a pixel scale that cannot be resampled.
    """
    where = f"{path}: {mapping.images}"
    bands, bands_said = _bands(said, path, mapping)
    said = of_all_bands(said, bands, path)
    if isinstance(mapping, KnownMapping):
        _check_known(shape, mapping, bands, where)
    axes = _axes_of(shape, mapping.axes, bands, where)
    sides = (shape[1], shape[2]) if axes == "NHWC" else (shape[2], shape[3])
    scale, scale_said = _pixel_scale(said, path, mapping)
    try:
        rows, columns = (plan_cut(side, scale) for side in sides)
    except ValueError as error:
        raise InputError(f"{where}: {error}{scale_said}") from error
    factor, unit = _flux(said, path, mapping, bands)
    times, plus, stored = stored_as(said, path)
    for values, of_what in ((factor, unit), (times, stored), (plus, stored)):
        if len(values) not in (1, len(bands)):
            raise InputError(
                f"{where}: expected one number, or one for each of the bands {bands!r}; received "
                f"{len(values)}: {of_what}"
            )
    masked, masked_words = _masked(said, path, given=mapping.masked_value)
    absent = " ".join(band for band in BANDS if band not in bands)
    words = {
        "axes": "bands last, as they are" if axes == "NHWC" else "bands first, moved last",
        "bands": f"read as {' '.join(bands)}{bands_said}{f'; absent: {absent}' if absent else ''}",
        "unit": unit,
        **_cut_words(sides, rows, columns, f"{scale:g} arcsec{scale_said}"),
        "stored numbers": stored,
        "masked": masked_words,
    }
    words = {name: text for name, text in words.items() if text}
    gain, level = np.asarray(factor) * np.asarray(times), np.asarray(factor) * np.asarray(plus)
    return Conversion(bands, axes, masked, gain, level, are_softened(said), rows, columns, words)


def _cut_words(sides: tuple[int, int], rows: Cut, columns: Cut, scale: str) -> dict[str, str]:
    """Say what becomes of pixels of that scale (in words), and which of them are used."""
    if rows.weights is not None:
        return {
            "pixel scale": f"{scale}, resampled to {PIXEL_SCALE} by area of overlap",
            "crop": f"the central {STAMP_SIDE} pixels of {PIXEL_SCALE} arcsec",
        }
    crop = "none"
    if sides != (STAMP_SIDE, STAMP_SIDE):
        of_rows, of_columns = rows.window, columns.window
        crop = f"rows {of_rows.start} to {of_rows.stop - 1}"
        crop += f", columns {of_columns.start} to {of_columns.stop - 1}"
    return {"pixel scale": scale if scale.endswith("says") else f"{scale}, as it is", "crop": crop}


def _bands(said: Said, path: str | Path, mapping: Hdf5Mapping) -> tuple[str, str]:
    """Return the bands, and in words whose they are; none that the survey does not have."""
    survey = mapping.of_survey
    if survey is None:
        return bands_of(said, path, given=mapping.bands)
    bands, says = bands_of(said, path, given=mapping.bands, otherwise=survey.bands)
    if others := [band for band in bands if band not in survey.bands]:
        raise InputError(
            f"{path}: bands {bands!r}{says}: {survey.title} has {survey.bands}, and no "
            f"{' '.join(others)} (ingest.hdf5.survey is {survey.name})"
        )
    is_of_survey = not says and mapping.bands is None
    return bands, f", as survey {survey.name} says" if is_of_survey else says


def _pixel_scale(said: Said, path: str | Path, mapping: Hdf5Mapping) -> tuple[float, str]:
    """Return arcsec per pixel, and in words who says so."""
    survey = mapping.of_survey
    if survey is None or mapping.pixel_scale is not None:
        scale, says = pixel_scale_of(said, path, given=mapping.pixel_scale)
        return (PIXEL_SCALE if scale is None else scale), says
    given_as = f"{survey.pixel_scale:g} of survey {survey.name}"
    pixel_scale_of(said, path, given=survey.pixel_scale, given_as=given_as)
    return survey.pixel_scale, f", as survey {survey.name} says"


def _flux(
    said: Said, path: str | Path, mapping: Hdf5Mapping, bands: str
) -> tuple[tuple[float, ...], str]:
    """Nanomaggies in the file's unit, one number or one per band, and in words where that is from.

    A survey's zero point stands where neither unit nor zero point is given.
    """
    survey = mapping.of_survey
    if survey is None or mapping.unit is not None or mapping.zero_point is not None:
        return flux_of(
            said,
            path,
            unit=mapping.unit,
            zero_point=mapping.zero_point,
            assumed=isinstance(mapping, KnownMapping),
        )
    factor, words = flux_of(said, path, zero_point=survey.zero_point, whose=f"survey {survey.name}")
    if not survey.per_second:
        return factor, words
    seconds = _exposures(said, path, bands, survey.name)
    listed = ", ".join(f"{one:g}" for one in seconds)
    return tuple(float(factor[0]) / one for one in seconds), f"{words}, over {listed} s of exposure"


def _exposures(said: Said, path: str | Path, bands: str, name: str) -> tuple[float, ...]:
    """Seconds of the exposure of all bands, or of each; InputError where the file tells none."""
    claims = said.of("exposure")
    seconds = numbers(claims[0].values, above=0.0) if claims else None
    if seconds is None or len(seconds) not in (1, len(bands)):
        received = f"; received {claims[0]}" if claims else ""
        raise InputError(
            f"{path}: the zero point of survey {name} is that of a second's counts: expected "
            f"EXPTIME in seconds, one or one for each of the bands {bands!r}{received}; or give "
            "ingest.hdf5.zero_point or unit"
        )
    return seconds


def _check_known(shape: tuple[int, ...], known: KnownMapping, bands: str, where: str) -> None:
    """Raise InputError where stamps are not of the size that the layout has."""
    side, n_bands = known.side, len(bands)
    stamp = (side, side, n_bands) if known.axes == "NHWC" else (n_bands, side, side)
    if shape[1:] != stamp:
        of_bands = "" if bands == BANDS else f" for the bands {bands!r}"
        expected = f"(N, {', '.join(map(str, stamp))})"
        raise InputError(f"{where}: expected shape {expected}{of_bands}; received {shape}")


def _masked(said: Said, path: str | Path, *, given: float | None) -> tuple[tuple[float, ...], str]:
    """Return stored numbers that stand for masked pixels, given or said, and in words whose."""
    masked, words = ([], []) if given is None else ([given], [f"pixels of {given:g}"])
    for claim in said.of("masked"):
        for text in claim.values or (None,):
            value = numbers((text,)) if text is not None else None
            if value is None and str(text).lower() not in ("nan", "inf", "-inf"):
                raise InputError(f"{path}: {claim}: expected a number")
            if value is not None and value[0] not in masked:
                masked += value
                words.append(f"pixels of {value[0]:g}, as {claim.where} says")
    return tuple(masked), "; ".join(words)


def _axes_of(shape: tuple[int, ...], axes: Axes | None, bands: str, where: str) -> Axes:
    """Axis order of images of this shape, given or read off where the bands are; never guessed.

    Raises
    ------
    InputError
        The shape fits neither order, not the one given, or both and none is given.
    """
    n_bands = len(bands)
    fits: dict[Axes, bool] = {"NHWC": shape[3] == n_bands, "NCHW": shape[1] == n_bands}
    possible = [one for one, fit in fits.items() if fit and axes in (None, one)]
    if not possible:
        expected = {"NHWC": f"(N, H, W, {n_bands})", "NCHW": f"(N, {n_bands}, H, W)"}
        wanted = expected[axes] if axes else " or ".join(expected.values())
        raise InputError(
            f"{where}: expected shape {wanted} for the bands {bands!r}; received {shape}"
        )
    if len(possible) > 1:
        raise InputError(
            f"{where}: shape {shape} may have its bands first or last: give ingest.hdf5.axes: "
            "NHWC or NCHW"
        )
    return possible[0]


def converted(stored: NDArray[np.generic], conversion: Conversion) -> NDArray[np.float32]:
    """Turn pixels of the window, in the file's axes, bands and unit, into stamps (n, 32, 32, 5).

    They may be a view of what was stored, the bands moved last.
    """
    bands, gain, level = conversion.bands, conversion.gain, conversion.level
    pixels: NDArray[Any] = stored if conversion.axes == "NHWC" else np.moveaxis(stored, 1, -1)
    if conversion.masked:
        pixels = np.where(is_one_of(pixels, conversion.masked), np.nan, pixels)
    weights = conversion.rows.weights, conversion.columns.weights
    with np.errstate(over="ignore", invalid="ignore"):
        # Beyond float32 becomes inf, which is a bad row; damaged bytes may be signalling NaNs.
        if (gain != 1).any() or level.any() or weights[0] is not None:
            pixels = pixels.astype(np.float64) * gain + level
        if weights[0] is not None and weights[1] is not None:
            pixels = resample(pixels, weights[0], weights[1])
        if bands == BANDS:
            return np.asarray(pixels, np.float32)
        stamps = np.full((*pixels.shape[:3], len(BANDS)), np.nan, np.float32)
        stamps[..., [BANDS.index(band) for band in bands]] = pixels
        return stamps


def is_one_of(stored: NDArray[np.generic], values: Iterable[float]) -> NDArray[np.bool_]:
    """Where stored numbers are one of these, which the file holds rounded to its own dtype."""
    found = np.zeros(stored.shape, np.bool_)
    for value in values:
        with np.errstate(over="ignore"):
            held = np.float64(value).astype(stored.dtype) if stored.dtype.kind == "f" else value
        found |= np.asarray(stored == held)
    return found


def in_our_order(values: NDArray[np.float64], bands: str) -> tuple[float, ...]:
    """One number, or one per band of the file, as one per band u g r i z; of absent bands 1."""
    each = np.broadcast_to(values, (len(bands),))
    return tuple(float(each[bands.index(b)]) if b in bands else 1.0 for b in BANDS)
