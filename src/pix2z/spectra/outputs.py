"""Everything about spectrum networks on the test galaxies: reports/spectrum.json and figures."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pix2z.config.spectrum import SpectrumArm, SpectrumConfig
from pix2z.dataset.photometric_spectra import PhotometricSpectra
from pix2z.dataset.spectra import KINDS, Spectra
from pix2z.dataset.splits import Split, read_split
from pix2z.dataset.store import Galaxies, prediction_columns
from pix2z.errors import InputError
from pix2z.evaluation.arm_files import read_arm
from pix2z.evaluation.arm_galaxies import GalaxyTerms, subset_masks
from pix2z.evaluation.bootstrap import Resamples
from pix2z.evaluation.figures.redshifts import plot_redshift_density
from pix2z.evaluation.figures.spectra import (
    ShownSpectrum,
    plot_error_by_wavelength,
    plot_spectra,
)
from pix2z.files import read_json, write_json
from pix2z.process import beside
from pix2z.redshift_pdf.density import quantiles
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.qp_files import read_prediction_chunks
from pix2z.sky.filters import covered_bands
from pix2z.spectra.reconstructed import (
    Reconstructed,
    colour_mean_scores,
    mean_spectrum_scores,
    measured_colours,
    photometric_scores,
    reconstruction_scores,
)
from pix2z.spectra.scores import ScoredSpectra
from pix2z.spectra.summary import compare_spectra, spectrum_summary
from pix2z.spectra.ways import (
    DIRECT,
    best_over_spectrum,
    boosted_redshifts,
    compare_ways,
    doubtful_shares,
    template_fit,
    way_terms,
)

__all__ = ["AssessmentInputs", "write_assessment"]

logger = logging.getLogger(__name__)

PAIRS = (
    ("full", "plain"),
    ("full", "clipped"),
    ("full", "kcorrect"),
    ("full", "colour_means"),
    ("full", "mean_spectrum"),
    ("plain", "mean_spectrum"),
)
"""(a, b): whose spectra are compared, where both are there; the difference is a minus b."""

PDF_POINTS = 32
"""Redshifts of equal weight that stand for the PDF of a galaxy."""

SHOWN = 3
"""Best, random and worst galaxies in the figure, of each."""

Json = dict[str, Any]


@dataclass(frozen=True)
class AssessmentInputs:
    """What an assessment is given, whatever the arm.

    grid : bins of redshift PDFs. margin : share of an error of `full` below which a difference does
    not matter. n_bootstrap, seed : of the resamples behind every interval.
    """

    galaxies: Galaxies
    spectra: Spectra
    settings: SpectrumConfig
    grid: RedshiftGrid
    margin: float
    n_bootstrap: int
    seed: int


def write_assessment(
    given: AssessmentInputs,
    arms: Mapping[str, SpectrumArm],
    *,
    spectrum: Path,
    reports: Path,
    processes: int | None = 1,
) -> None:
    """Judge every arm's spectra, and the redshifts read off them; write JSON and figures.

    Parameters
    ----------
    arms : name -> settings; the first one is drawn.
    spectrum : folder with models/ and reconstructed/ of the arms.
    reports : folder of spectrum.json and spectrum/*.png.
    processes : see `process.beside`: what needs no spectrum network is judged meanwhile.
    """
    full = read_split("data/splits/full.h5")
    with beside(_without_spectrum_network, given, full, processes=processes) as others:
        scores, redshifts, facts = _of_arms(given, arms, full, spectrum=spectrum, reports=reports)
        logger.info("spectra of templates fitted to photometry")
        scores |= others()
    unknown = {"n_train": None, "cpu_seconds": None, "model_digest": None}
    facts |= {name: unknown for name in scores if name not in facts}
    report = _report(given, scores, facts, full)
    write_json(reports / "spectrum.json", report | {"redshifts": redshifts})


def _of_arms(
    given: AssessmentInputs,
    arms: Mapping[str, SpectrumArm],
    full: Split,
    *,
    spectrum: Path,
    reports: Path,
) -> tuple[dict[str, ScoredSpectra], dict[str, Json], dict[str, Json]]:
    """Judge and draw the arms: the scores of their spectra, their redshifts, and facts of them."""
    scores: dict[str, ScoredSpectra] = {}
    facts: dict[str, Json] = {}
    redshifts: dict[str, Json] = {}
    drawn = next(iter(arms))
    for name, arm in arms.items():
        split = read_split(f"data/splits/{arm.selection}.h5")
        models = spectrum / "models" / name
        with h5py.File(spectrum / f"reconstructed/{name}.hdf5", "r") as file:
            reconstructed = Reconstructed(file, n_calibration=len(split.calibration))
            logger.info("%s: spectra", name)
            scores[name] = reconstruction_scores(reconstructed, given.spectra, given.galaxies)
            facts[name] = _facts(arm, models, str(file.attrs["model_digest"]))
            logger.info("%s: redshifts", name)
            ways, of_points = _ways(given, name, reconstructed, split, models)
            if name == drawn:
                _draw_spectra(given, reconstructed, scores[name], reports / "spectrum/spectra.png")
        redshifts[name] = (
            compare_ways(
                ways,
                clip_window=full.clip_window,
                margin=given.margin,
                n_bootstrap=given.n_bootstrap,
                seed=given.seed,
            )
            | of_points
        )
        if name == drawn:
            plot_redshift_density(
                {way: (terms.z_phot, terms.z_spec) for way, terms in ways.items()},
                clip_window=full.clip_window,
                z_max=given.grid.z_max,
                path=reports / "spectrum/ways.png",
            )
    plot_error_by_wavelength(
        {name: scored.by_wavelength for name, scored in scores.items()},
        wavelength=given.spectra.grid.values,
        path=reports / "spectrum/error_by_wavelength.png",
    )
    return scores, redshifts, facts


def _without_spectrum_network(given: AssessmentInputs, split: Split) -> dict[str, ScoredSpectra]:
    """Judge mean spectra, and templates fitted to photometry: averaged over the direct PDF.

    The same at the spectroscopic redshift is what photometry alone would give if it knew that.
    """
    data = given.spectra, given.galaxies, split
    z_spec = given.galaxies.column("specz_redshift", split.test).astype(np.float64)
    levels = (np.arange(PDF_POINTS) + 0.5) / PDF_POINTS
    chunks = [
        (chunk.row, quantiles(chunk.density, chunk.grid, levels))
        for chunk in read_prediction_chunks("predictions/full/pool.hdf5")
    ]
    rows, z = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    if not np.array_equal(np.sort(rows), split.test):
        raise InputError("predictions/full/pool.hdf5: expected the test galaxies of full.h5")
    z_max = max(float(z.max()), float(z_spec.max())) + 0.01
    fitted = PhotometricSpectra(given.galaxies, given.spectra.grid, z_max=z_max)
    return {
        "kcorrect": photometric_scores(*data, fitted, z[np.argsort(rows)]),
        "kcorrect_at_true_z": photometric_scores(*data, fitted, z_spec[:, None]),
        "colour_means": colour_mean_scores(*data),
        "mean_spectrum": mean_spectrum_scores(*data),
    }


def _report(
    given: AssessmentInputs,
    scores: Mapping[str, ScoredSpectra],
    facts: Mapping[str, Json],
    split: Split,
) -> Json:
    """Write down targets, test galaxies, and how well their spectra were reconstructed."""
    z_test = given.galaxies.column("specz_redshift", split.test).astype(np.float64)
    masks = subset_masks(z_test, split.clip_window)
    bands = covered_bands(given.spectra.grid.values)
    measured = measured_colours(given.galaxies, split.test, bands=bands)
    names = tuple(f"{a}-{b}" for a, b in pairwise(bands))
    group_id = given.galaxies.column("group_id", split.test)
    resamples = Resamples(group_id, given.n_bootstrap, given.seed)
    return {
        "targets": {"kind": given.spectra.kind, "source": KINDS[given.spectra.kind]},
        "test": {"n": len(split.test), "n_inside": int(masks["inside"].sum())},
        "wavelength": asdict(given.spectra.grid),
        "arms": {
            name: spectrum_summary(scored, resamples, measured_colours=measured, colour_names=names)
            | facts[name]
            for name, scored in scores.items()
        },
        "margin": given.margin,
        "contrasts": compare_spectra(
            scores,
            PAIRS,
            masks,
            trained=[name for name, of in facts.items() if of["n_train"] is not None],
            margin=given.margin,
            group_id=group_id,
        ),
    }


def _ways(
    given: AssessmentInputs, name: str, reconstructed: Reconstructed, split: Split, models: Path
) -> tuple[dict[str, GalaxyTerms], Json]:
    """Every way to a redshift, the direct network of the same selection first.

    With them go what the point estimates alone say: how good each way is on calibration galaxies,
    and how many redshifts of the template search are doubtful.
    """
    galaxies, grid, settings = given.galaxies, given.grid, given.settings
    z_spec = galaxies.column("specz_redshift").astype(np.float64)
    fit, first = template_fit(reconstructed), reconstructed.n_calibration
    unseen = models / "unseen.h5"
    found = {
        "network": reconstructed.file["pix2z_z_median"][...],
        "boosted": boosted_redshifts(reconstructed, unseen, z_spec, settings=settings.boosting),
        "templates": fit.z,
    }
    points = {
        way: (z[:first].astype(np.float64), z[first:].astype(np.float64))
        for way, z in found.items()
        if np.isfinite(z[:first]).any()  # a plain network has none inside
    }
    direct = name if (Path("predictions") / name).is_dir() else "full"
    ways = {DIRECT: read_arm(direct, clip_window=split.clip_window).pool}
    columns, z_calibration = prediction_columns(galaxies, split.test), z_spec[split.calibration]
    ways |= {way: way_terms(z, z_calibration, columns, grid=grid) for way, z in points.items()}
    best, calibration_mae = best_over_spectrum(points, z_calibration, grid=grid)
    return ways, {
        "best_over_spectrum": best,
        "calibration_mae": calibration_mae,
        "templates_flagged": doubtful_shares(fit.z[first:], fit.flags[first:], z_spec[split.test]),
    }


def _facts(arm: SpectrumArm, models: Path, model_digest: str) -> Json:
    """Return decoder, selection and cost of an arm, and the digest of its network."""
    history = read_json(models / "history.json")
    return {
        "selection": arm.selection,
        "decoder": arm.decoder,
        "n_train": history["n_train"],
        "cpu_seconds": history["cpu_seconds"],
        "model_digest": model_digest,
    }


def _draw_spectra(
    given: AssessmentInputs, reconstructed: Reconstructed, scores: ScoredSpectra, path: Path
) -> None:
    """Draw the best, random and the worst test galaxies of one arm, a row of each."""
    order = np.argsort(scores.mse, kind="stable")
    n = min(SHOWN, len(order))
    places = {
        "best": order[:n],
        "random": np.random.default_rng(given.seed).choice(len(order), n, replace=False),
        "worst": order[::-1][:n],
    }
    plot_spectra(
        [
            _shown(name, given, reconstructed, scores, int(place))
            for name, chosen in places.items()
            for place in chosen
        ],
        wavelength=given.spectra.grid.values,
        unit=str(reconstructed.file.attrs["unit"]),
        path=path,
    )


def _shown(
    name: str,
    given: AssessmentInputs,
    reconstructed: Reconstructed,
    scores: ScoredSpectra,
    place: int,
) -> ShownSpectrum:
    """One test galaxy in physical units: its target too is scaled to the stamp's r flux."""
    file, index = reconstructed.file, reconstructed.n_calibration + place
    row = int(file["row"][index])
    z = float(given.galaxies.column("specz_redshift", [row])[0])
    return ShownSpectrum(
        title=f"{name}: z = {z:.3f}, rms error {100 * np.sqrt(scores.mse[place]):.1f} %",
        z=z,
        truth=given.spectra.flux([row])[0] * float(file["mean_flux_r"][index]),
        flux=file["flux"][index],
        half68=file["flux_error"][index],
        half95=file["flux_error95"][index],
        line95=file["line_error95"][index],
        line_z=(float(file["pix2z_z_err99_low"][index]), float(file["pix2z_z_err99_high"][index])),
    )
