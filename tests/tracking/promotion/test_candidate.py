from dataclasses import replace

import numpy as np
import pytest

from pix2z.config.evaluate import EvaluateConfig
from pix2z.evaluation.arm_galaxies import galaxy_terms
from pix2z.evaluation.arm_metrics import measure
from pix2z.evaluation.bootstrap import interval
from pix2z.redshift_pdf.density import normalise
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import Predictions
from pix2z.tracking.promotion.candidate import Choice, RankedArm, rank

GRID = RedshiftGrid(0.0, 0.4, 80)
N = 300
EVALUATE = EvaluateConfig(seed=1, n_bootstrap=400, margin=0.02)


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
    ranked = rank(arms, EVALUATE)
    assert [of_arm.arm for of_arm in ranked] == ["best", "equal", "worse"]
    best, equal, worse = ranked
    assert (best.behind, best.low, best.high) == (0, 0, 0)
    assert best.crps == pytest.approx(crps.mean())
    # A constant difference has no chance in it, though each CRPS has.
    assert (worse.behind, worse.low, worse.high) == pytest.approx((0.001,) * 3)
    assert worse.verdict == "beyond chance"
    assert equal.low < 0 < equal.high
    assert equal.verdict == "within chance"


def test_the_interval_is_that_of_the_report(terms):
    """The same draws of the same groups as `measure` of evaluation."""
    rng = np.random.default_rng(5)
    other = with_crps(terms, terms.crps + rng.normal(1e-4, 1e-3, N))
    _, behind = rank({"a": terms, "b": other}, EVALUATE)
    drawn = {
        arm: measure(of_arm, n_bootstrap=400, seed=1, only=["crps"]).replicates["crps"]
        for arm, of_arm in (("a", terms), ("b", other))
    }
    best = {"a": "b", "b": "a"}[behind.arm]
    assert (behind.low, behind.high) == pytest.approx(interval(drawn[behind.arm] - drawn[best]))


@pytest.mark.parametrize(
    ("lows", "reason"),
    [
        ([], "the only arm: arm0"),
        ([0.0005], "lowest CRPS of 2 arms"),
        (
            [-0.1, -0.1, 0.0005],
            "lowest CRPS of 4 arms; within the chance of galaxies: arm1, arm2",
        ),
    ],
)
def test_the_reason_says_how_sure_the_choice_is(lows, reason):
    ranked = [RankedArm(f"arm{place}", 0.01, 0.0, low, 1.0) for place, low in enumerate([0, *lows])]
    assert Choice(None, tuple(ranked), {}, 2500).reason == reason
