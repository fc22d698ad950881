"""What a registered spectrum network says of itself, in markdown."""

from collections.abc import Mapping
from typing import Any

from pix2z.config.arms import SPECTRUM_MODEL
from pix2z.dataset.spectra import KINDS
from pix2z.tracking.arms import SELECTIONS
from pix2z.tracking.record import RunRecord
from pix2z.tracking.registry import ModelRecord
from pix2z.tracking.served_forms import SPECTRUM
from pix2z.tracking.spectrum.networks import SpectrumNetwork
from pix2z.tracking.spectrum.records import DECODERS

__all__ = ["spectrum_model_record"]

_TAGS = (
    "arm",
    "decoder",
    "selection",
    "galaxies_digest",
    "spectra_digest",
    "split_digest",
    "test_digest",
    "weights_digest",
)
"""Tags that a version has from its run."""

_SHOWN = {
    "test/mse": "mean squared error of the flux",
    "test/mae": "mean absolute error of the flux",
    "test/coverage_68": "share of the true flux inside the 68 % band",
    "test/coverage_95": "share of the true flux inside the 95 % band",
    "test_h_alpha/found": "share of H alpha lines found within 1 % of their wavelength",
    "redshift_network/mae": "MAE of redshifts of its own PDF",
    "redshift_templates/mae": "MAE of redshifts read off the spectrum with templates",
    "redshift_boosted/mae": "MAE of redshifts read off the spectrum with boosted trees",
    "redshift_direct/mae": "for comparison, MAE of the network that gives redshifts at once",
}

_DESCRIPTION = f"""\
Spectra of galaxies from five-band images. Each version is one network; the aliases are the arms, \
each on its newest version: models:/{SPECTRUM_MODEL}@full.

**Input:** images (n, 32, 32, 5), float32, nanomaggies, bands u g r i z last, 0.396 arcsec per \
pixel; NaN where a pixel is masked or a band absent. Parameter `ebv`: E(B-V) of the n galaxies in \
magnitudes, or nothing.

**Output:** a row per galaxy: wavelength (Angstrom in vacuum, as observed), flux, flux_error (half \
the 68 % band) and flux_error95, all lists, in 1e-17 erg / (s cm2 Angstrom) without Galactic \
extinction; z_median, z_err68_low and z_err68_high of the network's own redshift PDF, where it has \
one; flags (1: a band is absent, 2: pixels are masked, 4: E(B-V) unknown, 8: every band is blank, \
16: no flux in r, the spectrum is relative to its mean there)."""


def spectrum_model_record(network: SpectrumNetwork, run: RunRecord, *, run_id: str) -> ModelRecord:
    """Return the version of the registered model that a network is; the run owns it."""
    return ModelRecord(
        name=SPECTRUM_MODEL,
        model_description=_DESCRIPTION,
        folder=network.folder,
        members=(),
        digest=network.digest,
        run_id=run_id,
        card=_card(network, run.metrics),
        tags={key: run.tags[key] for key in _TAGS if key in run.tags},
        form=SPECTRUM,
    )


def _card(network: SpectrumNetwork, metrics: Mapping[str, float]) -> str:
    """Say what it is, then data, metrics, limits and intended use, each under a heading."""
    decoder, selection = network.saved["decoder"], network.record["selection"]
    parts = {
        "Data": [_data(network)],
        "Metrics": _figures_of_merit(network.report, metrics),
        "Limits": [f"- {words}" for words in _limits(network)],
        "Intended use": [_USE],
    }
    sections = [f"**{name}**\n\n" + "\n".join(lines) for name, lines in parts.items() if lines]
    return "\n\n".join(
        [
            f"The spectrum network of the arm **{network.name}**: trained on "
            f"{SELECTIONS[selection]}; decoder {decoder} ({DECODERS[decoder]}).",
            *sections,
            "```python\n"
            f'model = mlflow.pyfunc.load_model("models:/{SPECTRUM_MODEL}@{network.name}")\n'
            'spectra = model.predict(images, params={"ebv": ebv})\n'
            "```",
        ]
    )


_USE = (
    "Spectra that colours and shapes make likely: continuum, typical lines, synthetic photometry, "
    "with an error at every wavelength. Not in the place of an observed spectrum: lines, line "
    "ratios and kinematics of a single galaxy are not measured."
)


def _data(network: SpectrumNetwork) -> str:
    kind = network.record.get("targets", "")
    source = f"Trained and tested on {network.source}. " if network.source else ""
    targets = f"Target spectra: {KINDS.get(kind, kind)}. " if kind else ""
    return f"{source}{targets}{network.history['n_train']:,} training galaxies."


def _figures_of_merit(report: Mapping[str, Any], metrics: Mapping[str, float]) -> list[str]:
    """One line per metric; MLflow shows tables without any space between their columns."""
    lines = [f"- {what}: **{metrics[n]:.4f}**" for n, what in _SHOWN.items() if n in metrics]
    if not lines:
        return []
    n = report["test"]["n"]
    return [f"On {n:,} test galaxies; fluxes relative to the mean flux in r:", "", *lines]


def _limits(network: SpectrumNetwork) -> list[str]:
    redshifts, wavelength = network.saved["redshifts"], network.saved["settings"]["wavelength"]
    found = [
        f"Redshifts from {redshifts['z_min']:g} to {redshifts['z_max']:g}, and wavelengths from "
        f"{wavelength['low']:g} to {wavelength['high']:g} Angstrom, only: a galaxy beyond gets a "
        "wrong spectrum, without a flag.",
        "It can be no better than its targets, and what they do not show, it does not know.",
        "What is at the centre of an image is taken for a galaxy: a star gets a galaxy's spectrum.",
        "The bands hold their shares on average over galaxies and wavelengths like those it was "
        "tested on; another telescope, depth, selection or pixel scale was not tested.",
    ]
    if network.record["selection"] == "clipped":
        found.append("It has seen no galaxy beyond 2 sigma of the mean redshift.")
    return found
