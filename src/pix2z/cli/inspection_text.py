"""The findings of ``pix2z inspect`` as tables for a terminal, or plain text for a pipe."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pix2z.cli.display import page
from pix2z.imaging import BANDS, SKY_SIGMA
from pix2z.ingest.contents import StoredArray
from pix2z.ingest.inspection import Inspection, Range

__all__ = ["show_contents", "show_inspection"]

MOST_VALUES = 8
"""Different values of a column that are listed."""

MOST_FILES = 5
"""Files of a folder that are named; the rest is counted."""

MOST_ARRAYS = 40
"""Arrays of a file that are listed; the rest is counted."""


def show_inspection(
    path: Path, seen: Inspection, arrays: Sequence[StoredArray], *, params_lines: str | None
) -> None:
    """Print findings; `params_lines` None where ingest cannot or need not read the file."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for label, text in _rows(path, seen, arrays):
        table.add_row(label, Text(text))
    with page() as console:
        first = f"{path}: layout {seen.layout}, {seen.n_rows:,} galaxies"
        console.print(Text(first), style="bold", soft_wrap=True)
        console.print(table)
        console.print("\nSky noise, nanomaggies per pixel, median of the stamps:", style="bold")
        console.print(_bands(seen))
        _problems(console, seen)
        if params_lines:
            console.print("\nIn params.yaml, for ingest:\n", style="bold")
            console.print(Text(params_lines.rstrip()), soft_wrap=True)
        elif seen.layout == "galaxies":
            console.print("\nThis is what ingest writes: nothing is left to ingest.")
        else:
            console.print("\nNo redshifts, so nothing to train on; pix2z predict reads it.")


def show_contents(
    path: Path,
    contents: Sequence[StoredArray],
    *,
    why: str,
    layout: str,
    suggested: dict[str, Any] | None,
) -> None:
    """Print what a file holds that fits no layout, and a mapping that may fit."""
    with page() as console:
        console.print(Text(f"No layout fits: {why}"), style="yellow", soft_wrap=True)
        console.print(f"\nArrays in {path.name}:", style="bold")
        console.print(_listing(contents[:MOST_ARRAYS]))
        if len(contents) > MOST_ARRAYS:
            console.print(f"  and {len(contents) - MOST_ARRAYS} more")
        if suggested is None:
            if layout == "hdf5":
                console.print("\nNone is known as stamps: an array (N, bands, side, side) or")
                console.print("(N, side, side, bands) of 32 pixels or more.")
            return
        console.print("\nIn params.yaml, what may fit; check every line:\n", style="bold")
        console.print(Text(_suggestion(suggested, layout)), soft_wrap=True)
        tried = {"unit": "nanomaggy", **suggested}
        entries = " ".join(f"-m {key}={shlex.quote(str(value))}" for key, value in tried.items())
        console.print("\nTo try it:\n", style="bold")
        command = f"  pix2z inspect {shlex.quote(str(path))} --layout {layout} {entries}"
        console.print(Text(command), soft_wrap=True)


def _listing(contents: Sequence[StoredArray]) -> Table:
    table = Table.grid(padding=(0, 2))
    for array in contents:
        unit = f"unit {array.unit}" if array.unit else ""
        table.add_row(Text(f"  {array.key}"), _shape(array), Text(array.dtype), Text(unit))
    return table


