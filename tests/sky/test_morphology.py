import numpy as np
import pytest
from scipy.stats import kstest

from pix2z.sky import morphology

UNIFORM = (np.arange(4000) + 0.5) / 4000


def test_sizes_follow_the_published_relation():
    """Shen et al. (2003), worked by hand from their eqs. 14 and 15 at M_r = -20.52 and -22."""
    half = np.array([0.5])
    late = morphology.half_light_radius_kpc(np.array([-20.52]), np.array([False]), half)
    assert late == pytest.approx(10 ** (0.4 * 0.21 * 20.52 + 0.32 * np.log10(2) - 1.31))
    early = morphology.half_light_radius_kpc(np.array([-22.0]), np.array([True]), half)
    assert early == pytest.approx(10 ** (0.4 * 0.60 * 22.0 - 4.63))
    assert 3 < late < 4.5  # their figure 4
    assert 4 < early < 5.5


def test_redder_galaxies_are_earlier_with_larger_bulges():
    shares, bulges = [], []
    for colour in (1.2, 1.8, 2.2, 2.6):
        colours = np.full(4000, colour)
        early = morphology.draw_early(colours, UNIFORM[::-1])
        shares.append(early.mean())
        bulges.append(morphology.bulge_fraction_r(colours, early, UNIFORM).mean())
    assert (np.diff(shares) > 0).all()
    assert (np.diff(bulges) > 0).all()


def test_inclination_is_uniform_at_mean_colour_and_edge_on_when_redder():
    late = np.zeros(4000, bool)
    neutral = morphology.cos_inclination(np.full(4000, 2.0), late, UNIFORM)
    assert kstest(neutral, "uniform").pvalue > 0.9
    means = [
        morphology.cos_inclination(np.full(4000, colour), late, UNIFORM).mean()
        for colour in (1.5, 2.0, 2.5)
    ]
    assert (np.diff(means) < 0).all()
    # Density 1 + s (1 - 2 c) has mean 1/2 - s/6; s = -0.8 and 0.8 at the ends.
    np.testing.assert_allclose(means, [0.5 + 0.8 / 6, 0.5, 0.5 - 0.8 / 6], atol=1e-3)
