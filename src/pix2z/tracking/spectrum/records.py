"""A trained spectrum network, and the assessment of all -> what their runs say."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pix2z.config.arms import SPECTRUM_MODEL
from pix2z.files import file_digest
from pix2z.tracking.arms import SELECTIONS
from pix2z.tracking.record import RunRecord, as_params, numbers
from pix2z.tracking.spectrum.networks import REPORT, SpectrumNetwork
from pix2z.tracking.training_records import CURVES, training_tag

__all__ = ["DECODERS", "assessment_record", "network_record"]

DECODERS = {
    "physics": "a rest-frame basis, shifted by the network's own redshift PDF, plus a residual",
    "plain": "convolutions with one output per wavelength, told nothing of redshift or lines",
}

_SCORES = ("mse", "mae", "coverage_68", "coverage_95")
_OF_FIRST = ("spectra", "ways")
"""Figures of the first arm of the report alone."""
_SUBSETS = {"whole": "", "inside": "_inside"}
_SHOWN = ("mae", "crps", "nmad")


def network_record(network: SpectrumNetwork) -> RunRecord:
    """Return the record of one training, which owns a version of the registered model."""
    history, record, saved = network.history, network.record, network.saved
    seed, seconds = record["seed"], sum(history["seconds"])
    return RunRecord(
        key=network.digest,
        name=network.name,
        description=_network_words(network),
        started=(network.folder / "history.json").stat().st_mtime - seconds,
        seconds=seconds,
        tags={
            "stage": "train_spectrum",
            "kind": "training",
            **network.tags,
            "seed": str(seed),
            "weights_digest": saved["weights_sha256"],
            "basis_digest": saved["basis_sha256"],
            "spectrum_digest": network.digest,
            "registered_model": SPECTRUM_MODEL,
        },
        params=as_params(
            {
                "decoder": saved["decoder"],
                "selection": record["selection"],
                "targets": record.get("targets", "unknown"),
                "seed": seed,
                "n_train": history["n_train"],
                "settings": saved["settings"],
                "encoder": saved["encoder"],
                **saved["redshifts"],
            }
        ),
        metrics={
            "best_epoch": history["best_epoch"],
            "best_val_loss": min(history["val_loss"]),
            "cpu_seconds": history["cpu_seconds"],
            **_score_metrics(network.scores),
            **_way_metrics(network.ways),
        },
        curves={
            curve: list(zip(history["epoch"], history[column], strict=True))
            for column, curve in CURVES.items()
        },
        artifacts={
            network.folder / "spectrum.json": "",
            network.folder / "history.json": "",
            **dict.fromkeys(_figures_of(network), "figures"),
        },
        datasets=network.datasets,
        training_key=training_tag(network.name, seed, record["training_key"]),
    )


def assessment_record(root: Path, report: Mapping[str, Any], tags: Mapping[str, str]) -> RunRecord:
    """Return the record of the assessment of all arms; the same spectrum.json is the same run.

    Metrics are named ``<metric>/<arm>``, so that MLflow shows the arms side by side.

    Parameters
    ----------
    tags : digests of the data that all arms share.
    """
    path = root / REPORT
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
                for metric, value in numbers({n: scores.get(n) for n in _SCORES}).items()
            },
            **{
                f"redshift_{metric}/{arm} {way}": value
                for arm, found in redshifts.items()
                for way, subsets in found["ways"].items()
                for metric, value in numbers(subsets.get("whole", {})).items()
            },
        },
        artifacts={path: "", **dict.fromkeys(_figures(root), "figures")},
    )


def _score_metrics(scores: Mapping[str, Any]) -> dict[str, float]:
    """``test/<metric>`` of the spectra, ``test_colours/<colour>_<against>_<what>``, H alpha."""
    found = {f"test/{n}": v for n, v in numbers({n: scores.get(n) for n in _SCORES}).items()}
    for colour, sides in scores.get("colours", {}).items():
        for side, values in sides.items():
            spread = numbers({what: values[what] for what in ("median", "nmad")})
            found |= {f"test_colours/{colour}_{side}_{w}": v for w, v in spread.items()}
    lines = numbers(scores.get("h_alpha", {}))
    return found | {f"test_h_alpha/{what}": value for what, value in lines.items()}


def _way_metrics(ways: Mapping[str, Any]) -> dict[str, float]:
    """``redshift_<way>/<metric>`` on the test galaxies, ``redshift_<way>_inside/`` the window."""
    return {
        f"redshift_{way}{suffix}/{metric}": value
        for way, subsets in ways.items()
        for subset, suffix in _SUBSETS.items()
        for metric, value in numbers(subsets.get(subset, {})).items()
    }


def _figures(root: Path) -> list[Path]:
    return sorted((root / REPORT).with_suffix("").glob("*.png"))


def _figures_of(network: SpectrumNetwork) -> Iterator[Path]:
    """Figures with this network in them; none where the report is of another one."""
    if not network.scores:
        return
    for figure in _figures(network.root):
        if network.first_in_report or figure.stem not in _OF_FIRST:
            yield figure


def _network_words(network: SpectrumNetwork) -> str:
    history, decoder = network.history, network.saved["decoder"]
    words = (
        f"A spectrum network trained on {SELECTIONS[network.record['selection']]}; decoder "
        f"{decoder} ({DECODERS[decoder]}).\n\n"
        f"{len(history['epoch'])} epochs, the best at step {history['best_epoch']} of the curves; "
        f"{history['n_train']:,} training galaxies. "
    )
    if not network.scores:
        return f"{words}Not assessed yet: reports/spectrum.json does not hold this network."
    return words + (
        "Metrics named test/ are of the spectra of the test galaxies, relative to the flux in r; "
        "redshift_templates, redshift_boosted and redshift_network are redshifts read off the "
        "spectrum, redshift_direct is the network that gives redshifts at once."
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
    for name, found in report["redshifts"].items():
        lines += [
            "",
            f"Redshifts of {name}, over the spectrum and direct: MAE, CRPS, NMAD:",
            "",
            *(
                f"- {way}: {_values(subsets.get('whole', {}), _SHOWN)}"
                for way, subsets in found["ways"].items()
            ),
        ]
    return "\n".join([*lines, "", "Everything else is in spectrum.json under Artifacts."])


def _values(metrics: Mapping[str, Any], names: tuple[str, ...]) -> str:
    values = numbers(metrics)
    return ", ".join(f"{values[name]:.5f}" if name in values else "–" for name in names)
