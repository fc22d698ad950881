"""Chi-square against scipy's own least squares, trial by trial."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from pix2z.spectra.chi_square import chi_square_at, chi_square_scan, polynomials

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


@pytest.mark.parametrize("non_negative", [False, True])
def test_pixel_by_pixel_is_the_same(problem, non_negative):
    flux, weight, templates, known = problem
    scan = chi_square_scan(
        flux, weight, templates=templates, known=known, degree=DEGREE, non_negative=non_negative
    )
    places = [slice(s, s + L) for s in range(S)]
    one = chi_square_at(
        flux[0],
        weight[0],
        templates=[templates[:, here] for here in places],
        known=[known[here] for here in places],
        basis=BASIS,
        non_negative=non_negative,
    )
    np.testing.assert_allclose(one, scan[0], rtol=1e-7)


def test_weights_shared_by_all_spectra_need_one_row(problem):
    flux, weight, templates, known = problem
    options = {"templates": templates, "known": known, "degree": DEGREE, "non_negative": True}
    shared = chi_square_scan(flux, weight[1:2], **options)
    each = chi_square_scan(flux, np.repeat(weight[1:2], 3, axis=0), **options)
    np.testing.assert_allclose(shared, each, rtol=1e-9)


def test_a_template_out_of_reach_or_twice_there_changes_nothing(problem):
    flux, weight, templates, known = problem
    options = {"known": known, "degree": DEGREE, "non_negative": False}
    expected = chi_square_scan(flux, weight, templates=templates, **options)
    more = np.concatenate([templates, np.zeros((1, templates.shape[1])), templates[:1]])
    found = chi_square_scan(flux, weight, templates=more, **options)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_trials_with_too_few_known_pixels_are_infinite(problem):
    flux, weight, templates, _ = problem
    known = np.ones(L + S - 1)
    known[: L // 2 + 7] = 0
    found = chi_square_scan(
        flux, weight, templates=templates * known, known=known, degree=1, non_negative=False
    )
    assert np.isinf(found[1:, 0]).all()
    assert np.isfinite(found[1:, -1]).all()
