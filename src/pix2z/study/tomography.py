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
from pix2z.evaluation.bootstrap import Resamples
from pix2z.evaluation.weighted import weighted_mean
from pix2z.redshift_pdf.density import mean, std
from pix2z.redshift_pdf.predictions import Predictions

__all__ = ["tomographic_bins", "tomographic_numbers"]

Array = NDArray[np.float64]
Json = dict[str, Any]

BIASES = ("bias_mean", "bias_width")

NEED = 0.002
"""Largest bias of the mean, in 1 + z, for lensing with the first year of LSST."""


def tomographic_numbers(z_phot: Array, n_bins: int) -> NDArray[np.int64]:
    """Sort galaxies into bins of equal numbers by rank: the number (n,) of each galaxy's bin.

    Galaxies of one z_phot are ranked as they come, so that no bin is empty however many are tied.
    """
    rank = np.argsort(np.argsort(z_phot, kind="stable"))
    return rank * n_bins // len(z_phot)


def tomographic_bins(predictions: Predictions, *, n_bins: int, resamples: Resamples) -> list[Json]:
    """Compare the stack with the spectroscopic redshifts in bins of the estimator's own z_phot.

    Parameters
    ----------
    n_bins : at most as many as galaxies.
    resamples : of the galaxies' groups; every galaxy stays in its bin.

    Returns
    -------
    For each bin: ``n``, ``z_phot_low`` and ``z_phot_high`` of its galaxies, ``z_mean`` (mean
    z_spec), ``need`` (the largest bias of the mean that lensing allows), ``bias_mean`` and
    ``bias_width`` (mean and standard deviation of the stack less those of z_spec) with 95 %
    intervals, ``stack`` and ``spectroscopic`` (density per unit redshift in each bin of the grid).
    """
    grid, z_phot = predictions.grid, predictions.z_phot
    pdf_mean, pdf_sd = mean(predictions.density, grid), std(predictions.density, grid)
    moments = np.stack(
        [pdf_mean, pdf_mean**2 + pdf_sd**2, predictions.z_spec, predictions.z_spec**2], axis=1
    )
    number = tomographic_numbers(z_phot, n_bins)
    masks = [number == index for index in range(n_bins)]

    def biases(weights: Array) -> Array:
        return np.stack([_biases(moments[m], weights[:, m]) for m in masks], axis=1)

    values, replicates = biases(np.ones((1, len(z_phot))))[0], resamples.replicates(biases)
    bins = []
    for index, inside in enumerate(masks):
        z_spec = predictions.z_spec[inside]
        drawn = zip(BIASES, values[index], replicates[:, index].T, strict=True)
        counts = np.histogram(z_spec, grid.edges)[0]
        bins.append(
            {
                "n": len(z_spec),
                "z_phot_low": float(z_phot[inside].min()),
                "z_phot_high": float(z_phot[inside].max()),
                "z_mean": float(z_spec.mean()),
                "need": NEED * (1 + float(z_spec.mean())),
                **{name: with_interval(float(value), of) for name, value, of in drawn},
                "stack": predictions.density[inside].mean(axis=0, dtype=np.float64).tolist(),
                "spectroscopic": (counts / (len(z_spec) * grid.width)).tolist(),
            }
        )
    return bins


def _biases(moments: Array, weights: Array) -> Array:
    """`BIASES` of the stack (B, 2) under each set of weights (B, n); moments (n, 4)."""
    stack_mean, stack_square, mean_z, square_z = weighted_mean(moments, weights).T
    stack_sd = np.sqrt(stack_square - stack_mean**2)
    spectroscopic_sd = np.sqrt(np.maximum(square_z - mean_z**2, 0.0))
    return np.stack([stack_mean - mean_z, stack_sd - spectroscopic_sd], axis=1)
