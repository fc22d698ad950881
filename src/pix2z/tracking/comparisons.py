"""Comparisons of everything that was trained, from their reports: one run each.

reports/compare.json compares the redshifts of all arms and controls, reports/spectrum.json the
spectra of all spectrum networks. The same file is the same run.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pix2z.evaluation.report import answer
from pix2z.files import file_digest, read_json
from pix2z.tracking.commits import commit_with_output
from pix2z.tracking.records import COMPARISONS, SPECTRA, RunRecord, numbers
from pix2z.tracking.spectrum_networks import REPORT

__all__ = ["assessment_runs", "comparison_runs"]

_COMPARISON = "reports/compare.json"
_METRICS = ("crps", "mae", "nmad", "bias_mean", "outlier_005", "coverage_68", "coverage_95")
_SPECTRUM_METRICS = ("mse", "mae", "coverage_68", "coverage_95")


def comparison_runs(root: Path, tags: Mapping[str, str]) -> list[RunRecord]:
    """Return the record of the comparison of arms and controls; none before there is one.

    Metrics are named ``<subset>_<metric>/<arm>``, so that MLflow shows the arms side by side.

    Parameters
    ----------
    root : of the repository, with reports/compare.json, the report and its figures.
    tags : digests of the data that all arms share.
    """
    path, reports = root / _COMPARISON, root / "reports"
    if not path.exists():
        return []
    comparison = read_json(path)
    arms, controls, test = (comparison[key] for key in ("arms", "controls", "test"))
    primary = [contrast for contrast in comparison["contrasts"] if contrast["primary"]]
    metrics: dict[str, float] = {}
    for arm, subsets in {**arms, **controls}.items():
        for subset in ("inside", "whole"):
            metrics |= _side_by_side(subset, arm, subsets[subset], names=_METRICS)
    for contrast in primary:
        subset, metric, a, b = (contrast[key] for key in ("subset", "metric", "a", "b"))
        for what in ("difference", "p_holm"):
            name = f"primary_{what}_{subset}_{metric}/{a} minus {b}"
            metrics |= numbers({name: contrast[what]})
    files = [path, reports / "report.html", reports / "report.md"]
    figures = sorted((reports / "figures").rglob("*.png"))
    record = RunRecord(
        key=file_digest(path),
        experiment=COMPARISONS,
        name=f"{len(arms)} arms and {len(controls)} controls",
        named_by_code=True,
        description="\n".join(
            [
                "### Does clipping the training sample at 2 sigma help?\n",
                f"{answer(comparison)}\n",
                *(f"- {contrast['verdict']}" for contrast in primary),
                "\nEverything else is in report.html under Artifacts.",
            ]
        ),
        started=path.stat().st_mtime,
        tags={"stage": "evaluate", "kind": "comparison", **tags, "test_digest": test["digest"]},
        params={
            "arms": ", ".join(arms),
            "controls": ", ".join(controls),
            "test_galaxies": str(test["n"]),
            "clip_window": " to ".join(f"{z:.4f}" for z in test["clip_window"]),
        },
        metrics=metrics,
        artifacts={
            **{file: "" for file in files if file.exists()},
            **{figure: figure.parent.relative_to(reports).as_posix() for figure in figures},
        },
        commit=commit_with_output(root, _COMPARISON),
    )
    return [record]


def assessment_runs(root: Path, tags: Mapping[str, str]) -> list[RunRecord]:
    """Return the record of the assessment of all spectrum networks; none before there is one.

    Metrics are named ``<metric>/<arm>``, so that MLflow shows the arms side by side.

    Parameters
    ----------
    root : of the repository, with reports/spectrum.json and its figures in reports/spectrum.
    tags : digests of the data that all arms share.
    """
    path = root / REPORT
    if not path.exists():
        return []
    report = read_json(path)
    arms, test, targets = (report[key] for key in ("arms", "test", "targets"))
    metrics: dict[str, float] = {}
    for arm, scores in arms.items():
        metrics |= _side_by_side("test", arm, scores, names=_SPECTRUM_METRICS)
    for arm, assessed in report["redshifts"].items():
        for way, subsets in assessed["ways"].items():
            whole = subsets.get("whole", {})
            metrics |= _side_by_side("redshift", f"{arm} {way}", whole, names=whole)
    record = RunRecord(
        key=file_digest(path),
        experiment=SPECTRA,
        name=f"assessment of {len(arms)} arms",
        named_by_code=True,
        description=(
            f"Spectra of {test['n']:,} test galaxies, from their images; targets: "
            f"{targets['source']}. Errors are relative to the mean flux in r; metrics named "
            "redshift_ are of redshifts read off the spectrum, and of the network that gives them "
            "at once (direct). Everything else is in spectrum.json under Artifacts."
        ),
        started=path.stat().st_mtime,
        tags={"stage": "evaluate_spectrum", "kind": "assessment", **tags},
        params={
            "arms": ", ".join(arms),
            "targets": targets["kind"],
            "test_galaxies": str(test["n"]),
        },
        metrics=metrics,
        artifacts={
            path: "",
            **dict.fromkeys(sorted(path.with_suffix("").glob("*.png")), "figures"),
        },
        commit=commit_with_output(root, REPORT),
    )
    return [record]


def _side_by_side(
    prefix: str, arm: str, metrics: Mapping[str, Any], *, names: Iterable[str]
) -> dict[str, float]:
    """Return those of the named metrics that are numbers, as ``<prefix>_<metric>/<arm>``."""
    chosen = numbers({name: metrics.get(name) for name in names})
    return {f"{prefix}_{name}/{arm}": value for name, value in chosen.items()}
