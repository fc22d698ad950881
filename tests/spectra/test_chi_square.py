"""Chi-square against scipy's own least squares, trial by trial."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from pix2z.spectra.chi_square import chi_square_scan, polynomials

L, S, T, DEGREE = 120, 15, 4, 2
BASIS = polynomials(L, DEGREE)


@pytest.fixture
def problem():
    """Spectra with bad pixels, and templates that end on both sides of what the spectra see."""
    rng = np.random.default_rng(2)
    templates = rng.normal(1, 1, (T, L + S - 1))
    known = np.ones(L + S - 1)
    known[:5] = known[-8:] = 0
    flux = rng.normal(3, 2, (3, L))
    weight = rng.uniform(0.1, 2, (3, L))
    weight[0, 30:50] = 0
    return flux, weight, templates * known, known


def by_hand(flux, weight, template, seen, *, non_negative):
    """One trial as a matrix of columns, handed to scipy."""
    good = (weight > 0) & (seen > 0)
    design = np.concatenate([template, BASIS]).T[good]
    low = np.r_[np.full(T, 0.0 if non_negative else -np.inf), np.full(DEGREE + 1, -np.inf)]
    root = np.sqrt(weight[good])
    found = lsq_linear(root[:, None] * design, root * flux[good], (low, np.inf), tol=1e-13)
    return 2 * found.cost * (weight > 0).sum() / good.sum()


@pytest.mark.parametrize("non_negative", [False, True])
def test_every_trial_is_scipys_least_squares(problem, non_negative):
    flux, weight, templates, known = problem
    found = chi_square_scan(
        flux, weight, templates=templates, known=known, degree=DEGREE, non_negative=non_negative
    )
    assert found.shape == (3, S)
    for row in range(3):
        for s in range(S):
            here = slice(s, s + L)
            expected = by_hand(
                flux[row], weight[row], templates[:, here], known[here], non_negative=non_negative
            )
            assert found[row, s] == pytest.approx(expected, rel=1e-6)
