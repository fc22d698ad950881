"""From predictions to the files of the evaluation: numbers as JSON, figures, and the report."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.errors import InputError
from pix2z.evaluation.arm_galaxies import ArmGalaxies, GalaxyTerms, select_terms
from pix2z.evaluation.arm_metrics import arm_report, binned_reports, measure_subsets
from pix2z.evaluation.bootstrap import Resamples, independent
from pix2z.evaluation.comparison import compare
from pix2z.evaluation.contrasts import TOLD
from pix2z.evaluation.coverage import coverage_along, known_variables, measured_variables
from pix2z.evaluation.figures.quality import (
    plot_binned_metrics,
    plot_coverage,
    plot_forest,
    plot_pit,
    plot_training_curves,
)
from pix2z.evaluation.figures.redshifts import (
    plot_error_heatmap,
    plot_redshift_density,
    plot_redshift_histogram,
    top_error,
)
from pix2z.evaluation.figures.stamps import SheetRow, plot_contact_sheet
from pix2z.evaluation.normalised_view import published_view
from pix2z.evaluation.pit_uniformity import pit_uniformity
from pix2z.evaluation.report import report_text, write_report
from pix2z.files import write_json
from pix2z.process import beside

__all__ = ["write_evaluation"]

Json = dict[str, Any]
Arms = Mapping[str, ArmGalaxies]
Bins = Mapping[str, Sequence[Json]]
"""Variable -> bins, as `binned_reports` gives them."""

BINNED = ("full", "clipped", "published_full", "trees")
"""Arms and controls that are drawn along redshift and magnitude, where present."""

FOLLOWED = ("full", "clipped")
"""Arms whose coverage is drawn along variables, and errors along redshift, where present."""

SHEET_COLUMNS = 8

METRICS_SHOWN = ("crps", "mae", "nmad", "outlier_005", "coverage_95")
"""In reports/metrics.json, of every arm and of `CONTROLS_SHOWN`, on the whole test set."""

CONTROLS_SHOWN = ("trees", "knn", "trainz")
"""Controls that know no more of a galaxy than the arms do."""

SPECTRUM_METRICS_SHOWN = ("mae", "coverage_68", "coverage_95")
"""Of every spectrum arm: the error relative to the flux in r, the shares inside the bands."""

DIGITS = 6
"""After the decimal point there; the intervals are wider than 1e-5."""


def write_evaluation(
    folder: Path,
    *,
    arms: Arms,
    controls: Arms,
    histories: Mapping[str, Mapping[int, Json]],
    galaxies: Galaxies,
    full: Split,
    clipped: Split,
    ingest: Json | None,
    spectrum: Json | None,
    margin: float,
    n_bootstrap: int,
    seed: int,
    processes: int | None = 1,
) -> None:
    """Measure every arm, compare all, and write the JSON files, the figures and the reports.

    Parameters
    ----------
    folder : of the reports.
    histories : arm -> seed -> training history; an arm without one has no curves.
    full, clipped : splits; their test rows are those of all predictions.
    ingest, spectrum : the content of reports/ingest.json and reports/spectrum.json, where there.
    margin : share of the error of `full` below which a difference does not matter.
    n_bootstrap, seed : of the resamples behind every interval.
    processes : see `process.beside`: metrics along variables are worked out meanwhile.

    Raises
    ------
    InputError
        There is no arm, or an arm or control has other galaxies than the test rows of the split.
    """
    if not arms:
        raise InputError("predictions: expected those of at least one arm; received none")
    everyone = {**arms, **controls}
    _check_test_galaxies(everyone, galaxies, full)
    window = full.clip_window
    resampling: Json = {"n_bootstrap": n_bootstrap, "seed": seed}
    pools = {name: arm.pool for name, arm in everyone.items()}
    followed = {name: pool for name, pool in pools.items() if name in arms or name in BINNED}
    with beside(partial(binned_reports, **resampling), followed, processes=processes) as binned:
        measured = measure_subsets(pools, window, **resampling)
        z_spec = galaxies.column("specz_redshift")
        comparison = compare(
            arms,
            controls,
            measured,
            clip_window=window,
            test_digest=full.test_digest,
            published_view=published_view(
                arms, full=full, clipped=clipped, z_spec=z_spec, **resampling
            ),
            margin=margin,
        )
        comparison |= _calibration(pools, galaxies, full, resampling)
        rows = {"full": full.train, "clipped": clipped.train, "test": full.test}
        drawn = pools["full" if "full" in arms else next(iter(arms))]
        _draw_figures(
            folder / "figures",
            comparison=comparison,
            pools={name: pools[name] for name in arms},
            histories={name: history for name, history in histories.items() if history},
            samples={name: z_spec[of_sample] for name, of_sample in rows.items()},
            sheet=_contact_rows(galaxies, drawn, seed),
        )
        bins_of = binned()
    bins = {name: bins_of[name] for name in BINNED if name in pools}
    plot_binned_metrics(bins, clip_window=window, path=folder / "figures/binned_metrics.png")
    for name, arm in arms.items():
        report = arm_report(name, arm, measured[name], clip_window=window, bins=bins_of[name])
        write_json(folder / f"metrics/{name}.json", report)
    write_json(folder / "compare.json", comparison)
    write_json(folder / "metrics.json", _headline_metrics(comparison, spectrum))
    text = report_text(
        comparison,
        pools=pools,
        bins=bins,
        source=str(galaxies.attribute("source")),
        ingest=ingest,
        spectrum=spectrum,
        with_histories=any(histories.values()),
        n_bootstrap=n_bootstrap,
    )
    write_report(text, folder)


def _check_test_galaxies(everyone: Arms, galaxies: Galaxies, split: Split) -> None:
    """Raise InputError where an arm predicts others: subsets are those of one arm for all."""
    expected = {"row": split.test}
    expected |= {name: galaxies.column(name, split.test) for name in ("object_id", "group_id")}
    expected["z_spec"] = galaxies.column("specz_redshift", split.test)
    for name, arm in everyone.items():
        for column, values in expected.items():
            if not np.array_equal(getattr(arm.pool, column), values):
                raise InputError(
                    f"predictions/{name}: expected the {len(split.test)} test rows of the split, in"
                    f" order; received {len(arm.pool)} of another {column}"
                )


def _calibration(
    pools: Mapping[str, GalaxyTerms], galaxies: Galaxies, split: Split, resampling: Json
) -> Json:
    """Measure how calibrated PDFs are; left out is who is told what is wrong outside the window."""
    untold = {name: pool for name, pool in pools.items() if name not in TOLD}
    variables = measured_variables(galaxies, split.test)
    return {
        "coverage": {name: coverage_along(pool, variables) for name, pool in untold.items()},
        # Of all galaxies only: among those that z_spec selects, no honest PDF has a uniform PIT.
        "pit_uniformity": {
            name: pit_uniformity(pool.pit, Resamples(pool.group_id, **resampling))
            for name, pool in untold.items()
        },
    }


def _headline_metrics(comparison: Json, spectrum: Json | None) -> dict[str, float | None]:
    """Return the few numbers of a run that git keeps and ``dvc metrics`` shows.

    ``ARM.METRIC`` of arms and controls, ``spectrum.ARM.METRIC`` of spectrum arms: README's tables
    without their intervals. Spectra without a band have no coverage.
    """
    controls = comparison["controls"]
    compared = comparison["arms"] | {n: controls[n] for n in CONTROLS_SHOWN if n in controls}
    shown = {
        f"{arm}.{metric}": of["whole"][metric]["value"]
        for arm, of in compared.items()
        for metric in METRICS_SHOWN
    }
    for arm, of in spectrum["arms"].items() if spectrum else ():
        values = {metric: of[metric]["value"] for metric in SPECTRUM_METRICS_SHOWN}
        shown |= {f"spectrum.{arm}.{m}": value for m, value in values.items() if value is not None}
    return {n: None if value is None else round(value, DIGITS) for n, value in shown.items()}


def _draw_figures(
    folder: Path,
    *,
    comparison: Json,
    pools: Mapping[str, GalaxyTerms],
    histories: Mapping[str, Mapping[int, Json]],
    samples: Mapping[str, NDArray[np.floating]],
    sheet: Sequence[SheetRow],
) -> None:
    """Draw all figures that the arms allow but that of bins; the report says what they show."""
    low, high = comparison["test"]["clip_window"]
    window, z_max = (low, high), next(iter(pools.values())).grid.z_max
    limits: Json = {"clip_window": window, "z_max": z_max}
    points = {name: (pool.z_phot, pool.z_spec) for name, pool in pools.items()}
    plot_forest(comparison["contrasts"], folder / "contrasts.png")
    plot_redshift_density(points, **limits, path=folder / "redshift_density.png")
    followed = {name: points[name] for name in FOLLOWED if name in points}
    for name, of_arm in followed.items():
        path = folder / f"errors_{name}.png"
        top = top_error(followed.values())
        plot_error_heatmap(*of_arm, arm=name, **limits, top=top, path=path)
    plot_pit(
        {name: pool.pit for name, pool in pools.items()},
        folder / "pit.png",
        n_independent=independent(next(iter(pools.values())).group_id),
    )
    plot_coverage(
        {name: along for name, along in comparison["coverage"].items() if name in FOLLOWED},
        {name: of.axis_label for name, of in known_variables(comparison["coverage"]).items()},
        folder / "coverage.png",
    )
    plot_redshift_histogram(samples, **limits, path=folder / "redshift_histogram.png")
    if histories:
        plot_training_curves(histories, folder / "training_curves.png")
    plot_contact_sheet(sheet, folder / "contact_sheet.png")


def _contact_rows(galaxies: Galaxies, pool: GalaxyTerms, seed: int) -> list[SheetRow]:
    """Choose random, best and worst measured test galaxies, as many of each; read their stamps."""
    error = np.abs(pool.z_phot - pool.z_spec) / (1 + pool.z_spec)
    order = np.argsort(error, kind="stable")
    n = min(SHEET_COLUMNS, len(order))
    groups = {
        "Random": np.random.default_rng(seed).choice(len(order), n, replace=False),
        "Best (smallest |Δ|)": order[:n],
        "Worst (largest |Δ|)": order[::-1][:n],
    }
    return [
        SheetRow(title, galaxies.images(pool.row[chosen]), select_terms(pool, chosen))
        for title, chosen in groups.items()
    ]