def _rows(path: Path, seen: Inspection, arrays: Sequence[StoredArray]) -> Iterator[tuple[str, str]]:
    if seen.source != path.name:
        yield "source", seen.source
    if len(seen.files) > 1:
        for name, n in list(seen.files.items())[:MOST_FILES]:
            yield "file", f"{Path(name).name}: {n:,}"
        if len(seen.files) > MOST_FILES:
            yield "file", f"and {len(seen.files) - MOST_FILES:,} more"
    if arrays:
        yield "largest array", f"{arrays[0].key} {_shape(arrays[0])} {arrays[0].dtype}"
    for what, words in seen.converted.items():
        yield what, words
    for column, words in seen.columns_from.items():
        yield column, f"from {words}" if not words.startswith("none") else words
    groups = f"{seen.n_groups:,}"
    yield "groups", f"{groups}; {seen.n_moved:,} moved stamps" if seen.n_moved else groups
    yield "redshift", _spread(seen.redshift, "{:.4f}", seen.n_rows)
    yield "E(B-V)", _spread(seen.ebv, "{:.3f}", seen.n_rows)
    if seen.ra and seen.dec:
        ra, dec = seen.ra, seen.dec
        words = f"RA {ra.low:.3f} to {ra.high:.3f}, Dec {dec.low:.3f} to {dec.high:.3f} deg"
        yield "positions", words
    spectra = [array for array in arrays if array.key.startswith("spectra/")]
    if spectra:
        names = ", ".join(sorted(array.key.removeprefix("spectra/") for array in spectra))
        yield "spectra", f"{names}: {spectra[0].shape[-1]:,} pixels"
    for what, counts in (("ZWARNING", seen.z_warnings), ("class", seen.classes)):
        if counts:
            yield what, _most_frequent(counts)
    looked = f"on {seen.n_looked_at:,} of {seen.n_rows:,} stamps"
    if seen.mag_r:
        mag = seen.mag_r
        lost = seen.n_looked_at - mag.n
        words = f"{mag.low:.2f} to {mag.high:.2f}, median {mag.median:.2f}, measured {looked}"
        yield "r magnitude", words + (f"; {lost:,} without positive flux" if lost else "")
    else:
        yield "r magnitude", f"no positive flux {looked}"
    blank = f"; {seen.n_blank:,} stamps blank in all bands" if seen.n_blank else ""
    yield "masked pixels", f"{100 * seen.masked_share:.2g} % of the bands that are there{blank}"


def _bands(seen: Inspection) -> Table:
    table = Table(box=None, padding=(0, 2))
    for heading in ("band", "here", "SDSS", "here / SDSS", "stamps without"):
        table.add_column(heading, justify="left" if heading == "band" else "right")
    for band, sdss in zip(BANDS, SKY_SIGMA, strict=True):
        here, absent = seen.sky_noise[band], seen.absent_share[band]
        numbers = ("-", "-") if here is None else (f"{here:.3g}", f"{here / sdss:.2f}")
        share = f"{100 * absent:.2g} %" if absent else "none"
        table.add_row(band, numbers[0], f"{sdss:.3g}", numbers[1], share)
    return table


def _problems(console: Console, seen: Inspection) -> None:
    bad = {reason: n for reason, n in seen.bad_rows.items() if n}
    if not bad and not seen.problems:
        console.print("\nNo problem found in the columns or the stamps looked at.", style="green")
        return
    console.print("\nProblems:", style="bold red")
    for sentence in seen.problems:
        console.print(Padding(Text(sentence), (0, 0, 0, 2)))
    for reason, n in bad.items():
        console.print(f"  {n:,} of {seen.n_rows:,} rows: {reason}", markup=False)


def _spread(values: Range | None, form: str, n_rows: int) -> str:
    if values is None:
        return "none in the file"
    numbers = (values.low, values.high, values.mean, values.sd)
    low, high, mean, sd = (form.format(number) for number in numbers)
    unknown = f"; unknown for {n_rows - values.n:,}" if values.n < n_rows else ""
    return f"{low} to {high}, mean {mean}, sd {sd}{unknown}"


def _most_frequent(counts: Mapping[str, int]) -> str:
    listed = [f"{value}: {n:,}" for value, n in list(counts.items())[:MOST_VALUES]]
    more = len(counts) - MOST_VALUES
    return ", ".join(listed + ([f"{more} more values"] if more > 0 else []))


def _shape(array: StoredArray) -> str:
    return f"({', '.join(str(side) for side in array.shape)})"


def _suggestion(mapping: dict[str, Any], layout: str) -> str:
    lines = yaml.safe_dump({"hdf5": mapping}, sort_keys=False).splitlines()
    if "unit" not in mapping:
        lines.append("  unit: nanomaggy  # or nJy, uJy, ...; or zero_point: its AB magnitude")
    if "bands" not in mapping:
        lines.append("  bands: gri  # those of the file, in its order")
    return "\n".join(["ingest:", f"  layout: {layout}", *(f"  {line}" for line in lines)])
