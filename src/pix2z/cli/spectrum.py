"""``pix2z spectrum``: the spectrum of every galaxy of a file of images."""

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pix2z.cli.display import galaxies_progress, say, say_in_words
from pix2z.cli.reading import (
    CheckOption,
    EbvOption,
    Given,
    HatsOption,
    LayoutOption,
    MapOption,
    ParamsOption,
    check_hats,
    check_input,
    check_output,
    done,
    open_images,
    say_hats,
)
from pix2z.cli.which_model import chosen_model
from pix2z.errors import InputError

if TYPE_CHECKING:
    from pix2z.ingest.raw import RawSurvey
    from pix2z.redshift_pdf.flags import FlagCounts

__all__ = ["spectrum"]


def spectrum(
    images: Annotated[Path, typer.Argument(help="A file of stamps, or a folder of such files.")],
    out: Annotated[Path, typer.Option(help="File of spectra to write, .hdf5 or .h5.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="A spectrum arm as full, a folder of one, or a version as pix2z-spectrum/3.",
            show_default="the champion, else full",
        ),
    ] = None,
    ebv: EbvOption = None,
    layout: LayoutOption = None,
    params: ParamsOption = None,
    mapping: MapOption = None,
    plot: Annotated[
        Path | None, typer.Option(help="Figure to draw, .png: up to nine galaxies at random.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Which galaxies --plot draws.", show_default="1")
    ] = None,
    hats: HatsOption = None,
    check: CheckOption = True,
) -> None:
    r"""Reconstruct the spectrum of every galaxy of a file from its images, whatever its layout.

    One row per galaxy, in the order of the file: flux, flux_error and
    flux_error95 (half of the 68 and of the 95 % band away from strong lines)
    at the wavelengths in wavelength, line_error and line_error95 (the same at
    the lines that attribute lines names, wherever pix2z_z_err99_low to
    pix2z_z_err99_high puts them), in 1e-17 erg / (s cm2 Angstrom), without
    Galactic extinction where E(B-V) is known; object_id, mean_flux_r, the
    network's own redshift (pix2z_z_median, _err68_low and _err68_high), ebv,
    and pix2z_flags, a sum of bits:

     1  a band is absent
     2  pixels are masked or impossible (infinite, beyond 1e10 nanomaggies)
     4  E(B-V) is unknown (missing, negative or above 3 mag)
     8  every band is blank, so there is no spectrum: NaN
    16  the r flux is unknown or not positive: relative to its mean in r

    48 kB per galaxy. `pix2z redshift` reads the file. --hats needs ra and dec
    of every galaxy, and pip install "pix2z\[survey]".
    """
    check_output(out, ".hdf5", ".h5")
    check_output(plot, ".png")
    check_input(images)
    if seed is not None and plot is None:
        raise InputError("--seed: says which galaxies --plot draws; expected both, or none")
    if hats:
        check_hats(hats, out, plot)

    from pix2z.catalogue.hats import check_positions
    from pix2z.catalogue.hats_spectra import write_hats_spectra
    from pix2z.tracking.kinds import SPECTRA

    given = Given.read(images, layout=layout, params=params, mapping=mapping, ebv=ebv, check=check)
    folder = chosen_model(model, SPECTRA)
    with open_images(given, out, plot, verb="reconstructs") as survey:
        if hats:
            check_positions(survey)
        flags, seconds = _write(survey, folder, given.ebv, out)
        drawn = _draw(survey, out, plot, seed=1 if seed is None else seed)
        say_in_words(f"{done(len(survey.table), seconds)}; spectra in {out}{drawn}")
        say_in_words(str(flags))
        if hats:
            write_hats_spectra(out, survey.table, hats)
            say_hats(hats)
    table = out.with_suffix(".csv")
    say(f"Next: {shlex.join(['pix2z', 'redshift', str(out), '--out', str(table)])}")


def _write(
    survey: "RawSurvey", folder: Path, ebv: float | None, out: Path
) -> tuple["FlagCounts", float]:
    """Load the network and write its spectra; return their flags, and the seconds it took."""
    from pix2z.catalogue.spectra import EBV_COLUMN, spectrum_attributes, stamps_of_survey
    from pix2z.spectra.reconstructions import write_reconstructions
    from pix2z.spectrum_network.estimator import load_spectrum_estimator
    from pix2z.spectrum_network.units import physical_blocks

    estimator = load_spectrum_estimator(folder)
    start = time.monotonic()
    with galaxies_progress(len(survey.table)) as advance:
        flags = write_reconstructions(
            out,
            estimator,
            physical_blocks(estimator, stamps_of_survey(survey, ebv=ebv)),
            n=len(survey.table),
            columns=EBV_COLUMN,
            attributes=spectrum_attributes(estimator, survey, ebv=ebv),
            advance=advance,
        )
    return flags, time.monotonic() - start


def _draw(survey: "RawSurvey", out: Path, plot: Path | None, *, seed: int) -> str:
    """Draw the figure, if one is wanted, and return what to say of it."""
    if plot is None:
        return ""
    from pix2z.catalogue.spectra import draw_some_spectra

    n = draw_some_spectra(out, plot, survey, seed=seed)
    return f", {n} of them in {plot}" if n else "; no figure, since no galaxy has a spectrum"
