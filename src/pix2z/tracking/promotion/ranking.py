"""Which arm is the better one: CRPS on the same test galaxies, with paired intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pix2z.evaluation.arm_galaxies import GalaxyTerms
from pix2z.evaluation.bootstrap import group_weights, interval
from pix2z.evaluation.metric_names import format_value
from pix2z.evaluation.weighted import weighted_mean

__all__ = ["Standing", "rank", "ranking_words", "short_words"]

METRIC = "crps"


@dataclass(frozen=True)
class Standing:
    """One arm: its CRPS, and how much that is above the best arm's, with a 95 % interval."""

    arm: str
    crps: float
    behind: float
    low: float
    high: float

    @property
    def finding(self) -> str:
        """What the interval says, in words."""
        return "significantly worse" if self.low > 0 else "no significant difference"


def rank(terms: Mapping[str, GalaxyTerms], *, n_bootstrap: int, seed: int) -> list[Standing]:
    """Put arms in order of their CRPS on the same galaxies, the best first; at least one.

    Whole groups of galaxies are drawn, the same ones for every arm: differences are paired.
    """
    crps = {arm: float(found.pdf.crps.mean()) for arm, found in terms.items()}
    order = sorted(crps, key=lambda arm: crps[arm])  # stable: first come, first served
    columns = np.stack([terms[arm].pdf.crps for arm in order], axis=1)
    group_id = terms[order[0]].group_id
    weights = group_weights(group_id, n_bootstrap=n_bootstrap, seed=seed)
    drawn: NDArray[np.float64] = np.concatenate([weighted_mean(columns, w) for w in weights])
    standings = []
    for place, arm in enumerate(order):
        low, high = interval(drawn[:, place] - drawn[:, 0])
        standings.append(Standing(arm, crps[arm], crps[arm] - crps[order[0]], low, high))
    return standings


def ranking_words(standings: Sequence[Standing], *, n: int) -> str:
    """Say which arm is the best of these on n galaxies, and how surely."""
    best, *others = standings
    start = f"{best.arm} has the lowest CRPS on {n:,} test galaxies: {_shown(best.crps)}"
    if not others:
        return f"{start}. There is no other arm to compare."
    second = others[0]
    gap = (
        f"{second.arm} has {_shown(second.crps)}, worse by {_shown(second.behind)} "
        f"(95 % interval {_shown(second.low)} to {_shown(second.high)})"
    )
    return f"{start}; {gap}. {_finding(others)}"


def short_words(standings: Sequence[Standing]) -> str:
    """Say the same in a few words, for the audit trail."""
    best, *others = standings
    if not others:
        return f"the only arm: {best.arm}"
    finding = _finding(others).rstrip(".")
    return f"lowest CRPS of {len(standings)} arms; {finding[0].lower()}{finding[1:]}"


def _finding(others: Sequence[Standing]) -> str:
    equal = [other.arm for other in others if other.low <= 0]
    if not equal:
        return "All others are significantly worse."
    rest = ", all others are significantly worse" if len(equal) < len(others) else ""
    return f"No significant difference from {' or '.join(equal)}{rest}."


def _shown(crps: float) -> str:
    return format_value(METRIC, crps)
