"""What the predictions of a finished run answer, without another training: quick."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.errors import InputError
from pix2z.evaluation.bootstrap import Resamples
from pix2z.evaluation.pit_uniformity import pit_uniformity
from pix2z.redshift_pdf.density import cdf_at
from pix2z.redshift_pdf.predictions import Predictions
from pix2z.redshift_pdf.qp_files import read_prediction_chunks
from pix2z.study.attenuation import attenuation, slope_difference
from pix2z.study.tomography import tomographic_bins

__all__ = ["answers_of_predictions", "read_estimators"]

Json = dict[str, Any]

ESTIMATORS = ("full", "apertures", "catalogue", "published_full", "trees")
"""Arms and controls that are asked, where a run has them."""


def read_estimators(run: Path, test: NDArray[np.int64]) -> dict[str, Predictions]:
    """Read the PDFs of the test galaxies from every estimator in the folder of a finished run.

    Raises
    ------
    InputError
        An estimator has other galaxies than the test rows, or there is none.
    """
    found = {}
    for name in ESTIMATORS:
        paths = (run / "predictions" / name / "pool.hdf5", run / "controls" / f"{name}.hdf5")
        for path in (path for path in paths if path.exists()):
            (found[name],) = read_prediction_chunks(path, chunk_rows=len(test) + 1)
            if not np.array_equal(found[name].row, test):
                raise InputError(
                    f"{path}: expected the {len(test)} test rows of the split, in order"
                )
    if "full" not in found:
        raise InputError(f"{run}: expected predictions of the arm full; run `dvc repro` first")
    return found


def answers_of_predictions(
    estimators: Mapping[str, Predictions],
    *,
    cells: NDArray[np.int64],
    n_tomographic_bins: int,
    resamples: Resamples,
) -> Json:
    """Measure PIT distances, tomographic n(z) and attenuation of every estimator.

    Parameters
    ----------
    cells : (n,) colour cell of each test galaxy; where all are -1, attenuation stays empty.
    resamples : of their groups.
    """
    z_spec, full = estimators["full"].z_spec, estimators["full"].z_phot
    answers: Json = {"pit": {}, "tomography": {}, "attenuation": {}, "attenuation_of_full_less": {}}
    for name, predictions in estimators.items():
        pit = cdf_at(predictions.density, predictions.grid, z_spec)
        answers["pit"][name] = pit_uniformity(pit, resamples)
        bins = tomographic_bins(predictions, n_bins=n_tomographic_bins, resamples=resamples)
        answers["tomography"][name] = bins
        if not (cells >= 0).any():
            continue
        answers["attenuation"][name] = attenuation(predictions.z_phot, z_spec, cells, resamples)
        if name != "full":
            pair = (full, predictions.z_phot)
            difference = slope_difference(pair, z_spec, cells, resamples)
            answers["attenuation_of_full_less"][name] = difference
    return answers
