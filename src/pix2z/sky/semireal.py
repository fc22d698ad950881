"""Real galaxies, rendered images -> raw HDF5: the semi-real sky.

Stamps are drawn, rendered and written in blocks, so memory does not grow with their number, and
each stamp has a random stream of its own, so none changes when others are added.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pix2z.config.sky import Conditions
from pix2z.files import atomic_path
from pix2z.imaging import BANDS, PIXEL_SCALE, STAMP_SIDE
from pix2z.sky.draws import pixel_noise, stamp_generators, stamp_uniforms
from pix2z.sky.fisher import PARAMETERS, fisher_cholesky, marginal_sigma
from pix2z.sky.observing import frame_edge_mask, pixel_variance
from pix2z.sky.parents import PARENTS_SHA256, Parents, load_parents
from pix2z.sky.plan import StampPlan, plan_stamps
from pix2z.sky.rendering import render, render_shapes
from pix2z.sky.scene import EDGE_SHARE, Scene, draw_scene
from pix2z.sky.templates import load_template_grid
from pix2z.sky.undetected import render_undetected

__all__ = ["SOURCE", "add_surroundings", "render_block", "write_semireal"]

logger = logging.getLogger(__name__)

SOURCE = (
    "semi-real: redshifts, ugriz fluxes, positions and E(B-V) of 10,000 real SDSS galaxies "
    "(kcorrect gst_tests_small) with the spectra fitted to them; images, shapes, PSF, noise, "
    "neighbours and moved redshifts are rendered"
)

_BLOCK = 128
_THREADS = 2
_REDSHIFT_ERROR = 1e-4
"""Typical error of an SDSS galaxy redshift (30 km/s); the catalogue lists none."""

Arrays = dict[str, NDArray[Any]]


def write_semireal(
    path: Path,
    *,
    seed: int,
    n_parents: int,
    n_stamps: int,
    max_shift: float,
    faint_limit: float,
    conditions: Conditions,
    size_depends_on_redshift: bool,
    split_seed: int,
    fractions: Mapping[str, float],
) -> None:
    """Render the semi-real sky into `path` (layout sdss32, NERSC keys, group `truth`)."""
    parents = load_parents(load_template_grid(), faint_limit=faint_limit)
    logger.info("%d parents; left out: %s", len(parents), parents.cuts)
    plan = plan_stamps(
        parents.index,
        n_parents=n_parents,
        n_stamps=n_stamps,
        seed=seed,
        split_seed=split_seed,
        fractions=fractions,
    )
    draw_and_render = partial(
        render_block,
        parents,
        seed=seed,
        max_shift=max_shift,
        conditions=conditions,
        size_depends_on_redshift=size_depends_on_redshift,
    )
    with atomic_path(path) as unfinished, h5py.File(unfinished, "w") as file:
        file.attrs.update(
            source=SOURCE,
            parent_sha256=PARENTS_SHA256,
            seed=seed,
            unit="nanomaggies",
            bands=BANDS,
            pixel_scale=PIXEL_SCALE,
        )
        _write_blocks(file, _in_order(draw_and_render, _blocks(plan)), n_stamps=len(plan))
        file["truth/sigma_cholesky"].attrs["parameters"] = PARAMETERS


def _blocks(plan: StampPlan) -> Iterator[StampPlan]:
    for start in range(0, len(plan), _BLOCK):
        rows = slice(start, start + _BLOCK)
        yield StampPlan(row=plan.row[rows], copy=plan.copy[rows])


def _in_order(
    render: Callable[[StampPlan], Arrays], parts: Iterable[StampPlan]
) -> Iterator[Arrays]:
    """Render blocks on two threads, yielding them in order and never holding more than four.

    The matrix products are small: BLAS threads of their own would only wait for each other.
    """
    pending: deque[Future[Arrays]] = deque()
    with threadpool_limits(limits=1), ThreadPoolExecutor(_THREADS) as pool:
        for part in parts:
            pending.append(pool.submit(render, part))
            if len(pending) > 2 * _THREADS:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def render_block(
    parents: Parents,
    plan: StampPlan,
    *,
    seed: int,
    max_shift: float,
    conditions: Conditions,
    size_depends_on_redshift: bool,
) -> Arrays:
    """Stamps, catalogue columns and truth of a block, by their names in the raw file."""
    generators = stamp_generators(seed, parents.index[plan.row], plan.copy)
    uniforms = stamp_uniforms(generators)
    scene = draw_scene(
        parents,
        plan,
        uniforms,
        seed=seed,
        max_shift=max_shift,
        conditions=conditions,
        size_depends_on_redshift=size_depends_on_redshift,
    )
    cut = uniforms["edge"] < EDGE_SHARE
    masked = cut[:, None, None, None] & frame_edge_mask(
        STAMP_SIDE, uniforms["edge_side"], uniforms["edge_depth"], uniforms["edge_shift"]
    )
    images, factor = _observe(scene, generators, masked)
    sigma = marginal_sigma(factor)
    truth = _truth(parents, plan, scene, cut) | {
        "sigma_cholesky": factor.astype(np.float32),
        "sigma_flux": sigma[:, :5],
        **{f"sigma_{name}": sigma[:, 5 + i] for i, name in enumerate(PARAMETERS[5:])},
    }
    named = {f"truth/{name}": values for name, values in truth.items()}
    return {"images": images} | _catalogue(parents, plan, scene) | named


def _observe(
    scene: Scene, generators: list[np.random.Generator], masked: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Noisy stamps (N, 5, side, side) with masked pixels as NaN; `fisher_cholesky` (N, 8, 8)."""
    galaxy = scene.galaxy
    shapes = render_shapes(galaxy)
    bulge = galaxy.bulge_fraction.astype(np.float32)[..., None, None]
    stamps = (1 - bulge) * shapes[:, :, 0]
    stamps += bulge * shapes[:, :, 1]
    stamps *= galaxy.flux.astype(np.float32)[..., None, None]
    add_surroundings(stamps, scene)
    variance = pixel_variance(stamps, scene.sky_sigma)
    variance[masked] = np.nan
    noise = pixel_noise(generators, stamps.shape[1:])
    noise *= np.sqrt(variance)
    stamps += noise
    stamps += scene.sky_offset.astype(np.float32)[..., None, None]
    factor = fisher_cholesky(
        shapes,
        flux=galaxy.flux,
        bulge_fraction=galaxy.bulge_fraction,
        disc_half_light_radius=galaxy.disc_half_light_radius,
        variance=variance,
    )
    return stamps, factor


