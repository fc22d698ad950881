from dataclasses import replace

import numpy as np
import pytest

from pix2z.evaluation.arm_galaxies import galaxy_terms
from pix2z.redshift_pdf.density import normalise
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import Predictions
from pix2z.tracking.promotion.ranking import Standing, rank, ranking_words, short_words

GRID = RedshiftGrid(0.0, 0.4, 80)
N = 300


@pytest.fixture(scope="module")
def terms():
    """Gaussian PDFs about redshifts with an error of 0.01."""
    rng = np.random.default_rng(3)
    z_spec = rng.uniform(0.05, 0.35, N)
    z_phot = z_spec + rng.normal(0, 0.01, N)
    density = normalise(np.exp(-0.5 * ((GRID.centres - z_phot[:, None]) / 0.01) ** 2), GRID)
    index = np.arange(N)
    columns = {"row": index, "object_id": index, "group_id": index // 2, "z_spec": z_spec}
    nothing = np.zeros(N, np.float32)
    return galaxy_terms(
        [
            Predictions(
                grid=GRID, density=density, z_phot=z_phot, mag_r=nothing, ebv=nothing, **columns
            )
        ]
    )


def with_crps(terms, crps):
    return replace(terms, pdf=replace(terms.pdf, crps=crps))


def test_the_lowest_crps_comes_first_with_paired_intervals(terms):
    crps = terms.pdf.crps
    arms = {
        "worse": with_crps(terms, crps + 0.001),
        "best": terms,
        "equal": with_crps(terms, crps + np.where(np.arange(N) % 4 < 2, 1e-3, -0.999e-3)),
    }
    found = rank(arms, n_bootstrap=400, seed=1)
    assert [standing.arm for standing in found] == ["best", "equal", "worse"]
    best, equal, worse = found
    assert (best.behind, best.low, best.high) == (0, 0, 0)
    assert best.crps == pytest.approx(crps.mean())
    # A constant difference has no chance in it, though each CRPS has.
    assert (worse.behind, worse.low, worse.high) == pytest.approx((0.001,) * 3)
    assert worse.finding == "significantly worse"
    assert equal.low < 0 < equal.high
    assert equal.finding == "no significant difference"


def test_the_interval_is_that_of_the_report(terms):
    """The same draws of the same groups as `bootstrap_replicates` of evaluation."""
    from pix2z.evaluation.arm_metrics import bootstrap_replicates
    from pix2z.evaluation.bootstrap import interval

    other = with_crps(terms, terms.pdf.crps * np.linspace(1, 1.5, N))
    draws = [bootstrap_replicates(arm, n_bootstrap=300, seed=5)["crps"] for arm in (other, terms)]
    low, high = interval(draws[0] - draws[1])
    second = rank({"a": terms, "b": other}, n_bootstrap=300, seed=5)[1]
    assert (second.low, second.high) == pytest.approx((low, high))


def test_one_arm_alone_is_the_best(terms):
    found = rank({"full": terms}, n_bootstrap=10, seed=1)
    assert "There is no other arm" in ranking_words(found, n=N)
    assert short_words(found) == "the only arm: full"


def standing(arm, behind, low):
    return Standing(arm, 0.0087 + behind, behind, low, behind + 0.001)


@pytest.mark.parametrize(
    ("others", "finding"),
    [
        ([standing("b", 0.001, 0.0005)], "All others are significantly worse."),
        ([standing("b", 0.0001, -0.1)], "No significant difference from b."),
        (
            [standing("b", 0.0001, -0.1), standing("c", 0.001, 0.0005)],
            "No significant difference from b, all others are significantly worse.",
        ),
        (
            [standing("b", 0.0001, -0.1), standing("c", 0.0002, -0.1)],
            "No significant difference from b or c.",
        ),
    ],
)
def test_the_words_say_how_sure_the_choice_is(others, finding):
    standings = [standing("a", 0.0, 0.0), *others]
    words = ranking_words(standings, n=1937)
    assert words.startswith("a has the lowest CRPS on 1,937 test galaxies: 0.00870; b has 0.0")
    assert words.endswith(finding)
    short = short_words(standings)
    assert short == f"lowest CRPS of {len(standings)} arms; {finding[0].lower()}{finding[1:-1]}"
