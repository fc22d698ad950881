"""Everything about spectrum networks on the test galaxies: reports/spectrum.json and figures."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.config.spectrum import SpectrumArm, SpectrumConfig
from pix2z.dataset.spectra import KINDS, Spectra
from pix2z.dataset.splits import Split, read_split
from pix2z.dataset.store import Galaxies
from pix2z.evaluation.arm_files import read_arm
from pix2z.evaluation.arm_galaxies import GalaxyTerms, subset_masks
from pix2z.evaluation.figures.spectra import (
    ShownSpectrum,
    plot_error_by_wavelength,
    plot_spectra,
    plot_ways,
)
from pix2z.files import read_json, write_json
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.spectra.assessment import (
    Reconstructed,
    bands_of,
    boosted_way,
    measured_colours,
    network_way,
    scored,
    template_way,
    terms_of,
)
from pix2z.spectra.lines import LINES
from pix2z.spectra.mean_spectrum import mean_spectrum_scores
from pix2z.spectra.reading import compare_ways
from pix2z.spectra.scores import GalaxyScores, ScoredSpectra
from pix2z.spectra.summary import compare_spectra, spectrum_summary

__all__ = ["Assessed", "write_assessment"]

logger = logging.getLogger(__name__)

PAIRS = (
    ("full", "plain"),
    ("full", "clipped"),
    ("full", "mean_spectrum"),
    ("plain", "mean_spectrum"),
)
"""(a, b): whose spectra are compared, where both are there; the difference is a minus b."""
SHOWN = 3
"""Galaxies per row of the figure."""
N_PHOT_BINS = 8

Json = dict[str, Any]


@dataclass(frozen=True)
class Assessed:
    """What a run of the assessment is given."""

    galaxies: Galaxies
    spectra: Spectra
    settings: SpectrumConfig
    grid: RedshiftGrid
    n_bootstrap: int
    seed: int


def write_assessment(
    given: Assessed, arms: Mapping[str, SpectrumArm], *, spectrum: Path, reports: Path
) -> None:
    """Judge every arm's spectra, and the redshifts read off them; write JSON and figures.

    Parameters
    ----------
    spectrum : folder with models/ and reconstructed/ of the arms.
    reports : folder of spectrum.json and spectrum/*.png.
    """
    full = read_split("data/splits/full.h5")
    group_id = given.galaxies.column("group_id", full.test)
    z_test = given.galaxies.column("specz_redshift", full.test).astype(np.float64)
    masks = subset_masks(z_test, full.clip_window)
    bands = "".join(bands_of(given.spectra.grid.values))
    measured = measured_colours(given.galaxies, full.test, bands=bands)
    names = tuple(f"{a}-{b}" for a, b in zip(bands, bands[1:], strict=False))
    scores: dict[str, ScoredSpectra] = {}
    digests: dict[str, str] = {}
    redshifts: dict[str, Json] = {}
    drawn: dict[str, GalaxyTerms] = {}
    report: Json = {
        "targets": {"kind": given.spectra.kind, "source": KINDS[given.spectra.kind]},
        "test": {"n": len(full.test), "n_inside": int(masks["inside"].sum())},
        "wavelength": asdict(given.spectra.grid),
        "arms": {},
    }
    with ExitStack() as opened:
        for name, arm in arms.items():
            split = read_split(f"data/splits/{arm.selection}.h5")
            file = opened.enter_context(h5py.File(spectrum / f"reconstructed/{name}.hdf5", "r"))
            found = Reconstructed(file, n_calibration=len(split.calibration))
            logger.info("%s: spectra", name)
            digests[name] = str(file.attrs["model_digest"])
            scores[name] = scored(found, given.spectra, given.galaxies)
            ways = _ways(given, name, found, split, spectrum / "models" / name)
            redshifts[name] = compare_ways(
                ways,
                reference="direct",
                clip_window=full.clip_window,
                n_bootstrap=given.n_bootstrap,
                seed=given.seed,
            )
            if name == next(iter(arms)):
                drawn = ways
                _draw_spectra(given, found, scores[name], z_test, reports / "spectrum")
        scores["mean_spectrum"] = mean_spectrum_scores(given.spectra, given.galaxies, full)
    for name, one in scores.items():
        report["arms"][name] = (
            spectrum_summary(
                one,
                group_id=group_id,
                measured_colours=measured,
                colour_names=names,
                n_bootstrap=given.n_bootstrap,
                seed=given.seed,
            )
            | _facts(name, arms, spectrum)
            | {"model_digest": digests.get(name)}
        )
    report["contrasts"] = compare_spectra(
        {name: one.galaxies for name, one in scores.items()},
        PAIRS,
        masks,
        group_id=group_id,
        n_bootstrap=given.n_bootstrap,
        seed=given.seed,
    )
    report["redshifts"] = redshifts
    plot_error_by_wavelength(
        {n: vars(s.wavelengths) for n, s in scores.items() if n != "mean_spectrum"},
        wavelength=given.spectra.grid.values,
        path=reports / "spectrum/error_by_wavelength.png",
    )
    plot_ways(
        {name: (terms.z_phot, terms.z_spec) for name, terms in drawn.items()},
        z_max=given.grid.z_max,
        path=reports / "spectrum/ways.png",
    )
    write_json(reports / "spectrum.json", report)


def _ways(
    given: Assessed, name: str, found: Reconstructed, split: Split, models: Path
) -> dict[str, GalaxyTerms]:
    """Every way to a redshift, the direct network of the same selection first."""
    z_spec = given.galaxies.column("specz_redshift").astype(np.float64)
    direct = name if (Path("predictions") / name).is_dir() else "full"
    logger.info("%s: redshifts", name)
    points = {
        "network": network_way(found),
        "boosted": boosted_way(found, models / "unseen.h5", z_spec, settings=given.settings),
        "templates": template_way(
            found,
            z_range=(given.grid.z_min, given.grid.z_max),
            search=given.settings.templates,
        ),
    }
    ways = {"direct": read_arm(direct, clip_window=split.clip_window).pool}
    for way, values in points.items():
        if np.isfinite(values[0]).any():
            ways[way] = terms_of(
                values, given.galaxies, split, grid=given.grid, n_phot_bins=N_PHOT_BINS
            )
    return ways


def _facts(name: str, arms: Mapping[str, SpectrumArm], spectrum: Path) -> Json:
    """Return decoder, selection and cost of an arm; nothing of the control."""
    if name not in arms:
        return {"n_train": None, "cpu_seconds": None}
    history = read_json(spectrum / "models" / name / "history.json")
    return {
        "selection": arms[name].selection,
        "decoder": arms[name].decoder,
        "n_train": history["n_train"],
        "cpu_seconds": history["cpu_seconds"],
    }


def _draw_spectra(
    given: Assessed,
    found: Reconstructed,
    scores: ScoredSpectra,
    z: NDArray[np.float64],
    folder: Path,
) -> None:
    """Draw the best, the worst and random test galaxies of one arm."""
    order = np.argsort(scores.galaxies.mse, kind="stable")
    n = min(SHOWN, len(order))
    places = {
        "best": order[:n],
        "random": np.random.default_rng(given.seed).choice(len(order), n, replace=False),
        "worst": order[::-1][:n],
    }
    groups = {
        name: [_shown(given, found, scores.galaxies, int(i), float(z[i])) for i in chosen]
        for name, chosen in places.items()
    }
    plot_spectra(
        groups,
        wavelength=given.spectra.grid.values,
        lines={line.name: line.wavelength for line in LINES},
        unit=str(found.file.attrs["unit"]),
        path=folder / "spectra.png",
    )


def _shown(
    given: Assessed, found: Reconstructed, scores: GalaxyScores, place: int, z: float
) -> ShownSpectrum:
    """One test galaxy in physical units: its target too is scaled to the stamp's r flux."""
    index = found.n_calibration + place
    scale = float(found.file["mean_flux_r"][index])
    row = int(found.file["row"][index])
    return ShownSpectrum(
        title=f"z = {z:.3f}, rms error {100 * np.sqrt(scores.mse[place]):.1f} %",
        z=z,
        truth=given.spectra.flux([row])[0] * scale,
        flux=found.file["flux"][index],
        half68=found.file["flux_error"][index],
        half95=found.file["flux_error95"][index],
    )
