from dataclasses import replace

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from pix2z.errors import InputError
from pix2z.partition import PARTS, partition
from pix2z.sky.plan import flux_at, moved_redshift, plan_stamps

FRACTIONS = {"train": 0.55, "validation": 0.12, "calibration": 0.13, "test": 0.20}


@pytest.fixture
def make_plan(parents):
    def make(n_parents, n_stamps):
        return plan_stamps(
            parents.index,
            n_parents=n_parents,
            n_stamps=n_stamps,
            seed=1,
            split_seed=2,
            fractions=FRACTIONS,
        )

    return make


def test_only_training_parents_are_moved(make_plan, parents):
    plan = make_plan(1000, 2500)
    moved = parents.index[plan.row[plan.copy > 0]]
    assert len(moved) == 1500
    part = partition(moved, seed=2, fractions=FRACTIONS)
    assert (part == PARTS.index("train")).all()
    assert len(np.unique(10 * parents.index[plan.row] + plan.copy)) == 2500


def test_more_stamps_only_add_and_fewer_parents_are_a_subset(make_plan):
    few, many = make_plan(1000, 1500), make_plan(1000, 3000)
    np.testing.assert_array_equal(few.row, many.row[:1500])
    np.testing.assert_array_equal(few.copy, many.copy[:1500])
    assert set(make_plan(300, 300).row) < set(few.row)


@pytest.mark.parametrize("n_stamps", [999, 7000])
def test_impossible_numbers_are_named(make_plan, n_stamps):
    with pytest.raises(InputError, match=rf"sky\.n_stamps: expected 1000 .* got {n_stamps}"):
        make_plan(1000, n_stamps)


def test_moves_stay_near_and_bright(parents):
    rows = np.arange(3000)
    uniform = np.random.default_rng(0).random(3000)
    z = moved_redshift(parents, rows=rows, uniform=uniform, max_shift=0.03)
    shift = z - parents.z[rows]
    assert np.abs(shift).max() <= 0.03 + 1e-12
    assert (z > 0.003).all()
    flux_r = flux_at(parents, rows=rows, z=z)[:, 2]
    petro_r = parents.petro_r[rows] - 2.5 * np.log10(flux_r / parents.flux[rows, 2])
    assert petro_r.max() <= 17.8 + 1e-3


def test_bright_parents_move_by_volume(parents):
    """Far from the limit, the mean of z'^2-weighted redshifts is known."""
    row = int(np.argmin(parents.petro_r + 100 * (np.abs(parents.z - 0.1) > 0.02)))
    n = 4000
    uniform = (np.arange(n) + 0.5) / n
    z = moved_redshift(
        replace(parents, faint_limit=30.0), rows=np.full(n, row), uniform=uniform, max_shift=0.03
    )
    line = np.linspace(parents.z[row] - 0.03, parents.z[row] + 0.03, 2001)
    weight = FlatLambdaCDM(H0=70, Om0=0.3).differential_comoving_volume(line).value
    assert z.mean() == pytest.approx((line * weight).sum() / weight.sum(), abs=1e-4)