def add_surroundings(stamps: NDArray[np.float32], scene: Scene) -> None:
    """Add to stamps (N, 5, side, side) the light of all that lies in them beside their galaxies."""
    for owner, light in (
        (scene.neighbour_stamp, render(scene.neighbour)),
        (scene.undetected.stamp, render_undetected(scene.undetected)),
    ):
        # One by one: np.add.at takes fifteen times as long.
        for stamp, source in zip(owner, light, strict=True):
            stamps[stamp] += source


def _catalogue(parents: Parents, plan: StampPlan, scene: Scene) -> Arrays:
    object_id = 10 * parents.index[plan.row] + plan.copy
    return {
        "ObjID": object_id,
        "specObjID": object_id,
        "ra": parents.ra[plan.row],
        "dec": parents.dec[plan.row],
        "e_bv": scene.ebv.astype(np.float32),
        "specz_redshift": scene.z.astype(np.float32),
        "specz_redshift_err": np.full(len(plan), _REDSHIFT_ERROR, np.float32),
    }


def _truth(parents: Parents, plan: StampPlan, scene: Scene, cut: NDArray[np.bool_]) -> Arrays:
    """Return what was drawn of each stamp, and the source that was rendered."""
    n_neighbours, n_undetected = (
        np.bincount(stamp, minlength=len(plan))
        for stamp in (scene.neighbour_stamp, scene.undetected.stamp)
    )
    return {
        "parent": parents.index[plan.row],
        "moved": (plan.copy > 0).astype(np.uint8),
        "z": scene.z,
        "sky_sigma": scene.sky_sigma,
        "sky_offset": scene.sky_offset,
        "calibration": scene.calibration,
        "template_scatter": scene.template_scatter,
        "bulge_template_share": scene.bulge_template_share,
        "ebv": scene.ebv,
        "n_neighbours": n_neighbours.astype(np.uint8),
        "n_undetected": n_undetected.astype(np.uint8),
        "edge": cut.astype(np.uint8),
        "template_coefficients": parents.coefficients[plan.row],
        **vars(scene.galaxy),
    }


def _write_blocks(file: h5py.File, blocks: Iterator[Arrays], *, n_stamps: int) -> None:
    started, done = time.monotonic(), 0
    for block in blocks:
        for name, value in block.items():
            if name not in file:
                shape = (n_stamps, *value.shape[1:])
                chunks = (64, *value.shape[1:]) if name == "images" else None
                file.create_dataset(name, shape, value.dtype, chunks=chunks)
            file[name][done : done + len(value)] = value
        before, done = done, done + len(block["images"])
        if done * 4 // n_stamps > before * 4 // n_stamps:
            left = (time.monotonic() - started) * (n_stamps - done) / done
            logger.info("%d of %d stamps rendered, %.0f s left", done, n_stamps, left)
