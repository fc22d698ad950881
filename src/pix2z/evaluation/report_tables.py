"""Tables of the report, from the content of reports/compare.json and what lies beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

from pix2z.evaluation.answer import find_contrast
from pix2z.evaluation.contrasts import PAIRS
from pix2z.evaluation.metric_names import METRICS, format_value
from pix2z.evaluation.report_parts import Table

__all__ = [
    "all_metrics_table",
    "binned_table",
    "cost_table",
    "coverage_table",
    "exploratory_table",
    "ingest_table",
    "primary_table",
    "results_table",
    "seed_view_table",
]

Json = Mapping[str, Any]

MAIN_METRICS = ("crps", "mae", "nmad", "bias_mean", "outlier_005", "outlier_rail", "cde_loss")

SEED_LABELS = {
    "mae": ("MAE", 4, False),
    "rmse": ("RMSE", 4, False),
    "r2": ("R²", 4, False),
    "adjusted_r2": ("adjusted R²", 4, False),
    "bias": ("bias", 5, False),
    "precision": ("1.48 median |dz|", 4, False),
    "outlier_005": ("|dz| > 0.05", 2, True),
    "outlier_010": ("|dz| > 0.10", 2, True),
    "outlier_015": ("|dz| > 0.15", 2, True),
}


def results_table(comparison: Json, subset: str, caption: str) -> Table:
    """Arms and controls in the main metrics with 95 % intervals, on one subset."""
    everyone = {**comparison["arms"], **comparison["controls"]}
    header = ("", *(f"{METRICS[name].label} ({METRICS[name].convention})" for name in MAIN_METRICS))
    rows = tuple(
        (name, *(_with_interval(metric, entry[subset][metric]) for metric in MAIN_METRICS))
        for name, entry in everyone.items()
    )
    return Table(caption=caption, header=header, rows=rows)


def all_metrics_table(comparison: Json, subset: str, caption: str) -> Table:
    """Every metric, its formula and convention, for every arm and control, without intervals."""
    everyone = {**comparison["arms"], **comparison["controls"]}
    rows = tuple(
        (
            known.label,
            known.convention,
            known.formula,
            *(format_value(name, entry[subset][name]["value"]) for entry in everyone.values()),
        )
        for name, known in METRICS.items()
    )
    header = ("metric", "convention", "formula", *everyone)
    return Table(caption=caption, header=header, rows=rows, text_columns=3)


def primary_table(comparison: Json) -> Table:
    """Contrasts that were fixed beforehand, with corrected p-values."""
    rows = tuple(
        (
            f"{entry['a']} - {entry['b']}",
            METRICS[entry["metric"]].label,
            format_value(entry["metric"], entry["difference"]),
            _interval(entry["metric"], entry),
            "–" if entry["p_holm"] is None else f"{entry['p_holm']:.2g}",
        )
        for entry in comparison["contrasts"]
        if entry["primary"]
    )
    header = ("contrast", "metric", "difference", "95 % interval", "p (Holm)")
    caption = "Primary contrasts, inside the clip window, in redshift."
    return Table(caption, header, rows, text_columns=2)


def exploratory_table(comparison: Json) -> Table:
    """CRPS and MAE of every pair on every subset; a star where the interval excludes zero."""
    columns = [(metric, subset) for metric in ("crps", "mae") for subset in _SUBSETS]
    header = ("contrast", *(f"{METRICS[m].label}, {_SUBSETS[s]}" for m, s in columns))
    rows = []
    for a, b in PAIRS:
        entries = [find_contrast(dict(comparison), a, b, subset, m) for m, subset in columns]
        if any(entries):
            cells = (_starred(entry) for entry in entries)
            rows.append((f"{a} - {b}", *cells))
    caption = (
        "All pairs, difference a - b in redshift with its 95 % interval; negative: a is better;"
        " * the interval excludes zero. Exploratory, but for the primary contrasts above."
    )
    return Table(caption, header, tuple(rows))


def seed_view_table(comparison: Json) -> Table:
    """Both arms in the seed's metrics: normalised, in redshift, on the same galaxies, published."""
    view = comparison["seed_view"]
    columns = {
        "normalised": "normalised, own test set",
        "redshift": "redshift, own test set",
        "redshift_inside": "redshift, same galaxies inside",
        "published": "published, real images",
    }
    arms = [arm for arm in ("full", "clipped") if view.get(arm)]
    header = ("", *(f"{arm}: {label}" for label in columns.values() for arm in arms))
    rows = tuple(
        (label, *(_seed_cell(view[arm][key].get(name), digits, percent) for key, arm in pairs))
        for name, (label, digits, percent) in SEED_LABELS.items()
        for pairs in ([(key, arm) for key in columns for arm in arms],)
    )
    return Table("One set of predictions, read in four ways.", header, rows)


