"""``pix2z catalogue``: from the five frames of a field to its sources and their redshifts."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pix2z.cli.display import say, say_in_words
from pix2z.cli.reading import check_input, check_output, galaxies, refuse_input
from pix2z.cli.watching import watch_folder
from pix2z.cli.which_model import ModelOption, chosen_model
from pix2z.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pix2z.archive.frames import Frame
    from pix2z.field.positions import Box
    from pix2z.field.sources import Sources
    from pix2z.redshift_pdf.redshifts import Redshifts

__all__ = ["catalogue"]

FAINTEST = 17.8
"""Dereddened Petrosian r of the training sample."""


def catalogue(
    out: Annotated[
        Path, typer.Option(help="Table to write, .parquet or .csv; with --watch a folder of them.")
    ],
    frames: Annotated[
        list[Path] | None,
        typer.Argument(help="SDSS frames of one field in ugriz, .fits or .fits.bz2."),
    ] = None,
    model: ModelOption = None,
    limit: Annotated[
        float, typer.Option(help="Faintest Petrosian r of a galaxy that gets a redshift.")
    ] = FAINTEST,
    at: Annotated[
        Path | None, typer.Option(help="List, .csv with ra and dec: only what is there.")
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(metavar="RA,RA,DEC,DEC", help="Only sources between these degrees."),
    ] = None,
    ebv: Annotated[
        float | None, typer.Option(min=0, max=3, help="E(B-V) of the field in mag.")
    ] = None,
    pdf: Annotated[
        Path | None, typer.Option(help="PDFs of the redshifts: .hdf5 for qp, .parquet compact.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Picture, .png: the field, its catalogue drawn on it.")
    ] = None,
    regions: Annotated[Path | None, typer.Option(help="Regions for DS9, .reg.")] = None,
    watch: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Instead of FRAMES: each field that comes in there."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="With --watch: end once no frame there changes any more.")
    ] = False,
) -> None:
    """Find the sources of a field, tell stars from galaxies, estimate redshifts.

    Takes the five frames in any order. One row per source, the brightest
    first: position, Petrosian magnitude and half-light radius in r, fluxes,
    star or galaxy, source_flags (a sum of bits), then the redshift as
    `pix2z predict` writes it. Stars, and galaxies fainter than --limit, have
    none: NaN. With --watch, each field whose five frames have come into FOLDER
    becomes OUT/RUN-CAMCOL-FIELD.parquet, until Ctrl-C. source_flags:

    1  a saturated star
    2  in the light of a saturated star, and perhaps a part of it
    4  blended with a neighbour
    8  so near the edge of the frame that its stamp is cut
    16  too few stars in the field to tell stars from galaxies
    32  no Petrosian magnitude
    64  a galaxy fainter than the limit
    """
    if not math.isfinite(limit):
        raise InputError(f"--limit: expected a magnitude; received {limit:g}")
    of_one_field = {"--at": at, "--box": box, "--pdf": pdf, "--plot": plot, "--regions": regions}
    _check_choice(frames, watch, once=once, of_one_field=of_one_field)
    if watch is not None:
        watch_folder(watch, out, model=model, limit=limit, ebv=ebv, once=once)
    else:
        outputs = _Outputs(out, pdf, plot, regions)
        for frame in frames or []:
            check_input(frame)
        inputs = [*(frames or []), *([at] if at else [])]
        outputs.check(inputs)
        _one_field(frames or [], outputs, _Where.read(at, box), model=model, limit=limit, ebv=ebv)


def _check_choice(
    frames: list[Path] | None, watch: Path | None, *, once: bool, of_one_field: Mapping[str, object]
) -> None:
    """Raise InputError unless there are frames or a folder, and what is asked goes with it."""
    if frames and watch is not None:
        raise InputError("expected FRAMES or --watch FOLDER, not both")
    if not frames and watch is None:
        raise InputError("expected the five FRAMES of a field, or --watch FOLDER")
    if once and watch is None:
        raise InputError("--once: expected --watch FOLDER with it")
    unfit = [name for name, value in of_one_field.items() if value is not None]
    if watch is not None and unfit:
        raise InputError(f"{unfit[0]}: is of one field; expected FRAMES instead of --watch")


@dataclass(frozen=True)
class _Outputs:
    """What is written of a field."""

    out: Path
    pdf: Path | None
    plot: Path | None
    regions: Path | None

    def check(self, inputs: list[Path]) -> None:
        """Raise InputError where one cannot be written as it is called, or is an input."""
        check_output(self.out, ".parquet", ".csv")
        check_output(self.pdf, ".hdf5", ".parquet")
        check_output(self.plot, ".png")
        check_output(self.regions, ".reg")
        for path in (self.out, self.pdf, self.plot, self.regions):
            refuse_input(path, inputs)


@dataclass(frozen=True)
class _Where:
    """Which sources of a field: those of a list or all, those in a box or everywhere."""

    at: Path | None
    listed: "tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]] | None"
    box: str | None
    inside: "Box | None"

    @classmethod
    def read(cls, at: Path | None, box: str | None) -> "_Where":
        """Read list and box; InputError where they are none."""
        from pix2z.field.positions import Box, read_positions

        inside = Box.parse(box) if box is not None else None
        return cls(at, read_positions(at) if at else None, box, inside)

    def sources(self, field: "Mapping[str, Frame]") -> "Sources":
        """Find and measure them; InputError where there are none."""
        from pix2z.field.sources import find_sources, sources_at

        sources = sources_at(field, *self.listed) if self.listed else find_sources(field)
        if self.inside:
            sources = sources.only(self.inside.holds(sources.ra, sources.dec))
        if not len(sources):
            where = (
                f"{self.at}: no position lies" if self.at else f"--box {self.box}: no source lies"
            )
            raise InputError(f"{where} in this field{' and box' if self.at and self.box else ''}")
        return sources

    def n_outside(self, sources: "Sources") -> int:
        """Positions of the list that are not among the sources."""
        return len(self.listed[0]) - len(sources) if self.listed else 0


def _one_field(
    frames: list[Path],
    outputs: _Outputs,
    where: _Where,
    *,
    model: str | None,
    limit: float,
    ebv: float | None,
) -> None:
    pool = chosen_model(model)

    from pix2z.field.frames import open_field

    start = time.monotonic()
    field = open_field(frames)
    sources = where.sources(field).judged(limit, ebv)
    seconds = time.monotonic() - start

    from pix2z.catalogue.estimator import load_pool
    from pix2z.field.catalogue import estimate_galaxies, field_facts, write_field

    estimator = load_pool(pool)
    start = time.monotonic()
    listed = where.listed is not None
    rows, estimate = estimate_galaxies(estimator, field, sources, listed=listed, ebv=ebv)
    facts = field_facts(estimator, frames, ebv=ebv, limit=limit)
    overview = write_field(
        sources, rows, estimate, out=outputs.out, pdf=outputs.pdf, metadata=facts
    )
    seconds += time.monotonic() - start
    pdfs = f", PDFs in {outputs.pdf}" if outputs.pdf else ""
    say(f"{_counted(sources)} in {seconds:.1f} s; table in {outputs.out}{pdfs}")
    if n_outside := where.n_outside(sources):
        say(f"Positions outside the r frame{' or the box' if where.box else ''}: {n_outside:,}")
    say_in_words(str(overview) if len(rows) else f"None is a galaxy brighter than r = {limit:g}.")
    _say_doubts(sources.flags[rows])
    _draw(outputs, field, sources, rows, estimate)


def _say_doubts(flags: "NDArray[np.int32]") -> None:
    """Say which flags the sources with a redshift have."""
    from pix2z.field.sources import SOURCE_FLAG_MEANINGS
    from pix2z.redshift_pdf.flags import FlagCounts

    doubts = FlagCounts(SOURCE_FLAG_MEANINGS)
    doubts.add(flags)
    if doubts.n_flagged:
        say_in_words(f"Of those with a redshift, as sources: {doubts}.")


def _draw(
    outputs: _Outputs,
    field: "Mapping[str, Frame]",
    sources: "Sources",
    rows: "NDArray[np.int64]",
    estimate: "Redshifts",
) -> None:
    """Write the regions and the picture that are wanted."""
    from pix2z.field.pictures import plot_field, write_regions

    if outputs.regions:
        write_regions(outputs.regions, sources, rows, estimate)
        say(f"{outputs.regions} shows them in DS9.")
    if outputs.plot:
        plot_field(outputs.plot, field, sources, rows, estimate)
        say(f"{outputs.plot} shows them on the field.")


def _counted(sources: "Sources") -> str:
    """Say how many sources there are of which kind."""
    from pix2z.field.sources import SourceFlag

    n_galaxies = int(sources.is_galaxy.sum())
    n_faint = int((sources.flags & SourceFlag.TOO_FAINT != 0).sum())
    faint = f", {n_faint:,} of them fainter than the limit" if n_faint else ""
    return (
        f"{len(sources):,} sources: {galaxies(n_galaxies)}{faint}, and "
        f"{len(sources) - n_galaxies:,} stars"
    )
