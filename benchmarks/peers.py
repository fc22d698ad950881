"""What estimators of LSST DESC's RAIL reach on aperture photometry of the same galaxies.

They get what the arm ``catalogue`` has: five magnitudes in one aperture of the same stamps, without
Galactic extinction by E(B-V), and GPz their errors, too. They are trained on the training rows of
``full``; of a few settings, each estimator's defaults among them, the one with the lowest CRPS on
validation rows is taken, and both are measured on the test rows. Needs a finished run,
``make rail`` and ``make peers``.
"""

import logging
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from joblib import parallel_config

from pix2z.controls.features import SOFTENING, asinh_magnitudes, dereddened
from pix2z.dataset.batches import sequential_batches
from pix2z.dataset.photometry import APERTURE_RADII_ARCSEC, aperture_photometry
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import Galaxies, open_galaxies, prediction_columns
from pix2z.errors import InputError
from pix2z.evaluation.arm_galaxies import GalaxyTerms, galaxy_terms
from pix2z.evaluation.arm_metrics import Measured, measure, with_interval
from pix2z.evaluation.pdf_metrics import crps_values
from pix2z.imaging import BANDS
from pix2z.redshift_pdf.density import median, normalise
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import Predictions
from pix2z.redshift_pdf.qp_files import read_prediction_chunks

GALAXIES, SPLIT = Path("data/galaxies.h5"), Path("data/splits/full.h5")
OWN = {
    "full": "predictions/full/pool.hdf5",
    "apertures": "predictions/apertures/pool.hdf5",
    "catalogue": "predictions/catalogue/pool.hdf5",
    "own kNN": "controls/knn.hdf5",
    "own trees": "controls/trees.hdf5",
}
"""What stands beside them, of the same run."""
AGAINST = ("full", "apertures", "catalogue")
METRICS = ("crps", "nmad", "cde_loss", "outlier_005", "coverage_95")
APERTURE_ARCSEC = 4.4
"""That of the arm ``catalogue``, which validation rows chose."""
N_BOOTSTRAP, SEED = 2000, 5005

MAGNITUDES = [f"mag_{band}" for band in BANDS]
ERRORS = [f"mag_err_{band}" for band in BANDS]
OF_THE_DATA = {
    "bands": MAGNITUDES,
    "err_bands": ERRORS,
    "ref_band": "mag_r",
    "mag_limits": dict.fromkeys(MAGNITUDES, 25.0),
    "replace_error_vals": [0.1] * len(BANDS),
    "redshift_col": "redshift",
    "hdf5_groupname": "",
    "zmin": 0.0,
    "zmax": 0.4,
    "output_mode": "return",
}
"""Options that say what the columns and the range of redshifts are; asinh magnitudes are defined
for every flux, so that no limit is ever used."""

Json = dict[str, Any]
Table = dict[str, np.ndarray]


@dataclass(frozen=True)
class Peer:
    """An estimator of RAIL: its module and name, and what is tried beside its defaults."""

    module: str
    name: str
    tried: tuple[Mapping[str, Any], ...]


# RAIL's defaults are for redshifts up to 3: kernels of 0.01 and more are wide here. Of the numbers
# of neighbours RAIL takes the best itself; "only_colors" adds the r magnitude in this version.
PEERS = {
    "RAIL kNN": Peer(
        "k_nearneigh",
        "KNearNeigh",
        tuple(
            {
                "sigma_grid_min": sigma,
                "sigma_grid_max": sigma,
                "ngrid_sigma": 1,
                "nneigh_min": 8,
                "nneigh_max": 14,
                "only_colors": with_magnitude,
            }
            for sigma in (0.006, 0.01, 0.015)
            for with_magnitude in (False, True)
        ),
    ),
    "RAIL FlexZBoost": Peer(
        "flexzboost",
        "FlexZBoost",
        tuple(
            {"regression_params": {"objective": "reg:squarederror", **params}}
            for params in (
                {"max_depth": 5, "learning_rate": 0.1},
                {"max_depth": 4, "learning_rate": 0.1, "n_estimators": 200},
            )
        ),
    ),
    "RAIL GPz": Peer("gpz", "GPz", ({"n_basis": 100},)),
}


@dataclass(frozen=True)
class Trained:
    """A peer with some settings, its model, and its mean CRPS on validation rows."""

    settings: Mapping[str, Any]
    model: Any
    validation_crps: float
    cpu_seconds: float


