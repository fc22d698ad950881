"""The paired difference of one metric between two arms, with what galaxies and trainings do to it.

Both arms are measured on the same galaxies, so what they share cancels: the chance of galaxies is
that of the difference of each galaxy, not of two means.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.arm_galaxies import GalaxyTerms
from pix2z.evaluation.arm_metrics import Measured, with_limits
from pix2z.evaluation.bootstrap import (
    Student,
    chance_of_groups,
    chance_of_resamples,
    chance_of_seeds,
    student,
)
from pix2z.evaluation.pdf_metrics import pdf_mean_terms
from pix2z.evaluation.point_metrics import point_mean_terms

__all__ = ["Judged", "difference", "interval_of", "of_pool"]

Array = NDArray[np.float64]
Group = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Judged:
    """One metric of one arm on n galaxies.

    Attributes
    ----------
    terms : (n,) what each galaxy adds to a metric that is a mean; None for others.
    replicates : (B,) the metric on resamples, needed without terms.
    seeds : the metric of each training.
    """

    value: float
    terms: Array | None = None
    replicates: Array | None = None
    seeds: Sequence[float] = ()


def of_pool(
    galaxies: GalaxyTerms, measured: Measured, metric: str, *, seeds: Sequence[float] = ()
) -> Judged:
    """Judge an arm by its pool: one metric of what was `measured` on the `galaxies`."""
    terms = point_mean_terms(galaxies.z_phot, galaxies.z_spec)
    terms |= pdf_mean_terms(galaxies.crps, galaxies.cde, galaxies.pit)
    return Judged(measured.values[metric], terms.get(metric), measured.replicates[metric], seeds)


def difference(a: Judged, b: Judged, group_id: Group, *, scale: float = 1.0) -> Student:
    """Return a minus `scale` times b, with its interval and p-value.

    Of a mean over galaxies, the chance of galaxies is exact; of other metrics it is that of the
    resamples.
    """
    if a.terms is not None and b.terms is not None:
        galaxies = chance_of_groups(a.terms - scale * b.terms, group_id)
    else:
        drawn = np.asarray(a.replicates) - scale * np.asarray(b.replicates)
        galaxies = chance_of_resamples(drawn, group_id)
    seeds = [chance_of_seeds(a.seeds), chance_of_seeds([scale * value for value in b.seeds])]
    return student(a.value - scale * b.value, [galaxies, *seeds])


def interval_of(found: Student) -> dict[str, Any]:
    """``{"difference": ..., "low": ..., "high": ...}``, None where undefined."""
    return with_limits(*found[:3], name="difference")
