"""``pix2z predict``: redshifts of every galaxy of a file."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pix2z.cli.display import galaxies_progress, say, say_in_words
from pix2z.cli.reading import (
    CheckOption,
    EbvOption,
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
from pix2z.cli.survey import (
    DaskOption,
    PartitionRowsOption,
    check_folder,
    predict_in_partitions,
)
from pix2z.cli.which_model import ModelOption, chosen_model
from pix2z.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pix2z.catalogue.overview import Overview
    from pix2z.ingest.raw import RawSurvey

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
    64  the highest peak of the PDF is closer to an end of the range than the error
    128  the PDF has several peaks

    A Parquet file tells in its metadata the model, the input and the meaning
    of columns and bits. --hats and --dask need pip install "pix2z\[survey]", and
    --hats ra and dec of every galaxy.

    With --dask each range of rows gets a table of its own in the folder --out,
    part-FILE-FIRST-END.parquet, and PDFs of some 28 bytes a galaxy under the
    same name in the folder --pdf; what is there already is left as it is. A file that
    cannot be read is listed and does not stop the others. A galaxy without an id
    gets its row number in its file.
    """
    if dask is not None:
        if plot is not None:
            raise InputError("--plot: draws one table, and --dask writes many; expected either")
        check_folder("--out", out, ".parquet", ".csv")
        check_folder("--pdf", pdf, ".hdf5", ".parquet")
    elif partition_rows is not None:
        raise InputError("--partition-rows: expected --dask with it")
    else:
        check_output(out, ".parquet", ".csv")
        check_output(pdf, ".hdf5", ".parquet")
    check_output(plot, ".png")
    check_input(file)

    from pix2z.catalogue.hats import POSITIONS, check_positions, write_hats
    from pix2z.catalogue.tables import chosen_columns
    from pix2z.tracking.model_names import POOLS, resolve_model

    names = chosen_columns(columns)
    if hats:
        if dask is None and out.suffix != ".parquet":
            raise InputError(f"{out}: expected a name ending in .parquet, of which --hats is made")
        if left_out := [name for name in POSITIONS if name not in names]:
            raise InputError(f"--columns: expected {left_out[0]}, too, which --hats needs")
        check_hats(hats, out, pdf, plot)
    pool = resolve_model(chosen_model(model, POOLS), POOLS)
    if dask is not None:
        predict_in_partitions(
            file,
            pool=pool,
            out=out,
            pdf=pdf,
            dask=dask,
            partition_rows=partition_rows,
            ebv=ebv,
            layout=layout,
            params=params,
            mapping=mapping,
            check=check,
            columns=names,
            positions=hats is not None,
        )
        if hats:
            write_hats(sorted(out.glob("*.parquet")), hats)
            say_hats(hats)
        return
    with open_images(
        file,
        out,
        pdf,
        plot,
        layout=layout,
        params=params,
        mapping=mapping,
        ebv=ebv,
        check=check,
        verb="predicts",
    ) as (survey, everywhere):
        if hats:
            check_positions(survey)
        overview, seconds = _write(
            survey, pool, everywhere, out=out, pdf=pdf, columns=names, draw=plot is not None
        )
        z_spec, also = survey.table.z_spec, f", PDFs in {pdf}" if pdf else ""
        say(f"{done(len(z_spec), seconds)}; redshifts in {out}{also}")
        say_in_words(str(overview))
        _compare(z_spec, overview.z_phot)
        if plot:
            _draw(plot, overview, z_spec)
        if hats:
            write_hats([out], hats)
            say_hats(hats)


def _draw(plot: Path, overview: "Overview", z_spec: "NDArray[Any]") -> None:
    import numpy as np

    from pix2z.catalogue.figure import plot_overview

    plot_overview(overview, z_spec, plot)
    among = "the estimates against known redshifts" if np.isfinite(z_spec).any() else "errors"
    say(f"{plot} shows n(z), {among}, and PDFs of {galaxies(len(overview.shown))}.")


def _write(
    survey: "RawSurvey",
    pool: Path,
    ebv: float | None,
    *,
    out: Path,
    pdf: Path | None,
    columns: tuple[str, ...],
    draw: bool,
) -> "tuple[Overview, float]":
    """Load the pool and write its redshifts; return what is said of them, and the seconds.

    draw : whether the overview will be drawn, and so needs what `columns` may lack.
    """
    from pix2z.catalogue.estimates import predict_survey, table_facts
    from pix2z.catalogue.estimator import load_pool
    from pix2z.catalogue.overview import Overview
    from pix2z.catalogue.tables import write_catalogue

    estimator = load_pool(pool)
    start = time.monotonic()
    with galaxies_progress(len(survey.table)) as advance:
        overview = write_catalogue(
            predict_survey(estimator, survey, ebv=ebv),
            object_id=survey.table.object_id,
            ra=survey.table.ra,
            dec=survey.table.dec,
            grid=estimator.grid,
            out=out,
            pdf=pdf,
            columns=columns,
            overview=Overview(len(survey.table), estimator.grid) if draw else None,
            metadata=table_facts(estimator, survey, ebv=ebv),
            advance=advance,
        )
    return overview, time.monotonic() - start


def _compare(z_spec: "NDArray[Any]", z_phot: "NDArray[Any]") -> None:
    """Say how far the redshifts are from those that the file has, if any."""
    import numpy as np

    from pix2z.evaluation.point_metrics import point_metrics

    both = np.isfinite(z_spec) & np.isfinite(z_phot)
    if not both.any():
        return
    metrics = point_metrics(z_phot[both], z_spec[both])
    number = "1 redshift" if both.sum() == 1 else f"{both.sum():,} redshifts"
    say(
        f"Against {number} in the file, which may include training galaxies:\n"
        f"MAE {metrics['mae']:.4f}, NMAD {metrics['nmad']:.4f}, "
        f"{100 * metrics['outlier_005']:.2f} % with |dz| / (1 + z) > 0.05"
    )
