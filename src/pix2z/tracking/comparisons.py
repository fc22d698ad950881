"""Comparisons of everything that was trained, from their reports: one run each.

reports/compare.json compares the redshifts of all arms and controls, reports/spectrum.json the
spectra of all spectrum networks. The same file is the same run.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pix2z.evaluation.report import answer
from pix2z.files import file_digest, read_json
from pix2z.tracking.records import RunRecord, numbers

__all__ = ["assessment_run", "comparison_run"]

_SUBSETS = ("inside", "whole")
_METRICS = ("crps", "mae", "nmad", "bias_mean", "outlier_005", "coverage_68", "coverage_95")
_SPECTRUM_METRICS = ("mse", "mae", "coverage_68", "coverage_95")


def comparison_run(reports: Path, tags: Mapping[str, str]) -> RunRecord:
    """Return the record of the comparison of arms and controls.

    Metrics are named ``<subset>_<metric>/<arm>``, so that MLflow shows the arms side by side.

    Parameters
    ----------
    reports : folder with compare.json, the report and its figures.
    tags : digests of the data that all arms share.
    """
    path = reports / "compare.json"
    comparison = read_json(path)
    measured = {**comparison["arms"], **comparison["controls"]}
    primary = [contrast for contrast in comparison["contrasts"] if contrast["primary"]]
    figures = sorted((reports / "figures").rglob("*.png"))
    files = [reports / name for name in ("compare.json", "report.html", "report.md")]
    return RunRecord(
        key=file_digest(path),
        name=f"{len(comparison['arms'])} arms and {len(comparison['controls'])} controls compared",
        description=_comparison_words(comparison, measured, primary),
        started=path.stat().st_mtime,
        seconds=0.0,
        tags={
            "stage": "evaluate",
            "kind": "comparison",
            **tags,
            "test_digest": comparison["test"]["digest"],
        },
        params={
            "arms": ", ".join(comparison["arms"]),
            "controls": ", ".join(comparison["controls"]),
            "test_galaxies": str(comparison["test"]["n"]),
            "clip_window": " to ".join(f"{z:.4f}" for z in comparison["test"]["clip_window"]),
        },
        metrics=_arm_metrics(measured) | _contrast_metrics(primary),
        artifacts={
            **{file: "" for file in files if file.exists()},
            **{figure: figure.parent.relative_to(reports).as_posix() for figure in figures},
        },
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
    return {
        f"primary_{what}_{contrast['metric']}/{contrast['a']} minus {contrast['b']}": value
        for contrast in primary
        for what, value in numbers(
            {"difference": contrast["difference"], "p_holm": contrast["p_holm"]}
        ).items()
    }


def _comparison_words(
    comparison: dict[str, Any],
    measured: Mapping[str, Any],
    primary: Sequence[Mapping[str, Any]],
) -> str:
    metrics = ("crps", "mae", "nmad")
    lines = [
        "### Does clipping the training sample at 2 sigma help?",
        "",
        answer(comparison),
        "",
        *(f"- {contrast['verdict']}" for contrast in primary),
        "",
        "CRPS and MAE (in redshift), NMAD (of dz / (1 + z)), inside the clip window:",
        "",
        *(f"- {name}: {_values(subsets['inside'], metrics)}" for name, subsets in measured.items()),
        "",
        "Everything else is in report.html under Artifacts.",
    ]
    return "\n".join(lines)


def assessment_run(path: Path, tags: Mapping[str, str]) -> RunRecord:
    """Return the record of the assessment of all spectrum networks.

    Metrics are named ``<metric>/<arm>``, so that MLflow shows the arms side by side.

    Parameters
    ----------
    path : of spectrum.json, with its figures in a folder of that name beside it.
    tags : digests of the data that all arms share.
    """
    report = read_json(path)
    arms, redshifts = report["arms"], report["redshifts"]
    return RunRecord(
        key=file_digest(path),
        name=f"assessment of {len(arms)} arms",
        description=_assessment_words(report),
        started=path.stat().st_mtime,
        seconds=0.0,
        tags={"stage": "evaluate_spectrum", "kind": "assessment", **tags},
        params={
            "arms": ", ".join(arms),
            "targets": report["targets"]["kind"],
            "test_galaxies": str(report["test"]["n"]),
        },
        metrics={
            **{
                f"test_{metric}/{arm}": value
                for arm, scores in arms.items()
                for metric, value in numbers({n: scores.get(n) for n in _SPECTRUM_METRICS}).items()
            },
            **{
                f"redshift_{metric}/{arm} {way}": value
                for arm, assessed in redshifts.items()
                for way, subsets in assessed["ways"].items()
                for metric, value in numbers(subsets.get("whole", {})).items()
            },
        },
        artifacts={
            path: "",
            **dict.fromkeys(sorted(path.with_suffix("").glob("*.png")), "figures"),
        },
    )


def _assessment_words(report: Mapping[str, Any]) -> str:
    lines = [
        f"### Spectra of {report['test']['n']:,} test galaxies, from their images",
        "",
        f"Targets: {report['targets']['source']}.",
        "",
        "Mean squared and mean absolute error, relative to the mean flux in r:",
        "",
        *(
            f"- {name}: {_values(scores, ('mse', 'mae'))}"
            for name, scores in report["arms"].items()
        ),
    ]
    for name, assessed in report["redshifts"].items():
        lines += [
            "",
            f"Redshifts of {name}, over the spectrum and direct: MAE, CRPS, NMAD:",
            "",
            *(
                f"- {way}: {_values(subsets.get('whole', {}), ('mae', 'crps', 'nmad'))}"
                for way, subsets in assessed["ways"].items()
            ),
        ]
    return "\n".join([*lines, "", "Everything else is in spectrum.json under Artifacts."])


def _values(metrics: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return metrics on one line; MLflow shows tables without any space between their columns."""
    values = numbers(metrics)
    return ", ".join(f"{values[name]:.5f}" if name in values else "–" for name in names)