def bench_peers() -> Json:
    """Train, choose and measure every peer; what stands beside comes from the run's predictions."""
    try:
        import_module("rail.estimation.algos.flexzboost")
    except ImportError as error:
        raise InputError(f"peers: needs `make rail` and `make peers` ({error})") from error
    split = read_split(SPLIT)
    with open_galaxies(GALAXIES) as galaxies:
        tables = {name: photometry(galaxies, rows) for name, rows in split.parts().items()}
        known = prediction_columns(galaxies, split.test)
    own = {name: galaxy_terms(read_prediction_chunks(p)) for name, p in OWN.items()}
    grid = own["full"].grid
    measured = {name: _measured(terms) for name, terms in own.items()}
    beside = {name: measured[name] for name in AGAINST}
    methods: Json = {name: _row(one, beside) for name, one in measured.items()}
    for name, peer in PEERS.items():
        with parallel_config("threading"):  # whose CPU time is that of this process
            trained = [train(peer, settings, tables, grid) for settings in ({}, *peer.tried)]
        best = min(trained, key=lambda one: one.validation_crps)
        for label, one in (("defaults", trained[0]), (f"best of {len(trained)}", best)):
            density = estimated(peer, one, tables["test"], grid)
            terms = _terms(density, grid, known)
            methods[f"{name}, {label}"] = _facts(one) | _row(_measured(terms), beside)
            logging.info("%s, %s: %s", name, label, methods[f"{name}, {label}"])
    return {"n_train": len(split.train), "n_test": len(split.test), "methods": methods}


def photometry(galaxies: Galaxies, rows: np.ndarray) -> Table:
    """Magnitudes, their errors from the sky's noise, and redshifts of rows: column -> (n,)."""
    aperture = APERTURE_RADII_ARCSEC.index(APERTURE_ARCSEC)
    flux, error = np.empty((2, len(rows), len(BANDS)))
    start = 0
    for images, batch in sequential_batches(galaxies, rows, batch_size=128):
        part = slice(start, start := start + len(batch))
        flux[part], error[part] = (a[:, aperture] for a in aperture_photometry(images)[:2])
    magnitudes = dereddened(asinh_magnitudes(flux), galaxies.column("ebv", rows))
    softened = np.hypot(flux * 1e-9, 2 * SOFTENING)  # of the slope of asinh magnitudes
    errors = 2.5 / np.log(10) * error * 1e-9 / softened
    columns = dict(zip((*MAGNITUDES, *ERRORS), np.hstack([magnitudes, errors]).T, strict=True))
    if not all(np.isfinite(values).all() for values in columns.values()):
        raise InputError(f"{GALAXIES}: a galaxy lacks a band; expected all five")
    return columns | {"redshift": galaxies.column("specz_redshift", rows).astype(np.float64)}


def train(
    peer: Peer, settings: Mapping[str, Any], tables: Mapping[str, Table], grid: RedshiftGrid
) -> Trained:
    """Train a peer on training rows, and measure it on validation rows."""
    np.random.seed(SEED)  # noqa: NPY002  GPz draws its own validation rows from it
    begun = time.process_time()
    handle = _stage(peer, "Informer", settings).inform(_copied(tables["train"]))
    one = Trained(settings, handle, np.nan, time.process_time() - begun)
    validation = tables["validation"]
    crps = crps_values(estimated(peer, one, validation, grid), grid, validation["redshift"])
    logging.info("%s %s: validation CRPS %.5f", peer.name, settings, crps.mean())
    return Trained(settings, handle, float(crps.mean()), one.cpu_seconds)


def estimated(peer: Peer, one: Trained, table: Table, grid: RedshiftGrid) -> np.ndarray:
    """Densities (n, K): what a peer's CDFs rise by in each bin, within the range of redshifts."""
    stage = _stage(peer, "Estimator", _of_estimator(peer, one.settings), model=one.model)
    ensemble = stage.estimate(_copied(table)).data
    cdf = np.reshape(ensemble.cdf(grid.edges), (-1, grid.n_bins + 1))
    return normalise(np.maximum(np.diff(cdf, axis=1), 0), grid)


def _stage(peer: Peer, kind: str, settings: Mapping[str, Any], **connected: Any) -> Any:
    stage = getattr(import_module(f"rail.estimation.algos.{peer.module}"), f"{peer.name}{kind}")
    return stage.make_stage(
        name=f"{peer.name}{kind}", **deepcopy(OF_THE_DATA | settings), **connected
    )


def _of_estimator(peer: Peer, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Those settings that an estimator has, too."""
    stage = getattr(import_module(f"rail.estimation.algos.{peer.module}"), f"{peer.name}Estimator")
    return {key: value for key, value in settings.items() if key in stage.config_options}


def _copied(table: Table) -> Table:
    return {name: values.copy() for name, values in table.items()}


def _terms(density: np.ndarray, grid: RedshiftGrid, known: Mapping[str, Any]) -> GalaxyTerms:
    return galaxy_terms([Predictions(grid, density, z_phot=median(density, grid), **known)])


def _measured(terms: GalaxyTerms) -> Measured:
    return measure(terms, n_bootstrap=N_BOOTSTRAP, seed=SEED, only=METRICS)


def _facts(one: Trained) -> Json:
    return {
        "settings": dict(one.settings),
        "validation_crps": one.validation_crps,
        "cpu_seconds": one.cpu_seconds,
    }


def _row(one: Measured, beside: Mapping[str, Measured]) -> Json:
    """Metrics with 95 % intervals, and CRPS and NMAD over those of each arm, paired by galaxy."""
    ratios = {
        f"{metric} over {name}": with_interval(
            one.values[metric] / other.values[metric],
            one.replicates[metric] / other.replicates[metric],
        )
        for name, other in beside.items()
        for metric in ("crps", "nmad")
    }
    return one.intervals() | ratios
