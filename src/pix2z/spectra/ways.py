"""Ways to a redshift of a network that reconstructs spectra, set against the direct network.

Every way gives point estimates on calibration and on test galaxies; a histogram of the calibration
residuals turns them into PDFs, so that CRPS compares like with like. All ways are measured on the
same test galaxies and the same resamples of groups: their differences are paired.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xgboost
from numpy.typing import NDArray

from pix2z.config.spectrum import BoostingConfig
from pix2z.errors import InputError
from pix2z.evaluation.arm_galaxies import GalaxyTerms, galaxy_terms, select_terms, subset_masks
from pix2z.evaluation.arm_metrics import measure_all
from pix2z.evaluation.contrasts import outcome
from pix2z.evaluation.metric_names import METRICS, margin_of
from pix2z.evaluation.paired import difference, interval_of, of_pool
from pix2z.evaluation.point_metrics import THRESHOLDS
from pix2z.redshift_pdf.flags import FitFlag
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import Predictions
from pix2z.redshift_pdf.residual import fit_residual_pdf, residual_density
from pix2z.spectra.reconstructed import Reconstructed
from pix2z.spectra.search import file_redshifts
from pix2z.spectra.spectrum_files import open_spectra
from pix2z.spectra.template_redshift import SpectrumRedshifts
from pix2z.wavelengths import binned

__all__ = [
    "DIRECT",
    "Way",
    "best_over_spectrum",
    "boosted_redshifts",
    "compare_ways",
    "doubtful_shares",
    "fit_boosted",
    "template_fit",
    "way_terms",
]

WAY_METRICS = ("crps", "mae", "nmad", "bias_mean", "outlier_005", "coverage_68", "coverage_95")

CHUNK = 4096
"""Galaxies whose PDFs are in memory at a time."""

N_PHOT_BINS = 8
"""Bins of z_phot that residuals are gathered in."""

DIRECT = "direct"
"""The way without a spectrum: the network of redshifts of the same selection."""

READ_SPECTRUM = ("boosted", "templates")
"""Ways whose redshift is read off the reconstructed spectrum; `network` reads images alone."""

Array = NDArray[np.float64]
Json = dict[str, Any]
Way = tuple[Array, Array]
"""z_phot of calibration galaxies (m,) and of test galaxies (n,)."""


def template_fit(reconstructed: Reconstructed) -> SpectrumRedshifts:
    """Read all redshifts as `pix2z redshift` does, with the basis and the search of the file.

    That basis was learned on training spectra; it is not what the targets were made of.
    """
    with open_spectra(reconstructed.file.filename) as spectra:
        if spectra.basis is None or spectra.search is None:
            raise InputError(f"{spectra.path}: expected a basis and redshift_range in the file")
        return file_redshifts(spectra, spectra.basis, spectra.search)


def doubtful_shares(z: Array, flags: NDArray[np.int32], z_spec: Array) -> Json:
    """Say how many redshifts are flagged as doubtful, and how many of these and of others are off.

    Returns
    -------
    {"doubtful", "outlier_005_of_doubtful", "outlier_005_of_others"}, shares of galaxies; no
    redshift at all counts as off, and a share of none is 0.
    """
    doubtful = (flags & FitFlag.DOUBTFUL) > 0
    off = ~(np.abs(z - z_spec) <= THRESHOLDS["005"] * (1 + z_spec))
    return {
        "doubtful": float(doubtful.mean()),
        "outlier_005_of_doubtful": float((off & doubtful).sum() / max(doubtful.sum(), 1)),
        "outlier_005_of_others": float((off & ~doubtful).sum() / max((~doubtful).sum(), 1)),
    }


def boosted_redshifts(
    reconstructed: Reconstructed, unseen: Path, z_spec: Array, *, settings: BoostingConfig
) -> NDArray[np.float32]:
    """Read redshifts with trees that learned from spectra of networks that never saw the galaxy."""
    with h5py.File(unseen, "r") as file:
        train, validation = (
            (file[part]["flux"][...], z_spec[file[part]["rows"][...]])
            for part in ("train", "validation")
        )
    trees = fit_boosted(train, validation, settings=settings)
    z = [
        trees.predict(binned(reconstructed.relative("flux", block), settings.n_pixels))
        for block in reconstructed.blocks()
    ]
    return np.concatenate(z)


def fit_boosted(
    train: tuple[Array, Array], validation: tuple[Array, Array], *, settings: BoostingConfig
) -> xgboost.XGBRegressor:
    """Fit trees to spectra (n, P) with redshifts (n,); squared error, early stopping.

    Both parts must be reconstructions by networks that never saw these galaxies: trees that learn
    from better spectra than they will be shown trust them too much.
    """
    trees = xgboost.XGBRegressor(
        objective="reg:squarederror",
        max_depth=settings.max_depth,
        learning_rate=settings.learning_rate,
        subsample=settings.subsample,
        colsample_bytree=settings.colsample,
        n_estimators=settings.most_rounds,
        early_stopping_rounds=settings.patience,
        random_state=settings.seed,
        n_jobs=1,  # two threads wait for each other where another process needs a core
    )
    shown: list[Any] = [validation]
    trees.fit(*train, eval_set=shown, verbose=False)
    return trees


def way_terms(
    way: Way,
    z_calibration: Array,
    columns: Mapping[str, NDArray[Any]],
    *,
    grid: RedshiftGrid,
) -> GalaxyTerms:
    """Terms of the metrics of a way on the test galaxies, PDFs by residuals of calibration ones.

    Parameters
    ----------
    way : a z_phot that is not finite counts as the calibration median.
    z_calibration : (m,) true redshifts of the calibration galaxies.
    columns : of `redshift_pdf.predictions.COLUMNS`, but z_phot, (n,), of the test galaxies.
    """
    z_residual, z_test = way
    known = np.isfinite(z_residual)
    residual = fit_residual_pdf(
        z_residual[known], z_calibration[known], grid=grid, n_phot_bins=N_PHOT_BINS
    )
    z_phot = _point_estimates(z_test, z_calibration, grid)

    def chunks() -> Iterator[Predictions]:
        for start in range(0, len(z_phot), CHUNK):
            part = slice(start, start + CHUNK)
            density = residual_density(residual, z_phot[part]).astype(np.float32)
            rest = {name: values[part] for name, values in columns.items()}
            yield Predictions(grid=grid, density=density, z_phot=z_phot[part], **rest)

    return galaxy_terms(chunks())


def _point_estimates(z: Array, z_calibration: Array, grid: RedshiftGrid) -> Array:
    """Redshifts (n,) within the grid; one that is not finite becomes the calibration median."""
    known = np.where(np.isfinite(z), z, np.median(z_calibration))
    return np.asarray(np.clip(known, grid.z_min, grid.z_max))


def best_over_spectrum(
    ways: Mapping[str, Way], z_calibration: Array, *, grid: RedshiftGrid
) -> tuple[str, dict[str, float]]:
    """Choose the way over a spectrum, and give every way's MAE, on calibration galaxies.

    The test galaxies judge the chosen way, so they have no part in the choice. Calibration galaxies
    train no way; of the template search, they chose the settings too. A way that does not read the
    spectrum (`READ_SPECTRUM`) is not chosen.
    """
    errors = {
        name: float(np.abs(_point_estimates(z, z_calibration, grid) - z_calibration).mean())
        for name, (z, _) in ways.items()
    }
    return min(READ_SPECTRUM, key=lambda name: errors[name]), errors


def compare_ways(
    ways: Mapping[str, GalaxyTerms],
    *,
    clip_window: tuple[float, float],
    margin: float,
    n_bootstrap: int,
    seed: int,
) -> Json:
    """Metrics of every way, and of its difference to `DIRECT`, with 95 % intervals.

    The intervals hold the chance of the test galaxies alone, not that of the trainings: a spectrum
    network is trained once. Outcomes follow the rules of `evaluation.contrasts` for such arms: none
    is equivalent to the direct network.

    Parameters
    ----------
    margin : share of an error of `DIRECT` below which a difference does not matter.

    Returns
    -------
    {"ways": {way: {subset: {metric: {value, low, high}}}}, "contrasts": [{a, b, subset, metric,
    difference, low, high, margin, single_seed, outcome}]}, a being a way and b `DIRECT`.
    """
    masks = subset_masks(next(iter(ways.values())).z_spec, clip_window)
    intervals: dict[str, Json] = {name: {} for name in ways}
    contrasts: list[Json] = []
    for subset, keep in masks.items():
        galaxies = {name: select_terms(terms, keep) for name, terms in ways.items()}
        measured = measure_all(galaxies, n_bootstrap=n_bootstrap, seed=seed, only=WAY_METRICS)
        for name, of_way in measured.items():
            metrics = of_way.intervals()
            intervals[name][subset] = {metric: metrics[metric] for metric in WAY_METRICS}
        for name, metric in product([name for name in ways if name != DIRECT], WAY_METRICS):
            judged, direct = (
                of_pool(galaxies[way], measured[way], metric) for way in (name, DIRECT)
            )
            error = measured[DIRECT].values[metric]
            entry = {
                **{"a": name, "b": DIRECT, "subset": subset, "metric": metric},
                **interval_of(difference(judged, direct, galaxies[name].group_id)),
                "margin": margin_of(metric, error, share=margin),
                "single_seed": [name],
            }
            contrasts.append(entry | {"outcome": outcome(entry, better=METRICS[metric].better)})
    return {"reference": DIRECT, "ways": intervals, "contrasts": contrasts}
