"""The training of one network of an arm, from its seed to its saved files."""

import gc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from pix2z.config.networks import HybridConfig, PublishedCnnConfig
from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.files import write_json
from pix2z.network.checkpoint import fit_on_record, history_columns
from pix2z.network.estimator import Member, fresh_model, save_member
from pix2z.network.recipes import (
    Recipe,
    feature_moments,
    hybrid_recipe,
    output_batches,
    published_recipe,
    softmax_density,
)
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import fit_calibration

if TYPE_CHECKING:
    from pix2z.network.arm import Curve

__all__ = ["train_member"]


def train_member(
    galaxies: Galaxies,
    split: Split,
    *,
    architecture: str,
    settings: HybridConfig | PublishedCnnConfig,
    grid: RedshiftGrid,
    seed: int,
    calibration_rows: NDArray[np.int64],
    folder: Path,
    checkpoint: Path,
    record: Mapping[str, Any],
    curve: Callable[[int], "Curve"],
) -> NDArray[Any]:
    """Train, calibrate and save one network; see `arm.train_arm`.

    Returns
    -------
    Its raw outputs for `calibration_rows`: uncalibrated densities (n, K), or redshifts (n,) of a
    network that gives no more.
    """
    recipe, rebuild = _recipe(galaxies, split, settings=settings, grid=grid, seed=seed)
    state = fit_on_record(
        recipe, checkpoint=checkpoint, curve=curve(seed), what=f"{record['arm']} seed {seed}"
    )
    model = fresh_model(architecture, rebuild, grid=grid)
    model.set_weights(recipe.model.get_weights())
    outputs = _outputs(model, galaxies, calibration_rows, grid)
    z_spec = galaxies.column("specz_redshift", calibration_rows).astype(np.float64)
    n_phot_bins = None if isinstance(settings, HybridConfig) else settings.n_phot_bins
    member = Member(
        architecture=architecture,
        model=model,
        grid=grid,
        settings=rebuild,
        record=dict(record),
        calibration=fit_calibration(outputs, z_spec, grid=grid, n_phot_bins=n_phot_bins),
    )
    save_member(folder, member)
    write_json(folder / "history.json", history_columns(state, n_train=len(split.train)))
    del recipe, member, model
    gc.collect()  # a Keras model is in reference cycles, and would wait for the next one
    return outputs


def _recipe(
    galaxies: Galaxies,
    split: Split,
    *,
    settings: HybridConfig | PublishedCnnConfig,
    grid: RedshiftGrid,
    seed: int,
) -> tuple[Recipe, dict[str, Any]]:
    """How the network is trained, and the settings that rebuild it."""
    if isinstance(settings, HybridConfig):
        moments = feature_moments(galaxies, split.train)
        recipe = hybrid_recipe(
            galaxies, split, grid=grid, settings=settings, moments=moments, seed=seed
        )
        return recipe, settings.model_dump(mode="json")
    recipe, (z_low, z_high) = published_recipe(galaxies, split, settings=settings, seed=seed)
    return recipe, {"z_low": z_low, "z_high": z_high, "precision": settings.precision}


def _outputs(
    model: keras.Model, galaxies: Galaxies, rows: NDArray[np.int64], grid: RedshiftGrid
) -> NDArray[np.float64]:
    """Raw outputs of the rows: PDFs (n, K) of a network that gives logits, else redshifts (n,)."""
    pdfs = len(model.output.shape) == 2
    outputs = np.empty((len(rows), grid.n_bins) if pdfs else len(rows))
    filled = 0
    for batch, batch_rows in output_batches(model, galaxies, rows):
        part = slice(filled, filled + len(batch_rows))
        outputs[part] = softmax_density(batch, grid) if pdfs else batch
        filled += len(batch_rows)
    return outputs
