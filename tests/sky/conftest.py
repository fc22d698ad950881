"""Shared: the real parents and a block of drawn scenes, made once."""

from dataclasses import replace

import numpy as np
import pytest

from pix2z.config.sky import SkyConfig
from pix2z.sky.draws import stamp_generators, stamp_uniforms
from pix2z.sky.parents import load_parents
from pix2z.sky.plan import plan_stamps
from pix2z.sky.rendering import grid_side
from pix2z.sky.scene import draw_scene
from pix2z.sky.templates import load_template_grid

FRACTIONS = {"train": 0.55, "validation": 0.12, "calibration": 0.13, "test": 0.20}


@pytest.fixture(scope="session")
def grid():
    return load_template_grid()


@pytest.fixture(scope="session")
def parents(grid):
    return load_parents(grid, faint_limit=17.8)


@pytest.fixture(scope="session")
def plan(parents):
    return plan_stamps(
        parents.index,
        n_parents=4000,
        n_stamps=6000,
        seed=1,
        split_seed=2,
        fractions=FRACTIONS,
    )


@pytest.fixture(scope="session")
def conditions():
    return SkyConfig.read().conditions


@pytest.fixture(scope="session")
def scene(parents, plan, conditions):
    """6,000 stamps drawn, none rendered."""
    uniforms = stamp_uniforms(stamp_generators(1, parents.index[plan.row], plan.copy))
    return draw_scene(
        parents,
        plan,
        uniforms,
        seed=1,
        max_shift=0.03,
        conditions=conditions,
        size_depends_on_redshift=True,
    )


@pytest.fixture(scope="session")
def steady_rows(scene):
    """40 rows whose grid stays the same when parameters change a little: finite differences."""
    galaxy = scene.galaxy
    larger = replace(
        galaxy,
        disc_half_light_radius=1.05 * galaxy.disc_half_light_radius,
        disc_axis_ratio=galaxy.disc_axis_ratio + 0.03,
        bulge_fraction=galaxy.bulge_fraction + 0.03,
    )
    smaller = replace(galaxy, disc_half_light_radius=0.95 * galaxy.disc_half_light_radius)
    return np.flatnonzero(grid_side(larger) == grid_side(smaller))[:40]


@pytest.fixture(scope="session")
def sample_rows(scene):
    """Some 200 rows: the 15 largest discs and bulges, and every 35th of all."""
    galaxy = scene.galaxy
    discs = np.argsort(galaxy.disc_half_light_radius)[-15:]
    bulges = np.argsort(galaxy.bulge_half_light_radius)[-15:]
    return np.unique(np.concatenate([discs, bulges, np.arange(0, len(galaxy), 35)]))
