"""What a perfect catalogue of the rendered sky would hold: the parameters that were drawn.

A network that reads them shows what one such network makes of all that an image could tell: another
one may make more of it, so this is no bound.
"""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pix2z.controls.features import asinh_magnitudes, dereddened
from pix2z.errors import InputError, IntegrityError
from pix2z.files import files_of, total_digest
from pix2z.sky.fisher import PARAMETERS

__all__ = ["parameter_features", "perturbed", "read_parameters"]

Array = NDArray[np.floating]

KNOWN = ("psf_fwhm", "ebv")
"""Observing conditions, known to anybody."""

MEASURABLE = ("flux", "bulge_fraction", "disc_half_light_radius", "disc_axis_ratio")
"""Parameters with a Fisher-matrix error, in `COVARIANCE`."""

COVARIANCE = "sigma_cholesky"
"""(N, 8, 8) lower Cholesky factor of the covariance of `fisher.PARAMETERS`."""

HIDDEN = ("bulge_half_light_radius", "bulge_axis_ratio")
"""Parameters without one; only the noise-free control reads them."""


def read_parameters(
    raw_path: str | Path, row_origin: NDArray[np.int64], *, sha256: str
) -> dict[str, Array]:
    """Drawn parameters and their covariance at the given rows of the raw files, name -> (n, ...).

    Nothing where a file does not say what was rendered, as one of real images.

    Raises
    ------
    IntegrityError
        The file's digest is not `sha256`: it is not the one whose rows were numbered.
    InputError
        A parameter is missing, or the covariance is of others or in another order.
    """
    files = files_of(raw_path)
    if total_digest(files) != sha256:
        raise IntegrityError(f"{raw_path}: changed since ingest; expected sha256 {sha256}")
    drawn = [_read_truth(file) for file in files]
    if not all(drawn):
        return {}
    return {
        name: np.concatenate([one[name] for one in drawn])[row_origin].astype(np.float64)
        for name in drawn[0]
    }


def _read_truth(path: Path) -> dict[str, NDArray[np.generic]]:
    """Every parameter of one file, nothing where it has none."""
    names = (*KNOWN, *MEASURABLE, *HIDDEN, COVARIANCE)
    if not h5py.is_hdf5(path):
        return {}
    with h5py.File(path, "r") as file:
        if "truth" not in file:
            return {}
        truth = file["truth"]
        missing = [name for name in names if name not in truth]
        if missing:
            raise InputError(f"{path}: key 'truth/{missing[0]}' is missing")
        order = tuple(truth[COVARIANCE].attrs.get("parameters", ()))
        if order != PARAMETERS:
            raise InputError(
                f"{path}: expected truth/{COVARIANCE} of {', '.join(PARAMETERS)}; "
                f"received {', '.join(map(str, order)) or 'no order'}"
            )
        return {name: truth[name][...] for name in names}


def perturbed(parameters: Mapping[str, Array], *, seed: int) -> dict[str, Array]:
    """Parameters as well as they can be measured on the noisy stamps (Cramer-Rao bound).

    The errors of a stamp are drawn jointly from its Fisher-matrix covariance: fluxes share the
    errors of the common shape, which cancel in part in colours. Parameters without an error are
    left out: they would tell the noise-free value of those that have one. Values beyond the
    physical range are brought to its edge; one without a finite error is unknown, NaN.
    """
    errors = _joint_errors(parameters[COVARIANCE], seed=seed)
    radius, axis_ratio, bulge_fraction = errors[:, 5:].T  # in the order of PARAMETERS
    return {name: parameters[name] for name in KNOWN} | {
        "flux": parameters["flux"] + errors[:, :5],
        "bulge_fraction": np.clip(parameters["bulge_fraction"] + bulge_fraction[:, None], 0.0, 1.0),
        "disc_half_light_radius": np.maximum(parameters["disc_half_light_radius"] + radius, 0.05),
        "disc_axis_ratio": np.clip(parameters["disc_axis_ratio"] + axis_ratio, 0.05, 1.0),
    }


def _joint_errors(factor: Array, *, seed: int) -> Array:
    """One draw (n, 8) from each covariance L L^T, given L (n, 8, 8); NaN where L is not finite."""
    deviates = np.random.default_rng(seed).standard_normal(factor.shape[:2])
    known: NDArray[np.bool_] = np.all(np.isfinite(factor), axis=2)
    drawn = np.einsum("nij,nj->ni", np.where(known[:, :, None], factor, 0.0), deviates)
    return np.where(known, drawn, np.nan)


def parameter_features(parameters: Mapping[str, Array]) -> Array:
    """Features (n, F): dereddened colours and r magnitude, log radii, shapes, PSF and E(B-V).

    Colours and magnitude come first, as in `photometric_features`.
    """
    magnitudes = dereddened(asinh_magnitudes(parameters["flux"]), parameters["ebv"])
    columns = [-np.diff(magnitudes, axis=1), magnitudes[:, 2], parameters["bulge_fraction"]]
    for name in ("disc_half_light_radius", "bulge_half_light_radius"):
        if name in parameters:
            columns.append(np.log10(np.maximum(parameters[name], 0.01)))
    columns += [parameters[n] for n in ("disc_axis_ratio", "bulge_axis_ratio") if n in parameters]
    columns += [parameters["psf_fwhm"], parameters["ebv"]]
    flat = [column.reshape(len(magnitudes), -1) for column in columns]
    features = np.concatenate(flat, axis=1)
    return np.where(np.isfinite(features), features, np.nan)
