"""Stacked n(z) in tomographic bins, and how far its mean and its width are off.

A survey that measures lensing or clustering sorts galaxies into bins of photometric redshift and
needs the redshift distribution of each. The simplest estimate is the stack, the mean of the PDFs
of a bin. Its mean must be right to 0.002 (1 + z) for lensing with one year of LSST, to 0.001
(1 + z) with ten (LSST DESC Science Requirements Document, arXiv:1809.01669).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.arm_metrics import with_interval
from pix2z.evaluation.weighted import weighted_mean
from pix2z.redshift_pdf.density import mean, std
from pix2z.redshift_pdf.predictions import Predictions

__all__ = ["tomographic_bins", "tomographic_edges"]

Array = NDArray[np.float64]
Json = dict[str, Any]


def tomographic_edges(z_phot: Array, n_bins: int) -> Array:
    """Edges (L + 1,) of bins that hold equal numbers of galaxies; the outer ones are infinite."""
    inner = np.quantile(z_phot, np.arange(1, n_bins) / n_bins)
    return np.concatenate([[-np.inf], inner, [np.inf]])


def tomographic_bins(predictions: Predictions, *, n_bins: int, weights: Array) -> list[Json]:
    """Compare the stack with the spectroscopic redshifts in bins of the estimator's own z_phot.

    Parameters
    ----------
    weights : (B, n) of resamples; the edges stay those of the whole sample.

    Returns
    -------
    For each bin: ``n``, ``z_phot_low`` and ``z_phot_high`` of its galaxies, ``z_mean`` (mean
    z_spec), ``bias_mean`` and ``bias_width`` (mean and standard deviation of the stack less those
    of z_spec) with 95 % intervals, ``stack`` and ``spectroscopic`` (density per unit redshift in
    each bin of the grid).
    """
    grid, z_phot = predictions.grid, predictions.z_phot
    pdf_mean, pdf_sd = mean(predictions.density, grid), std(predictions.density, grid)
    moments = np.stack(
        [pdf_mean, pdf_mean**2 + pdf_sd**2, predictions.z_spec, predictions.z_spec**2], axis=1
    )
    number = np.digitize(z_phot, tomographic_edges(z_phot, n_bins)[1:-1])
    bins = []
    for inside in (number == index for index in range(n_bins)):
        z_spec = predictions.z_spec[inside]
        value = _biases(moments[inside], np.ones((1, len(z_spec))))
        drawn = _biases(moments[inside], weights[:, inside])
        counts = np.histogram(z_spec, grid.edges)[0]
        bins.append(
            {
                "n": len(z_spec),
                "z_phot_low": float(z_phot[inside].min()),
                "z_phot_high": float(z_phot[inside].max()),
                "z_mean": float(z_spec.mean()),
                **{name: with_interval(float(value[name][0]), drawn[name]) for name in value},
                "stack": predictions.density[inside].mean(axis=0, dtype=np.float64).tolist(),
                "spectroscopic": (counts / (len(z_spec) * grid.width)).tolist(),
            }
        )
    return bins


def _biases(moments: Array, weights: Array) -> dict[str, Array]:
    """Biases of the stack under each set of weights (B, n), (B,) each; moments (n, 4)."""
    stack_mean, stack_square, mean_z, square_z = weighted_mean(moments, weights).T
    stack_sd = np.sqrt(stack_square - stack_mean**2)
    spectroscopic_sd = np.sqrt(np.maximum(square_z - mean_z**2, 0.0))
    return {"bias_mean": stack_mean - mean_z, "bias_width": stack_sd - spectroscopic_sd}
