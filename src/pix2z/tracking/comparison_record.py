"""reports/compare.json -> the record of one comparison."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pix2z.evaluation.report import answer
from pix2z.files import file_digest, read_json
from pix2z.tracking.record import RunRecord, numbers

__all__ = ["comparison_record"]

_SUBSETS = ("inside", "whole")
_METRICS = ("crps", "mae", "nmad", "bias_mean", "outlier_005", "coverage_68", "coverage_95")


def comparison_record(reports: Path, *, galaxies_digest: str) -> RunRecord:
    """Read the comparison and its report; the same compare.json is the same run.

    Metrics are named ``<subset>_<metric>/<arm>``, so that MLflow shows the arms side by side.
    """
    path = reports / "compare.json"
    comparison = read_json(path)
    measured = {**comparison["arms"], **comparison["controls"]}
    primary = [contrast for contrast in comparison["contrasts"] if contrast["primary"]]
    return RunRecord(
        key=file_digest(path),
        name=f"{len(comparison['arms'])} arms and {len(comparison['controls'])} controls compared",
        description=_words(comparison, measured, primary),
        started=path.stat().st_mtime,
        seconds=0.0,
        tags={
            "stage": "compare",
            "test_digest": comparison["test"]["digest"],
            "galaxies_digest": galaxies_digest,
        },
        params={
            "arms": ", ".join(comparison["arms"]),
            "controls": ", ".join(comparison["controls"]),
            "test_galaxies": str(comparison["test"]["n"]),
            "clip_window": " to ".join(f"{z:.4f}" for z in comparison["test"]["clip_window"]),
        },
        metrics=_arm_metrics(measured) | _contrast_metrics(primary),
        artifacts=_artifacts(reports),
    )


def _arm_metrics(measured: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"{subset}_{metric}/{arm}": value
        for arm, subsets in measured.items()
        for subset in _SUBSETS
        for metric, value in numbers(subsets[subset]).items()
        if metric in _METRICS
    }


def _contrast_metrics(primary: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for contrast in primary:
        name = f"{contrast['metric']}/{contrast['a']} minus {contrast['b']}"
        values = numbers({"difference": contrast["difference"], "p_holm": contrast["p_holm"]})
        found |= {f"primary_{what}_{name}": value for what, value in values.items()}
    return found


def _artifacts(reports: Path) -> dict[Path, str]:
    files = [reports / name for name in ("compare.json", "report.html", "report.md")]
    figures = sorted((reports / "figures").rglob("*.png"))
    folders = {path: path.parent.relative_to(reports).as_posix() for path in figures}
    return {path: "" for path in files if path.exists()} | folders


def _words(
    comparison: dict[str, Any],
    measured: Mapping[str, Any],
    primary: Sequence[Mapping[str, Any]],
) -> str:
    lines = [
        "### Does clipping the training sample at 2 sigma help?",
        "",
        answer(comparison),
        "",
        *(f"- {contrast['verdict']}" for contrast in primary),
        "",
        "CRPS and MAE (in redshift), NMAD (of dz / (1 + z)), inside the clip window:",
        "",
        *(_line(name, subsets["inside"]) for name, subsets in measured.items()),
        "",
        "Everything else is in report.html under Artifacts.",
    ]
    return "\n".join(lines)


def _line(name: str, metrics: Mapping[str, Any]) -> str:
    """One line per arm; MLflow shows tables without any space between their columns."""
    values = numbers(metrics)
    shown = (f"{values[key]:.5f}" if key in values else "–" for key in ("crps", "mae", "nmad"))
    return f"- {name}: {', '.join(shown)}"