def binned_table(bins: Mapping[str, Sequence[Json]], caption: str) -> Table:
    """NMAD and mean bias of some arms in the same bins, which are named by their edges."""
    first = next(iter(bins.values()))
    header = ("bin", "galaxies", *(f"{arm}: {m}" for arm in bins for m in ("NMAD", "mean bias")))
    rows = tuple(
        (
            f"{where['low']:.3f} to {where['high']:.3f}",
            str(where["n"]),
            *(
                format_value(metric, bins[arm][position][metric]["value"])
                for arm in bins
                for metric in ("nmad", "bias_mean")
            ),
        )
        for position, where in enumerate(first)
    )
    return Table(caption, header, rows)


def coverage_table(coverage: Mapping[str, Mapping[str, Json]], caption: str) -> Table:
    """Share of test galaxies inside the 68 and 95 % intervals, with the calibrated band."""
    rows = []
    for arm, levels in coverage.items():
        cells = []
        for name, level in levels.items():
            band = [format_value(name, level[key]) for key in ("band_low", "band_high")]
            value = format_value(name, level["value"])
            inside = level["value"] is not None and (
                level["band_low"] <= level["value"] <= level["band_high"]
            )
            cells += [value, f"{band[0]} to {band[1]}", "yes" if inside else "no"]
        rows.append((arm, *cells))
    header = ("", "68 %", "band", "inside", "95 %", "band", "inside")
    return Table(caption, header, tuple(rows))


def cost_table(comparison: Json) -> Table:
    """Training size, seeds and CPU time of every arm and control."""
    everyone = {**comparison["arms"], **comparison["controls"]}
    rows = tuple(
        (
            name,
            "–" if entry["n_train"] is None else f"{entry['n_train']:,}",
            ", ".join(str(seed) for seed in entry["seeds"]) or "–",
            "–" if entry["cpu_seconds"] is None else f"{entry['cpu_seconds']:.1f}",
            *(_spread(metric, entry["seed_sd"].get(metric)) for metric in ("crps", "mae")),
        )
        for name, entry in everyone.items()
    )
    header = (
        "",
        "training stamps",
        "seeds",
        "CPU seconds, all seeds",
        "sd of CRPS over seeds",
        "sd of MAE over seeds",
    )
    return Table("What each arm was trained on and what it cost.", header, rows)


def ingest_table(ingest: Json) -> Table:
    """Rows read, kept, and left out by reason."""
    counts = [
        ("rows in the raw file", ingest["n_raw"]),
        ("kept", ingest["n_good"]),
        ("of these, moved stamps (training only)", ingest.get("n_moved", 0)),
        ("groups (parent galaxies or blocks of sky)", ingest.get("n_groups", "–")),
        ("left out", ingest["n_bad"]),
    ]
    counts += [
        (f"left out: {reason}", entry["count"])
        for reason, entry in ingest.get("bad", {}).items()
        if entry["count"]
    ]
    counts += [
        (f"kept with {what}", count) for what, count in ingest.get("good_with", {}).items() if count
    ]
    rows = tuple((name, f"{n:,}" if isinstance(n, int) else str(n)) for name, n in counts)
    return Table("What ingest read and kept.", ("", "rows"), rows)


_SUBSETS = {"inside": "inside", "whole": "whole", "outside": "outside"}


def _with_interval(metric: str, entry: Json) -> str:
    if entry["value"] is None:
        return "–"
    return f"{format_value(metric, entry['value'])} ({_interval(metric, entry)})"


def _interval(metric: str, entry: Json) -> str:
    if entry["low"] is None or entry["high"] is None:
        return "–"
    low, high = (format_value(metric, entry[key]).removesuffix(" %") for key in ("low", "high"))
    return f"{low} to {high}"


def _starred(entry: Json | None) -> str:
    if entry is None or entry["difference"] is None:
        return "–"
    excludes_zero = entry["low"] > 0 or entry["high"] < 0
    return _with_interval(entry["metric"], {**entry, "value": entry["difference"]}) + (
        " *" if excludes_zero else ""
    )


def _seed_cell(value: float | None, digits: int, percent: bool) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.{digits}f} %" if percent else f"{value:.{digits}f}"


def _spread(metric: str, value: float | None) -> str:
    return "–" if value is None else format_value(metric, value)
