"""Trained spectrum networks, read from their files as what the store says.

spectrum/models/ARM and the assessment in reports/spectrum.json become a `trainings.TrainedModel`: a
single run with its learning curves, which owns a version of the registered model `pix2z-spectrum`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pix2z.config.arms import SPECTRUM_MODEL
from pix2z.dataset.spectra import KINDS
from pix2z.errors import InputError, IntegrityError
from pix2z.files import file_digest, read_json
from pix2z.redshift_pdf.flags import SPECTRUM_FLAG_MEANINGS, in_words
from pix2z.tracking.records import SPECTRA, RunRecord, as_params, numbers
from pix2z.tracking.served_forms import SPECTRUM
from pix2z.tracking.trainings import (
    ENDS,
    INPUT,
    SELECTIONS,
    TrainedModel,
    as_training,
    data_tags,
    galaxies_words,
)

__all__ = [
    "REPORT",
    "SPECTRUM_MODELS",
    "read_spectrum_network",
]

SPECTRUM_MODELS = "spectrum/models"
"""Folder of trained spectrum arms, in the root of the repository."""

REPORT = "reports/spectrum.json"
"""The assessment of all spectrum networks."""

_SAVED = "spectrum.json"

_DECODERS = {
    "physics": "a rest-frame basis, shifted by the network's own redshift PDF, plus a residual",
    "plain": "convolutions with one output per wavelength, told nothing of redshift or lines",
}

_NOT_ASSESSED = f"\n\nNot assessed yet: {REPORT} does not hold this network."

_SCORES = ("mse", "mae", "coverage_68", "coverage_95")

_DESCRIPTION = f"""\
Spectra of galaxies from five-band images. Each version is one network; the aliases are the arms, \
each on its newest version: models:/{SPECTRUM_MODEL}@full.

{INPUT}

**Output:** a row per galaxy: wavelength (Angstrom in vacuum, as observed), flux, flux_error (half \
the 68 % band) and flux_error95, all lists, in 1e-17 erg / (s cm2 Angstrom) without Galactic \
extinction, bands being those away from strong emission lines; z_median, z_err68_low and \
z_err68_high of the network's own redshift PDF, where it has one; pix2z_flags, a sum of \
bits ({in_words(SPECTRUM_FLAG_MEANINGS)})."""


def read_spectrum_network(root: Path, name: str, *, commit: str) -> TrainedModel:
    """Read what the files under `root` say of the network of an arm.

    Parameters
    ----------
    commit : the first that holds all spectrum networks as they are, or ''.

    Raises
    ------
    InputError
        A file cannot be read, or spectrum.json is not that of a network, or of an earlier version.
    IntegrityError
        Weights or basis are not those that it was saved with, so no server would load them.
    """
    folder = root / SPECTRUM_MODELS / name
    saved = _read_saved(folder)
    report = _report_on(root, name, saved["digest"])
    start, decoder = saved["record"], saved["decoder"]
    selection, targets = start["selection"], start["targets"]
    what = (
        f"The spectrum network of the arm **{name}**: trained on {SELECTIONS[selection]}; decoder "
        f"{decoder} ({_DECODERS[decoder]})."
    )
    record = RunRecord(
        key=saved["digest"],
        experiment=SPECTRA,
        name=name,
        description=f"{what}{'' if report else _NOT_ASSESSED}",
        tags={
            "stage": "train_spectrum",
            "arm": name,
            "decoder": decoder,
            "selection": selection,
            **data_tags(root, start["inputs"]),
            "basis_digest": saved["basis_sha256"],
            "spectrum_digest": saved["digest"],
            "registered_model": SPECTRUM_MODEL,
        },
        params=as_params(
            {
                "decoder": decoder,
                "selection": selection,
                "targets": targets,
                "settings": saved["settings"],
                "encoder": saved["encoder"],
                **saved["redshifts"],
            }
        ),
        metrics=_metrics(report, name),
        artifacts={folder / _SAVED: ""},
        commit=commit,
    )
    n_test = report["test"]["n"] if report else 0
    return TrainedModel(
        name=SPECTRUM_MODEL,
        form=SPECTRUM,
        folder=folder,
        digest=saved["digest"],
        runs=(as_training(record, folder, saved),),
        description=_DESCRIPTION,
        data=f"{galaxies_words(root)}Target spectra: {KINDS[targets]}. ",
        measured=f"On {n_test:,} test galaxies; fluxes relative to the mean flux in r",
        limits={end: _metrics(report, name, end) for end in ENDS},
        command="train_spectrum",
    )


def _read_saved(folder: Path) -> dict[str, Any]:
    """Read spectrum.json, and check the files that it names by digest."""
    path = folder / _SAVED
    saved = read_json(path)
    if not isinstance(saved, dict) or not {"digest", "record", "decoder"} <= saved.keys():
        raise InputError(f"{path}: not a saved spectrum network; repeat its training")
    if "inputs" not in saved["record"] or saved["record"].get("targets") not in KINDS:
        raise InputError(
            f"{path}: does not say what it was trained on, since an earlier version wrote it; "
            "repeat its training"
        )
    for file, key in (("weights.weights.h5", "weights_sha256"), ("basis.h5", "basis_sha256")):
        if file_digest(folder / file) != saved[key]:
            raise IntegrityError(f"{folder / file}: does not match the digest in {_SAVED}")
    return saved


def _report_on(root: Path, name: str, digest: str) -> dict[str, Any]:
    """Read reports/spectrum.json; empty where it does not assess this very network."""
    path = root / REPORT
    report = dict(read_json(path)) if path.exists() else {}
    scores = report.get("arms", {}).get(name, {})
    return report if scores.get("model_digest") == digest else {}


def _metrics(report: Mapping[str, Any], name: str, of: str = "value") -> dict[str, float]:
    """Return the metrics of one network, by their names in the store.

    ``test/<metric>`` of the spectra, ``test_colours/<colour>_<against>_<what>``,
    ``test_h_alpha/<what>``, ``redshift_<way>/<metric>`` on the test galaxies and
    ``redshift_<way>_inside/<metric>`` inside the clip window.
    """
    if not report:
        return {}
    scores = report["arms"][name]
    named = {f"test/{metric}": scores.get(metric) for metric in _SCORES}
    named |= {f"test_h_alpha/{what}": value for what, value in scores.get("h_alpha", {}).items()}
    for colour, sides in scores.get("colours", {}).items():
        for side, values in sides.items():
            for what in ("median", "nmad"):
                named[f"test_colours/{colour}_{side}_{what}"] = values[what]
    for way, subsets in report["redshifts"].get(name, {}).get("ways", {}).items():
        for subset, suffix in (("whole", ""), ("inside", "_inside")):
            for metric, value in subsets.get(subset, {}).items():
                named[f"redshift_{way}{suffix}/{metric}"] = value
    return numbers(named, of)
