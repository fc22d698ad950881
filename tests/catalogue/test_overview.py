"""What is said of a table of redshifts, and drawn of it."""

from contextlib import contextmanager

import numpy as np
import pytest
from matplotlib.figure import Figure

from pix2z.catalogue.figure import plot_overview
from pix2z.catalogue.overview import Overview
from pix2z.redshift_pdf.calibration import Temperature
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import redshifts

GRID = RedshiftGrid(0.0, 0.4, 400)


def estimates(z, sigma, flags=0):
    """Redshifts (n,) whose PDFs are normal distributions."""
    z, sigma = (np.broadcast_to(value, len(z))[:, None] for value in (z, sigma))
    density = np.exp(-((GRID.centres - z) ** 2) / (2 * sigma**2)) + 1e-12
    density /= density.sum(axis=1, keepdims=True) * GRID.width
    flags = np.broadcast_to(flags, len(z)).astype(np.int32)
    return redshifts(density, Temperature(1.0), grid=GRID, flags=flags)


def overview_of(*blocks):
    found = Overview(sum(map(len, blocks)), GRID)
    start = 0
    for block in blocks:
        found.add(np.arange(start, start + len(block)), block)
        start += len(block)
    return found


Z = np.full(100, 0.2)


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        (
            [estimates(Z, 0.01)],
            "100 redshifts with a typical error of 0.0099 (half of the central 68 %); none is "
            "doubtful.",
        ),
        (
            [estimates(Z, 0.01), estimates(Z[:3], 0.07), estimates(Z[:2], 0.01, 9)],
            "103 redshifts of 105 galaxies with a typical error of 0.0099 (half of the central "
            "68 %); doubtful: 2 flagged (a band is absent: 2, every band is blank: 2), and 3 with "
            "an error above 0.05 (1 + z).",
        ),
        (
            [estimates(Z, 0.01, 4)],
            "100 redshifts with a typical error of 0.0099 (half of the central 68 %); doubtful: "
            "100 flagged (E(B-V) is unknown: 100). --ebv gives E(B-V), which the file has for n",
        ),
        ([estimates(Z[:1], 0.01)], "1 redshift with a typical error of 0.0099 (half of the cen"),
        ([estimates(Z[:2], 0.01, 8)], "None of 2 galaxies has a redshift: 2 flagged (every band"),
    ],
)
def test_one_sentence_says_how_many_how_good_and_what_is_doubtful(blocks, words):
    assert str(overview_of(*blocks)).startswith(words)


def test_the_mean_pdf_is_how_galaxies_are_spread_and_blank_ones_count_nothing():
    found = overview_of(estimates(np.array([0.1, 0.1, 0.3]), 0.01), estimates(Z[:5], 0.01, 8))
    low, high = found.mean_density[:200], found.mean_density[200:]
    assert low.sum() * GRID.width == pytest.approx(2 / 3, abs=1e-6)
    assert high.sum() * GRID.width == pytest.approx(1 / 3, abs=1e-6)


@pytest.mark.parametrize("n", [1, 4, 1000])
def test_the_pdfs_that_are_shown_come_from_all_over_the_file(n):
    z = np.linspace(0.05, 0.35, n)
    found = overview_of(estimates(z[: n // 2], 0.01), estimates(z[n // 2 :], 0.01))
    assert len(found.shown) == min(n, 6)
    assert {0, n - 1} <= found.shown.keys()
    for row, density in found.shown.items():
        assert GRID.centres[density.argmax()] == pytest.approx(z[row], abs=GRID.width)


@pytest.fixture
def drawn(monkeypatch):
    """Return what draws an overview, and gives the panels that can be seen."""

    def of(found, z_spec):
        figure = Figure()

        @contextmanager
        def kept(*_, **__):
            yield figure

        monkeypatch.setattr("pix2z.catalogue.figure.figure_file", kept)
        plot_overview(found, z_spec, "z.png")
        return [axes for axes in figure.get_axes() if axes.get_visible()]

    return of


def legend_of(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_known_redshifts_are_drawn_against_estimates_and_into_every_pdf(drawn):
    z_spec = np.resize([0.21, 0.9, np.nan], 100)  # 0.9: beyond the bins
    left, right, *pdfs = drawn(overview_of(estimates(Z, 0.01)), z_spec)
    counts = ["point estimates (n = 100)", "known redshifts (n = 34)", "mean of all PDFs"]
    assert legend_of(left) == counts
    assert right.get_xlabel() == "known redshift"
    x, y = right.lines[0].get_data()
    np.testing.assert_array_equal(np.unique(x), [0.21, 0.4])  # on the edge where beyond
    np.testing.assert_allclose(y, 0.2, atol=1e-3)
    assert len(pdfs) == 6
    for axes in pdfs:
        estimate, *known = [line.get_xdata()[0] for line in axes.lines]
        assert estimate == pytest.approx(0.2, abs=1e-3)
        row = int(axes.get_title().removeprefix("row ").split(":")[0])
        assert known == ([z_spec[row]] if np.isfinite(z_spec[row]) else [])


def test_galaxies_without_any_redshift_have_empty_panels(drawn):
    left, right = drawn(overview_of(estimates(Z, 0.01, 8)), np.full(100, np.nan))
    assert legend_of(left) == ["mean of all PDFs"]
    assert len(right.lines[0].get_xdata()) == 0


@pytest.mark.parametrize("n", [3, 1000])
def test_few_galaxies_are_points_and_every_panel_has_its_numbers(drawn, n):
    z = np.linspace(0.1, 0.3, n)
    visible = drawn(overview_of(estimates(z, 0.01)), np.full(n, np.nan))
    assert visible[1].get_ylabel() == "error: half of the central 68 %"
    assert ("galaxies per cell" in [axes.get_ylabel() for axes in visible]) == (n == 1000)
    pdfs = [axes for axes in visible if axes.get_title().startswith("row ")]
    assert len(pdfs) == min(n, 6)
    assert all(axes.xaxis.get_tick_params()["labelbottom"] for axes in pdfs)
