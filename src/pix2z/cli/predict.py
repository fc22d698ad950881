"""``pix2z predict``: redshifts of every galaxy of a file."""

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pix2z.cli.ending import ended_by_sigterm
from pix2z.cli.progress import galaxies_progress
from pix2z.cli.quiet import quiet_import
from pix2z.cli.reading import LayoutOption, MapOption, ParamsOption, read_mapping
from pix2z.errors import InputError

if TYPE_CHECKING:
    from pix2z.catalogue.outputs import Outcome
    from pix2z.sky.layouts.raw import RawSurvey

__all__ = ["predict"]


def predict(
    file: Annotated[Path, typer.Argument(help="A file of stamps, or a folder of such files.")],
    model: Annotated[
        str, typer.Option(help="An arm as full, a folder with pool.json, or models:/NAME/VERSION.")
    ],
    out: Annotated[Path, typer.Option(help="Table to write, .parquet or .csv.")],
    pdf: Annotated[Path | None, typer.Option(help="PDFs to write in qp's format, .hdf5.")] = None,
    ebv: Annotated[
        str | None,
        typer.Option(
            metavar="VALUE|KEY", help="E(B-V) of all galaxies in mag, or the key of their column."
        ),
    ] = None,
    layout: LayoutOption = None,
    params: ParamsOption = None,
    mapping: MapOption = None,
    check: Annotated[
        bool, typer.Option(help="Refuse pixels that do not look like ugriz in nanomaggies.")
    ] = True,
) -> None:
    """Estimate a redshift for every galaxy of a file, whatever its layout; it needs no redshifts.

    One row per galaxy, in the order of the file: object_id (int64), then
    pix2z_z_median, _mean, _mode, _err68_low, _err68_high, _err95_low and
    _err95_high (float32), then flags (int32), a sum of bits:

    1  a band is absent
    2  pixels are masked or impossible (infinite, beyond 1e12 nanomaggies)
    4  E(B-V) is unknown (missing, negative or not finite)
    8  every band is blank, so there is no redshift: NaN

    A Parquet file tells in its metadata the model, the input and the meaning
    of columns and bits.
    """
    _check_names(out, pdf)
    everywhere, ebv_key = _ebv(ebv)
    chosen = read_mapping(params, mapping)

    from pix2z.dataset.plausibility import photometry_problems
    from pix2z.dataset.source import open_source
    from pix2z.dataset.usable_pixels import usable_pixels
    from pix2z.tracking.models import resolve_pool

    pool = resolve_pool(model)
    with (
        ended_by_sigterm(),
        _explained(ebv_key),
        open_source(file, layout=layout, mapping=chosen, ebv_key=ebv_key) as survey,
    ):
        _refuse_input(survey, out, pdf)
        problems = photometry_problems(usable_pixels(survey)) if check else ()
        if problems:
            raise InputError(f"{file}: {'; '.join(problems)} (--no-check predicts all the same)")
        outcome, seconds = _write(survey, pool, everywhere, out=out, pdf=pdf)
        _report(survey, outcome, out=out, pdf=pdf, seconds=seconds)


def _write(
    survey: "RawSurvey", pool: Path, ebv: float | None, *, out: Path, pdf: Path | None
) -> tuple["Outcome", float]:
    """Load the pool and write its redshifts; return what was written, and the seconds it took."""
    from pix2z.catalogue.outputs import write_catalogue
    from pix2z.catalogue.prediction import predict_survey
    from pix2z.catalogue.provenance import provenance

    with quiet_import():
        from pix2z.network.estimator import load_pool

    estimator = load_pool(pool)
    start = time.monotonic()
    with galaxies_progress(len(survey.table)) as advance:
        outcome = write_catalogue(
            predict_survey(estimator, survey, ebv=ebv),
            object_id=survey.table.object_id,
            grid=estimator.grid,
            out=out,
            pdf=pdf,
            metadata=provenance(estimator, survey, ebv=ebv),
            advance=advance,
        )
    return outcome, time.monotonic() - start


def _check_names(out: Path, pdf: Path | None) -> None:
    if out.suffix not in (".parquet", ".csv"):
        raise InputError(f"{out}: expected a name ending in .parquet or .csv")
    if pdf is not None and pdf.suffix != ".hdf5":
        raise InputError(f"{pdf}: expected a name ending in .hdf5")
    for path in (out, pdf):
        if path is not None and path.is_dir():
            raise InputError(f"{path}: is a folder; expected the name of a file")


def _refuse_input(survey: "RawSurvey", *outputs: Path | None) -> None:
    """Raise InputError where an output would replace a file of the survey."""
    for path in outputs:
        for source in survey.files:
            if path is not None and path.exists() and path.samefile(source.path):
                raise InputError(f"{path}: is the input itself; expected another name")


def _ebv(text: str | None) -> tuple[float | None, str | None]:
    """Tell a value for all galaxies from the key of a column."""
    if text is None:
        return None, None
    try:
        value = float(text)
    except ValueError:
        return None, text
    if not (math.isfinite(value) and value >= 0):
        raise InputError(f"--ebv: expected E(B-V) of 0 mag or more, or a key; received {text!r}")
    return value, None


@contextmanager
def _explained(ebv_key: str | None) -> Iterator[None]:
    """Say that a missing key is what --ebv was taken for."""
    try:
        yield
    except InputError as error:
        if ebv_key is None or f"{ebv_key!r} is missing" not in str(error):
            raise
        raise InputError(f"--ebv: {ebv_key!r} is no number, and {error}") from error


def _report(
    survey: "RawSurvey", outcome: "Outcome", *, out: Path, pdf: Path | None, seconds: float
) -> None:
    """Print one line on what was done, and one on the redshifts that the file has."""
    from pix2z.catalogue.prediction import FLAG_MEANINGS

    n = len(outcome.z_phot)
    kinds = [
        f"{FLAG_MEANINGS[bit].split(',')[0]}: {count:,}"
        for bit, count in outcome.n_by_flag.items()
        if count
    ]
    flagged = f"{outcome.n_flagged:,} flagged" + (f" ({', '.join(kinds)})" if kinds else "")
    where = f"{out}" + (f", PDFs in {pdf}" if pdf else "")
    sys.stdout.write(
        f"{n:,} galaxies in {seconds:.1f} s ({n / max(seconds, 1e-9):,.0f} per s), {flagged}; "
        f"redshifts in {where}\n"
    )
    _report_known(survey.table.z_spec, outcome.z_phot)


def _report_known(z_spec: Any, z_phot: Any) -> None:
    import numpy as np

    from pix2z.evaluation.point_metrics import point_metrics

    both = np.isfinite(z_spec) & np.isfinite(z_phot)
    if not both.any():
        return
    found = point_metrics(z_phot[both], z_spec[both])
    sys.stdout.write(
        f"Against {both.sum():,} redshifts in the file, which may include training galaxies: "
        f"MAE {found['mae']:.4f}, NMAD {found['nmad']:.4f}, "
        f"{100 * found['outlier_005']:.2f} % with |dz| / (1 + z) > 0.05\n"
    )
