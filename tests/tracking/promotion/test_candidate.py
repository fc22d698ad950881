from dataclasses import replace

import numpy as np
import pytest

from pix2z.evaluation.arm_galaxies import galaxy_terms
from pix2z.evaluation.arm_metrics import bootstrap_replicates
from pix2z.evaluation.bootstrap import interval
from pix2z.redshift_pdf.density import normalise
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import Predictions
from pix2z.tracking.promotion.candidate import Choice, RankedArm, rank

GRID = RedshiftGrid(0.0, 0.4, 80)
N = 300


@pytest.fixture(scope="module")
def terms():
    """Gaussian PDFs about redshifts with an error of 0.01."""
    rng = np.random.default_rng(3)
    z_spec = rng.uniform(0.05, 0.35, N)
    z_phot = z_spec + rng.normal(0, 0.01, N)
    density = normalise(np.exp(-0.5 * ((GRID.centres - z_phot[:, None]) / 0.01) ** 2), GRID)
    index, nothing = np.arange(N), np.zeros(N, np.float32)
    columns = {"row": index, "object_id": index, "group_id": index // 2, "z_spec": z_spec}
    columns |= {"z_phot": z_phot, "mag_r": nothing, "ebv": nothing}
    return galaxy_terms([Predictions(grid=GRID, density=density, **columns)])


def with_crps(terms, crps):
    return replace(terms, crps=crps)


def test_the_lowest_crps_comes_first_with_paired_intervals(terms):
    crps = terms.crps
    arms = {
        "worse": with_crps(terms, crps + 0.001),
        "best": terms,
        "equal": with_crps(terms, crps + np.where(np.arange(N) % 4 < 2, 1e-3, -0.999e-3)),
    }
    ranked = rank(arms, n_bootstrap=400, seed=1)
    assert [of_arm.arm for of_arm in ranked] == ["best", "equal", "worse"]
    best, equal, worse = ranked
    assert (best.behind, best.low, best.high) == (0, 0, 0)
    assert best.crps == pytest.approx(crps.mean())
    # A constant difference has no chance in it, though each CRPS has.
    assert (worse.behind, worse.low, worse.high) == pytest.approx((0.001,) * 3)
    assert worse.verdict == "significantly worse"
    assert equal.low < 0 < equal.high
    assert equal.verdict == "no significant difference"


def test_the_interval_is_that_of_the_report(terms):
    """The same draws of the same groups as `bootstrap_replicates` of evaluation."""
    rng = np.random.default_rng(5)
    other = with_crps(terms, terms.crps + rng.normal(1e-4, 1e-3, N))
    ranked = rank({"a": terms, "b": other}, n_bootstrap=300, seed=2)
    drawn = [
        bootstrap_replicates(of_arm, n_bootstrap=300, seed=2, only=["crps"])["crps"]
        for of_arm in (terms, other)
    ]
    behind = next(of_arm for of_arm in ranked if of_arm.behind)
    sign = 1 if behind.arm == "b" else -1
    assert (behind.low, behind.high) == pytest.approx(interval(sign * (drawn[1] - drawn[0])))


def ranked_arm(name, behind, low):
    return RankedArm(name, 0.0087 + behind, behind, low, 2 * behind - low)


@pytest.mark.parametrize(
    ("others", "verdict"),
    [
        ([ranked_arm("b", 0.001, 0.0005)], "All others are significantly worse."),
        ([ranked_arm("b", 0.0001, -0.1)], "No significant difference from b."),
        (
            [ranked_arm("b", 0.0001, -0.1), ranked_arm("c", 0.001, 0.0005)],
            "No significant difference from b, all others are significantly worse.",
        ),
        (
            [ranked_arm("b", 0.0001, -0.1), ranked_arm("c", 0.0002, -0.1)],
            "No significant difference from b or c.",
        ),
    ],
)
def test_the_words_say_how_sure_the_choice_is(others, verdict):
    choice = Choice(None, (ranked_arm("a", 0.0, 0.0), *others), {}, 2500)
    start = "a has the lowest CRPS on 2,500 validation and calibration galaxies: 0.00870; b has 0.0"
    assert choice.sentence.startswith(start)
    assert choice.sentence.endswith(verdict)
    n = len(others) + 1
    assert choice.short == f"lowest CRPS of {n} arms; {verdict[0].lower()}{verdict[1:-1]}"
