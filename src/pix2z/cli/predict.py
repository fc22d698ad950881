"""``pix2z predict``: redshifts of every galaxy of a file."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pix2z.cli.display import galaxies_progress, number_of, say, say_in_words
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
    galaxies,
    open_images,
    say_hats,
)
from pix2z.cli.survey import DaskOption, PartitionRowsOption, Wanted, predict_in_partitions
from pix2z.cli.which_model import ModelOption, chosen_model
from pix2z.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pix2z.catalogue.overview import Overview

__all__ = ["predict"]


def predict(
    file: Annotated[Path, typer.Argument(help="A file of stamps, or a folder of such files.")],
    out: Annotated[
        Path, typer.Option(help="Table to write, .parquet or .csv; with --dask a folder.")
    ],
    model: ModelOption = None,
    pdf: Annotated[
        Path | None,
        typer.Option(
            help="PDFs to write: .hdf5 for qp, .parquet in some 28 bytes a galaxy; with --dask a "
            "folder of the latter."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Figure to draw, .png: n(z), errors, six PDFs.")
    ] = None,
    hats: HatsOption = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C", help="Columns of the table, in this order.", show_default="all"
        ),
    ] = None,
    ebv: EbvOption = None,
    layout: LayoutOption = None,
    params: ParamsOption = None,
    mapping: MapOption = None,
    check: CheckOption = True,
    dask: DaskOption = None,
    partition_rows: PartitionRowsOption = None,
) -> None:
    r"""Estimate a redshift for every galaxy of a file, whatever its layout; it needs no redshifts.

    One row per galaxy, in the order of the file: object_id (int64), ra and
    dec in degrees (float64; NaN where the file has none), then pix2z_z_best
    (by which the model is judged: the median, or the redshift of a network
    that gives no PDF), pix2z_z_median, _mean, _mode, _err68_low, _err68_high,
    _err95_low and _err95_high (float32), then pix2z_flags (int32), a sum of
    bits; what --columns leaves out is not computed.

    1  a band is absent
    2  pixels are masked or impossible (infinite, beyond 1e10 nanomaggies)
    4  E(B-V) is unknown (missing, negative or above 3 mag)
    8  every band is blank, so there is no redshift: NaN
    32  unlike the training galaxies: rarer than 99 % of them
    64  the PDF's highest peak is closer to an end of the range than the error
    128  the PDF has several peaks

    A Parquet file tells in its metadata the model, the input and the meaning
    of columns and bits. --hats and --dask need pip install "pix2z\[survey]",
    and --hats ra and dec of every galaxy.

    With --dask each range of rows gets a table of its own in the folder --out,
    part-FILE-FIRST-END.parquet, and PDFs of some 28 bytes a galaxy under the
    same name in the folder --pdf; what is there already is left as it is. A
    file that cannot be read is listed and does not stop the others. A galaxy
    without an id gets its row number in its file.
    """
    if dask is not None:
        _check_folders(out, pdf, plot)
    elif partition_rows is not None:
        raise InputError("--partition-rows: expected --dask with it")
    else:
        check_output(out, ".parquet", ".csv")
        check_output(pdf, ".hdf5", ".parquet")
    check_output(plot, ".png")
    check_input(file)

    from pix2z.catalogue.hats import POSITIONS, write_hats
    from pix2z.catalogue.tables import chosen_columns

    names = chosen_columns(columns)
    if hats:
        if dask is None and out.suffix != ".parquet":
            raise InputError(f"{out}: expected a name ending in .parquet, of which --hats is made")
        if left_out := [name for name in POSITIONS if name not in names]:
            raise InputError(f"--columns: expected {left_out[0]}, too, which --hats needs")
        check_hats(hats, out, pdf, plot)
    given = Given.read(file, layout=layout, params=params, mapping=mapping, ebv=ebv, check=check)
    pool = chosen_model(model)
    wanted = Wanted(out, pdf, columns=names, positions=hats is not None)
    if dask is not None:
        predict_in_partitions(given, pool, wanted, dask=dask, partition_rows=partition_rows)
        tables = sorted(out.glob("*.parquet"))
    else:
        _predict_at_once(given, pool, wanted, plot)
        tables = [out]
    if hats:
        write_hats(tables, hats)
        say_hats(hats)


def _check_folders(out: Path, pdf: Path | None, plot: Path | None) -> None:
    """Raise InputError where tables of partitions cannot go there, or a figure is wanted."""
    if plot is not None:
        raise InputError("--plot: draws one table, and --dask writes many; expected either")
    for option, path, suffixes in (
        ("--out", out, (".parquet", ".csv")),
        ("--pdf", pdf, (".hdf5", ".parquet")),
    ):
        if path is not None and path.suffix in suffixes:
            raise InputError(
                f"{option}: with --dask it is a folder of Parquet files; expected a name without "
                f"{' or '.join(suffixes)}, received {str(path)!r}"
            )


def _predict_at_once(given: Given, pool: Path, wanted: Wanted, plot: Path | None) -> None:
    """Write one table, in this process, and say what is in it."""
    from pix2z.catalogue.estimates import predict_survey, table_facts
    from pix2z.catalogue.estimator import load_pool
    from pix2z.catalogue.hats import POSITIONS, check_positions
    from pix2z.catalogue.overview import Overview
    from pix2z.catalogue.tables import write_catalogue
    from pix2z.ingest.checks import redshift_problems
    from pix2z.ingest.positions import position_problems

    out, pdf = wanted.out, wanted.pdf
    with open_images(given, out, pdf, plot, verb="predicts") as survey:
        if wanted.positions:
            check_positions(survey)
        elif set(POSITIONS) & set(wanted.columns):
            for problem in position_problems(survey.table):
                say(f"{given.path}: {problem}")
        table, estimator = survey.table, load_pool(pool)
        start = time.monotonic()
        with galaxies_progress(len(table)) as advance:
            overview = write_catalogue(
                predict_survey(estimator, survey, ebv=given.ebv),
                table,
                grid=estimator.grid,
                out=out,
                pdf=pdf,
                columns=wanted.columns,
                # A figure needs what the table may lack.
                overview=Overview(len(table), estimator.grid) if plot else None,
                metadata=table_facts(estimator, survey, ebv=given.ebv),
                advance=advance,
            )
        also = f", PDFs in {pdf}" if pdf else ""
        say_in_words(f"{done(len(table), time.monotonic() - start)}; redshifts in {out}{also}")
        say_in_words(str(overview))
        if doubtful := redshift_problems(table):
            say(f"Not compared: {'; '.join(doubtful)}.")
        else:
            _compare(table.z_spec, overview.z_phot)
        if plot:
            _draw(plot, overview, table.z_spec)


def _draw(plot: Path, overview: "Overview", z_spec: "NDArray[Any]") -> None:
    import numpy as np

    from pix2z.catalogue.figure import plot_overview

    plot_overview(overview, z_spec, plot)
    among = "the estimates against known redshifts" if np.isfinite(z_spec).any() else "errors"
    say_in_words(f"{plot} shows n(z), {among}, and PDFs of {galaxies(len(overview.shown))}.")


def _compare(z_spec: "NDArray[Any]", z_phot: "NDArray[Any]") -> None:
    """Say how far the redshifts are from those that the file has, if any."""
    import numpy as np

    from pix2z.evaluation.point_metrics import point_metrics

    both = np.isfinite(z_spec) & np.isfinite(z_phot)
    if not both.any():
        return
    metrics = point_metrics(z_phot[both], z_spec[both])
    known = number_of(int(both.sum()), "redshift", "redshifts")
    say(
        f"Against {known} in the file, which may include training galaxies:\n"
        f"MAE {metrics['mae']:.4f}, NMAD {metrics['nmad']:.4f}, "
        f"{100 * metrics['outlier_005']:.2f} % with |dz| / (1 + z) > 0.05"
    )
