"""The published experiment's own reading of the same predictions, and why it misleads.

There, redshifts were min-max scaled over each arm's own rows and errors were quoted in that scale
on each arm's own test set. Here the same numbers are worked out beside those in redshift units.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pix2z.dataset.splits import Split
from pix2z.evaluation.arm_galaxies import ArmGalaxies, GalaxyTerms, select_terms, subset_masks
from pix2z.evaluation.arm_metrics import measure

__all__ = ["published_view"]

Array = NDArray[np.float64]
Json = dict[str, Any]

PUBLISHED_METRICS = {
    "mae": "mae",
    "rmse": "rmse",
    "r2": "r2",
    "adjusted_r2": "adjusted_r2",
    "bias": "seed_bias",
    "precision": "seed_precision",
    "outlier_005": "seed_outlier_005",
    "outlier_010": "seed_outlier_010",
    "outlier_015": "seed_outlier_015",
}
"""The experiment's name of a metric -> ours; all of dz, without division by 1 + z."""

PUBLISHED: dict[str, dict[str, float]] = {
    "full": {
        "mae": 0.0304,
        "rmse": 0.0412,
        "r2": 0.9041,
        "bias": 0.00029,
        "precision": 0.0269,
        "outlier_005": 0.1086,
        "outlier_010": 0.0091,
        "outlier_015": 0.0012,
    },
    "clipped": {
        "mae": 0.0556,
        "rmse": 0.0751,
        "r2": 0.8825,
        "bias": -0.00067,
        "precision": 0.0427,
        "outlier_005": 0.2732,
        "outlier_010": 0.0590,
        "outlier_015": 0.0128,
    },
}
"""The published table (real images of 399,982 and 384,711 galaxies), for reference only."""

NOTE = (
    "This is how the published experiment read its numbers. Each arm's redshifts are scaled to 0 to"
    " 1 over that arm's own range. Errors are quoted in that scale, on that arm's own test"
    " galaxies. The clipped arm's range is shorter, so that the same error in redshift becomes a"
    " larger number there. Its test set lacks the high redshifts, and R² falls because the spread"
    " that it divides by was cut. None of this says that the clipped network is worse. Multiplied"
    " by its range, each error is a redshift again. Then the two arms can be compared, on the same"
    " galaxies."
)


def published_view(
    arms: Mapping[str, ArmGalaxies],
    *,
    full: Split,
    clipped: Split,
    z_spec: NDArray[np.floating],
    n_bootstrap: int,
    seed: int,
) -> Json:
    """Read the published network's arms as the experiment did, and on the same galaxies.

    Parameters
    ----------
    arms : of these `published_full` and `published_clipped` are read; one that is absent is None.
    full, clipped : the splits that these arms were trained on.
    z_spec : every row of galaxies.h5.
    n_bootstrap, seed : of the resamples behind the intervals.
    """
    test_z = z_spec[full.test].astype(np.float64)
    inside = subset_masks(test_z, full.clip_window)["inside"]
    view: Json = {}
    for split, own_test in ((full, np.ones(len(test_z), bool)), (clipped, inside)):
        arm = arms.get(f"published_{split.selection}")
        # The experiment fitted its scaler before splitting: own test galaxies are among the rows.
        rows = (split.train, split.validation, split.calibration, split.test[own_test])
        view[split.selection] = arm and {
            **_own_reading(
                arm.pool,
                own_test=own_test,
                inside=inside,
                z_rows=z_spec[np.concatenate(rows)].astype(np.float64),
                resampling={"n_bootstrap": n_bootstrap, "seed": seed},
            ),
            "published": dict(PUBLISHED[split.selection]),
        }
    return {**view, "note": NOTE}


def _own_reading(
    pool: GalaxyTerms,
    *,
    own_test: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    z_rows: Array,
    resampling: Json,
) -> Json:
    """Read one arm's point estimates in its own scale, in redshift, and inside the clip window.

    Parameters
    ----------
    own_test, inside : (n,) masks of those in the arm's own selection, and in the clip window.
    z_rows : (m,) true redshifts of all of the arm's rows.
    """
    low, high = float(z_rows.min()), float(z_rows.max())
    own = select_terms(pool, own_test)
    scaled = {name: (getattr(own, name) - low) / (high - low) for name in ("z_phot", "z_spec")}
    readings = {
        "normalised": replace(own, **scaled),
        "redshift": own,
        "redshift_inside": select_terms(pool, inside),
    }
    view: Json = {"z_low": low, "z_high": high, "n_own_test": int(own_test.sum()), "intervals": {}}
    for reading, terms in readings.items():
        measured = measure(terms, **resampling, only=PUBLISHED_METRICS.values()).intervals()
        entries = {name: measured[key] for name, key in PUBLISHED_METRICS.items()}
        view[reading] = {name: entry.pop("value") for name, entry in entries.items()}
        view["intervals"][reading] = entries
    return view
