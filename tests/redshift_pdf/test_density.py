import numpy as np
import pytest
import qp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from pix2z.redshift_pdf import density as pdf
from pix2z.redshift_pdf.grid import RedshiftGrid

GRID = RedshiftGrid(z_min=0.0, z_max=0.4, n_bins=12)


@st.composite
def densities(draw):
    """PDFs with many empty bins, so that flat pieces of the CDF are met."""
    weights = draw(
        hnp.arrays(
            np.float64,
            st.tuples(st.integers(1, 5), st.just(GRID.n_bins)),
            elements=st.one_of(st.just(0.0), st.floats(1e-6, 1e6)),
        )
    )
    weights[weights.sum(axis=1) == 0, draw(st.integers(0, GRID.n_bins - 1))] = 1.0
    return pdf.normalise(weights, GRID)


FINE = RedshiftGrid(z_min=0.0, z_max=0.4, n_bins=180)


@given(st.one_of(st.floats(0.0, 0.4), st.sampled_from(FINE.edges.tolist())))
def test_a_redshift_lies_in_the_bin_on_the_right_of_an_edge(z):
    index = int(FINE.bin_index(z))
    assert FINE.edges[index] <= z
    assert z < FINE.edges[index + 1] or (z == 0.4 and index == 179)


def test_redshifts_outside_go_to_the_end_bins():
    np.testing.assert_array_equal(FINE.bin_index([-1.0, 0.4, 7.0]), [0, 179, 179])


@pytest.mark.parametrize(("low", "high", "n"), [(0.4, 0.0, 9), (0.0, 0.0, 9), (0.0, 0.4, 1)])
def test_an_impossible_grid_is_refused(low, high, n):
    with pytest.raises(ValueError, match="must be"):
        RedshiftGrid(z_min=low, z_max=high, n_bins=n)


def random_densities(n=40, seed=1, grid=GRID):
    weights = np.random.default_rng(seed).gamma(0.5, size=(n, grid.n_bins))
    return pdf.normalise(weights, grid)


def scipy_histograms(density):
    return [stats.rv_histogram((row, GRID.edges), density=True) for row in density]


@settings(max_examples=40)
@given(densities())
def test_a_pdf_integrates_to_one(density):
    np.testing.assert_allclose(density.sum(axis=1) * GRID.width, 1.0, rtol=1e-12)
    edges = pdf.cdf_edges(density, GRID)
    assert (edges[:, 0] == 0).all()
    assert (edges[:, -1] == 1).all()
    assert (np.diff(edges, axis=1) >= 0).all()


@settings(max_examples=40)
@given(densities(), st.floats(0.0, 1.0))
def test_the_cdf_undoes_the_quantile(density, level):
    z = pdf.quantiles(density, GRID, [level])[:, 0]
    assert ((z >= GRID.z_min) & (z <= GRID.z_max)).all()
    np.testing.assert_allclose(pdf.cdf_at(density, GRID, z), level, atol=1e-9)


@settings(max_examples=20)
@given(densities())
def test_moments_agree_with_scipy(density):
    for row, oracle in enumerate(scipy_histograms(density)):
        np.testing.assert_allclose(pdf.mean(density, GRID)[row], oracle.mean(), rtol=1e-9)
        np.testing.assert_allclose(pdf.std(density, GRID)[row], oracle.std(), rtol=1e-6)


def test_cdf_and_quantiles_agree_with_scipy():
    density = random_densities()
    z = np.random.default_rng(2).uniform(-0.05, 0.45, len(density))
    oracles = scipy_histograms(density)
    expected = [oracle.cdf(value) for oracle, value in zip(oracles, z, strict=True)]
    np.testing.assert_allclose(pdf.cdf_at(density, GRID, z), expected, atol=1e-12)
    levels = [0.025, 0.16, 0.5, 0.84, 0.975]
    expected = [oracle.ppf(levels) for oracle in oracles]
    np.testing.assert_allclose(pdf.quantiles(density, GRID, levels), expected, atol=1e-12)


def test_density_and_median_agree_with_qp():
    density = random_densities()
    ensemble = qp.Ensemble(qp.hist, data={"bins": GRID.edges, "pdfs": density})
    z = np.random.default_rng(3).uniform(-0.05, 0.45, len(density))
    expected = ensemble.pdf(z[:, None])[:, 0]
    np.testing.assert_allclose(pdf.density_at(density, GRID, z), expected, rtol=1e-12)
    np.testing.assert_allclose(
        pdf.median(density, GRID), ensemble.median().ravel(), rtol=1e-9, atol=1e-12
    )


def test_the_mode_is_the_centre_of_the_highest_bin():
    weights = np.ones((1, GRID.n_bins))
    weights[0, 7] = 2.0
    np.testing.assert_allclose(pdf.mode(pdf.normalise(weights, GRID), GRID), GRID.centres[7])


def test_a_mixture_is_wider_than_its_members_are_on_average():
    narrow, shifted = np.zeros((2, 1, GRID.n_bins))
    narrow[0, 2], shifted[0, 9] = 1.0, 1.0
    members = [pdf.normalise(narrow, GRID), pdf.normalise(shifted, GRID)]
    mixture = pdf.mix(members)
    np.testing.assert_allclose(mixture.sum() * GRID.width, 1.0)
    np.testing.assert_allclose(
        pdf.mean(mixture, GRID), np.mean([pdf.mean(member, GRID) for member in members])
    )
    assert pdf.std(mixture, GRID) > max(pdf.std(member, GRID) for member in members)


@pytest.mark.parametrize("fault", [0.0, np.nan, -1.0])
def test_what_is_no_pdf_is_refused(fault):
    weights = np.zeros((1, GRID.n_bins)) if fault == 0.0 else np.ones((1, GRID.n_bins))
    weights[0, 3] = fault
    with pytest.raises(ValueError, match="finite, non-negative and not all zero"):
        pdf.normalise(weights, GRID)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"\(N, 12\); got \(2, 5\)"):
        pdf.mean(np.ones((2, 5)), GRID)
    with pytest.raises(ValueError, match="one shape"):
        pdf.mix([np.ones((2, 5)), np.ones((3, 5))])
