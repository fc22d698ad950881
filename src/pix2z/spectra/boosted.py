"""Redshift from a spectrum by gradient-boosted trees (XGBoost), as the published system does it."""

from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from pix2z.config.spectrum import BoostingConfig

__all__ = ["fit_boosted"]

Array = NDArray[np.floating]


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
        n_jobs=2,
    )
    shown: list[Any] = [validation]
    trees.fit(*train, eval_set=shown, verbose=False)
    return trees
