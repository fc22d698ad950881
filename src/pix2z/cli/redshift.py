"""``pix2z redshift``: redshifts read from spectra."""

import math
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pix2z.cli.display import number_of, say
from pix2z.cli.reading import check_output, refuse_input
from pix2z.errors import InputError

if TYPE_CHECKING:
    from pix2z.spectra.template_redshift import SpectrumRedshifts

__all__ = ["redshift"]


class TemplateChoice(StrEnum):
    """Where templates come from."""

    FILE = "file"
    KCORRECT = "kcorrect"


def redshift(
    spectra: Annotated[
        list[Path], typer.Argument(help="SDSS spec FITS files, or HDF5 files of many spectra.")
    ],
    out: Annotated[Path, typer.Option(help="Table to write, .csv.")],
    z_min: Annotated[
        float | None,
        typer.Option(help="First redshift tried; else that of the file's network, or -0.005."),
    ] = None,
    z_max: Annotated[
        float | None,
        typer.Option(help="Last redshift tried; else that of the file's network, or 0.6."),
    ] = None,
    templates: Annotated[
        TemplateChoice,
        typer.Option(help="The basis in the file, where it has one; or always kcorrect's."),
    ] = TemplateChoice.FILE,
    coarse: Annotated[
        int, typer.Option(min=1, help="Pixels averaged to scan the range; 8 for smooth spectra.")
    ] = 1,
) -> None:
    """Read redshifts off spectra: the smallest chi-square against galaxy templates.

    One row per spectrum, in the order given: file, row in the file, z, z_err
    (1 sigma), pix2z_flags, reduced_chi2, z_second (the next best redshift)
    and delta_chi2 (how much larger its chi-square is; less than 0 where, of
    spectra made of images, it is an end of the range that was searched and fits
    better). The flags are a sum of bits:

     1  no redshift (nan): no good pixels, too few for a fit, or out of the
        templates' reach
     2  fewer than half of the pixels are good
     4  another redshift fits nearly as well: less than 3 sigma apart, or, in
        spectra that were measured, its chi-square is higher by at most 30 % of
        what the best redshift gains over a smooth curve
     8  the best redshift is the first or last that was tried: no error
    16  the mean flux is not positive
    32  doubtful: reconstructed from images, and another redshift fits nearly as
        well, or an end of the range that was searched fits best

    Spectra that `pix2z spectrum` made of images are searched with the settings
    and in the range of redshifts that their file names. Their pixels have
    errors that go together, so that z_err is nan.

    A file that cannot be read gets one line on stderr and no rows; the others
    are read all the same, and the exit code is 2. Where none can be read,
    nothing is written.
    """
    check_output(out, ".csv")
    refuse_input(out, spectra)
    given = [value for value in (z_min, z_max) if value is not None]
    if not all(-1 < value < math.inf for value in given) or sorted(set(given)) != given:
        raise InputError(
            f"--z-min, --z-max: expected -1 < first < last redshift; received {z_min}, {z_max}"
        )

    from pix2z.catalogue.spectrum_redshifts import fit_file, write_table

    start = time.monotonic()
    fits: list[tuple[Path, SpectrumRedshifts]] = []
    ranges: set[tuple[float, float]] = set()
    for path in spectra:
        try:
            fitted, search = fit_file(
                path,
                z_min=z_min,
                z_max=z_max,
                coarse=coarse,
                own_basis=templates is TemplateChoice.FILE,
            )
        except InputError as error:
            sys.stderr.write(f"error: {error}\n")
        else:
            fits.append((path, fitted))
            ranges.add((search.z_min, search.z_max))
    if fits:
        write_table(out, fits)
        _report(fits, out, time.monotonic() - start)
        tried = " or ".join(f"{first:g} to {last:g}" for first, last in sorted(ranges))
        say(f"Redshifts tried: {tried} (--z-min, --z-max); a galaxy beyond gets a wrong one")
    if len(fits) < len(spectra):
        raise typer.Exit(InputError.exit_code)


def _report(fits: "list[tuple[Path, SpectrumRedshifts]]", out: Path, seconds: float) -> None:
    from pix2z.redshift_pdf.flags import FIT_FLAG_MEANINGS, FlagCounts

    counts = FlagCounts(FIT_FLAG_MEANINGS)
    for _, fitted in fits:
        counts.add(fitted.flags)
    spectra = number_of(sum(len(fitted) for _, fitted in fits), "spectrum", "spectra")
    files = number_of(len(fits), "file", "files")
    say(f"{spectra} of {files} in {seconds:.1f} s; redshifts in {out}")
    say(str(counts))
