"""``pix2z inspect``: what a file holds, and how to use it."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from pix2z.cli.display import print_json
from pix2z.cli.reading import (
    LayoutOption,
    MapOption,
    ParamsOption,
    check_output,
    params_file,
    read_mapping,
)
from pix2z.config.ingest import Hdf5Mapping, IngestConfig
from pix2z.config.pdf import PdfConfig
from pix2z.errors import InputError

if TYPE_CHECKING:
    from pix2z.ingest.inspection import Inspection, StampSample
    from pix2z.ingest.raw import RawTable

__all__ = ["inspect"]

SHOWN = 12
"""Galaxies in the picture."""

LIMITS: dict[str, Any] = {
    "z_min": 0.0,
    "z_max": 0.4,
    "duplicate_radius_arcsec": 2.0,
    "check_photometry": True,
    "spectra": {"zwarning": [0], "classes": ["GALAXY"]},
}
"""The rest of the section `ingest`, as in the params.yaml that ships."""


def inspect(
    file: Annotated[Path, typer.Argument(help="A file of stamps, or a folder of such files.")],
    layout: LayoutOption = None,
    params: ParamsOption = None,
    mapping: MapOption = None,
    plot: Annotated[
        Path | None, typer.Option(help="Picture to write, .png: a few galaxies in colour.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is in a file of galaxy stamps, what looks wrong, and how `ingest` would use it.

    Columns are read whole, pixels on a sample of at most 2048 stamps. A file
    that fits no layout is listed, with a mapping that may fit.
    """
    check_output(plot, ".png")
    chosen = read_mapping(params, mapping)
    limits, pdf_range = LIMITS, (LIMITS["z_min"], LIMITS["z_max"])
    if path := params_file(params):
        limits = IngestConfig.read(path).model_dump(mode="json", include=set(LIMITS))
        grid = PdfConfig.read(path)
        pdf_range = (grid.z_min, grid.z_max)

    from pix2z.cli.inspection_text import show_inspection
    from pix2z.ingest.checks import RowLimits
    from pix2z.ingest.contents import file_contents
    from pix2z.ingest.inspection import inspect_survey, sample_stamps
    from pix2z.ingest.source import open_source

    try:
        with open_source(file, layout=layout, mapping=chosen) as survey:
            sample = sample_stamps(survey)
            row_limits = RowLimits(
                z_min=limits["z_min"],
                z_max=limits["z_max"],
                pdf_range=pdf_range,
                z_warnings=limits["spectra"]["zwarning"],
                classes=limits["spectra"]["classes"],
            )
            inspection = inspect_survey(survey, sample, row_limits)
            table = survey.table
    except InputError as error:
        if not file.is_file():
            raise
        _list_arrays(file, why=str(error), as_json=as_json)
        return
    arrays = file_contents(next(iter(inspection.files)))
    section = _params_section(file, inspection, chosen, limits) if table.has_redshifts else None
    if as_json:
        listed = [asdict(array) for array in arrays]
        print_json({"fits": True, **asdict(inspection), "arrays": listed, "params": section})
    else:
        lines = yaml.safe_dump(section, sort_keys=False) if section else None
        show_inspection(file, inspection, arrays, params_lines=lines)
    said = [f"{_plot(plot, sample, table)} galaxies are drawn in {plot}."] if plot else []
    if inspection.plausible:  # else predict would refuse the file
        said.append(f"Next: {_command(file, layout, params, mapping)}")
    if said and (plot or not as_json):
        typer.echo(f"\n{' '.join(said)}", err=as_json)


def _command(file: Path, layout: str | None, params: Path | None, mapping: list[str] | None) -> str:
    """Return the command that predicts for the file as it was read here."""
    options = [part for entry in mapping or () for part in ("-m", entry)]
    options += ["--layout", layout] if layout else []
    options += ["--params", str(params)] if params else []
    return shlex.join(["pix2z", "predict", str(file), *options, "--out", "z.parquet"])


def _list_arrays(file: Path, *, why: str, as_json: bool) -> None:
    """List what a file holds that fits no layout, with a mapping that may fit."""
    from pix2z.cli.inspection_text import show_contents
    from pix2z.ingest.contents import file_contents, suggested_mapping
    from pix2z.ingest.source import detect_layout

    contents = file_contents(file)  # raises where the file cannot be read at all
    layout = detect_layout(file)
    guess = suggested_mapping(contents) if layout in ("hdf5", "npz", "npy") else None
    if as_json:
        arrays = [asdict(array) for array in contents]
        print_json({"fits": False, "why": why, "arrays": arrays, "suggested": guess})
    else:
        show_contents(file, contents, why=why, layout=layout, suggested=guess)


def _params_section(
    file: Path, inspection: "Inspection", mapping: Hdf5Mapping, limits: dict[str, Any]
) -> dict[str, Any] | None:
    """Section `ingest` of params.yaml for this file; None for what ingest itself wrote."""
    if inspection.layout == "galaxies":
        return None
    ingest = {"source": str(file), "layout": inspection.layout, **limits, "hdf5": mapping.given}
    return {"ingest": ingest}


def _plot(path: Path, sample: "StampSample", table: "RawTable") -> int:
    """Draw a few galaxies from all over the file, nearest first, and return how many.

    The middle one is drawn band by band.
    """
    import numpy as np

    from pix2z.evaluation.figures.stamps import plot_stamps
    from pix2z.ingest.inspection import spread_out

    shown = spread_out(sample, most=SHOWN)
    if not len(shown):
        raise InputError(f"{path}: nothing to draw; every stamp looked at is blank")
    z_spec = table.z_spec[sample.rows[shown]]
    order = np.argsort(z_spec, kind="stable")  # NaN last
    shown, z_spec = shown[order], z_spec[order]
    labels = []
    for z, mag_r in zip(z_spec, sample.mag_r[shown], strict=True):
        parts = [f"z {z:.3f}"] if np.isfinite(z) else []
        parts += [f"r {mag_r:.2f}"] if np.isfinite(mag_r) else ["no r flux"]
        labels.append(", ".join(parts))
    plot_stamps(sample.images[shown], labels, strip=len(shown) // 2, path=path)
    return len(shown)
