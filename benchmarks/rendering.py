"""Rendering speed: the Fourier renderer against a plain GalSim loop over the same profiles.

Both render the same galaxies of the semi-real sky, drawn as the default run draws them, in five
bands on one thread.
"""

import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from pix2z.config.sky import SkyConfig
from pix2z.sky.draws import stamp_generators, stamp_uniforms
from pix2z.sky.parents import load_parents
from pix2z.sky.plan import StampPlan
from pix2z.sky.rendering import Sources, grid_side, render, render_shapes
from pix2z.sky.scene import draw_scene
from pix2z.sky.templates import load_template_grid
from tests.sky.galsim_reference import galsim_stamp

N_FOURIER, N_GALSIM = 2000, 150


def _sources(n: int) -> Sources:
    parents = load_parents(load_template_grid(), faint_limit=17.8)
    rows = np.random.default_rng(1).choice(len(parents), n, replace=False)
    plan = StampPlan(row=rows, copy=np.zeros(n, np.int64))
    uniforms = stamp_uniforms(stamp_generators(1, parents.index[rows], plan.copy))
    return draw_scene(
        parents,
        plan,
        uniforms,
        seed=1,
        max_shift=0.03,
        conditions=SkyConfig.read().conditions,
        size_depends_on_redshift=True,
    ).galaxy


def _rate(function: Callable[[Sources], object], sources: Sources, repeats: int) -> float:
    """Stamps of five bands per second, the best of `repeats`."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function(sources)
        seconds.append(time.perf_counter() - start)
    return len(sources) / min(seconds)


def _galsim_loop(sources: Sources) -> None:
    for row in range(len(sources)):
        for band in range(5):
            galsim_stamp(sources, row, band)


def bench_rendering() -> dict[str, float]:
    """Five-band stamps per second of both, and how many times faster the Fourier renderer is."""
    sources = _sources(N_FOURIER)
    with threadpool_limits(limits=1):
        fourier = _rate(render, sources, 3)
        shapes = _rate(render_shapes, sources, 2)
        galsim = _rate(_galsim_loop, sources.take(np.arange(N_GALSIM)), 2)
    sides = grid_side(sources)
    return {
        "fourier_stamps_per_second": fourier,
        "fourier_with_derivatives_stamps_per_second": shapes,
        "galsim_stamps_per_second": galsim,
        "times_faster": fourier / galsim,
        "share_on_smallest_grid": float((sides == sides.min()).mean()),
    }
