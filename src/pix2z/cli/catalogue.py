"""``pix2z catalogue``: from the five frames of a field to its sources and their redshifts."""

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from pix2z.cli.display import say, say_in_words
from pix2z.cli.reading import check_output, galaxies, refuse_input
from pix2z.cli.which_model import ModelOption, chosen_model
from pix2z.errors import InputError

if TYPE_CHECKING:
    from pix2z.field.sources import Sources

__all__ = ["catalogue"]

FAINTEST = 17.8
"""Dereddened Petrosian r of the training sample."""

R = 2
"""Of ugriz."""


def catalogue(
    frames: Annotated[
        list[Path], typer.Argument(help="SDSS frames of one field in ugriz, .fits or .fits.bz2.")
    ],
    out: Annotated[Path, typer.Option(help="Table to write, .parquet or .csv.")],
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
        Path | None, typer.Option(help="PDFs of the redshifts, in qp's format, .hdf5.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Picture, .png: the field, its catalogue drawn on it.")
    ] = None,
    regions: Annotated[Path | None, typer.Option(help="Regions for DS9, .reg.")] = None,
) -> None:
    """Find the sources of a field, tell stars from galaxies, estimate redshifts.

    Takes the five frames in any order. One row per source, the brightest
    first: position, Petrosian magnitude and half-light radius in r, fluxes,
    star or galaxy, source_flags (a sum of bits), then the redshift as
    `pix2z predict` writes it. Stars, and galaxies fainter than --limit, have
    none: NaN. source_flags:

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
    check_output(out, ".parquet", ".csv")
    for path, suffix in ((pdf, ".hdf5"), (plot, ".png"), (regions, ".reg")):
        check_output(path, suffix)
    for path in (out, pdf, plot, regions):
        refuse_input(path, [*frames, *([at] if at else [])])
    from pix2z.field.positions import Box, read_positions

    inside = Box.parse(box) if box else None
    listed = read_positions(at) if at else None

    from pix2z.tracking.model_names import POOLS, resolve_model

    pool = resolve_model(chosen_model(model, POOLS), POOLS)

    from pix2z.field.frames import open_field
    from pix2z.field.sources import SOURCE_FLAG_MEANINGS, find_sources, sources_at
    from pix2z.imaging import extinction
    from pix2z.redshift_pdf.flags import FlagCounts

    start = time.monotonic()
    field = open_field(frames)
    sources = sources_at(field, *listed) if listed else find_sources(field)
    if inside:
        sources = sources.only(inside.holds(sources.ra, sources.dec))
    if not len(sources):
        where = f"{at}: no position lies" if at else f"--box {box}: no source lies"
        raise InputError(f"{where} in this field{' and box' if at and inside else ''}")
    sources = sources.judged(limit, float(extinction(np.array(ebv or 0.0))[R]))
    seconds = time.monotonic() - start

    from pix2z.field.catalogue import estimate_galaxies, field_facts, to_estimate, write_field
    from pix2z.network.estimator import load_pool

    estimator = load_pool(pool)
    start = time.monotonic()
    rows = to_estimate(sources, listed=listed is not None)
    estimate = estimate_galaxies(estimator, field, sources, rows, ebv=ebv)
    facts = field_facts(estimator, frames, ebv=ebv, limit=limit)
    overview = write_field(sources, rows, estimate, out=out, pdf=pdf, metadata=facts)
    seconds += time.monotonic() - start
    say(
        f"{_counted(sources)} in {seconds:.1f} s; table in {out}{f', PDFs in {pdf}' if pdf else ''}"
    )
    n_outside = len(listed[0]) - len(sources) if listed else 0
    if n_outside:
        say(f"Positions outside the r frame{' or the box' if box else ''}: {n_outside:,}")
    say_in_words(str(overview) if len(rows) else f"None is a galaxy brighter than r = {limit:g}.")
    doubts = FlagCounts(SOURCE_FLAG_MEANINGS)
    doubts.add(sources.flags[rows])
    if doubts.n_flagged:
        say_in_words(f"Of those with a redshift, as sources: {doubts}.")

    from pix2z.field.pictures import plot_field, write_regions

    if regions:
        write_regions(regions, sources, rows, estimate)
        say(f"{regions} shows them in DS9.")
    if plot:
        plot_field(plot, field, sources, rows, estimate)
        say(f"{plot} shows them on the field.")


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
