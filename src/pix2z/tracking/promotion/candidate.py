"""What is proposed for promotion: the version that a person names, or that of the best arm.

The best arm is the one with the lowest CRPS on validation and calibration galaxies. Its numbers on
the test galaxies, on which the gate judges it, are then no choice among several.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pix2z.config.evaluate import EvaluateConfig
from pix2z.errors import IntegrityError, RefusedError
from pix2z.evaluation.arm_galaxies import GalaxyTerms
from pix2z.evaluation.bootstrap import group_weights, interval
from pix2z.evaluation.metric_names import format_value
from pix2z.evaluation.weighted import weighted_mean
from pix2z.tracking.promotion.evidence import part_terms, same_galaxies
from pix2z.tracking.store import Store
from pix2z.tracking.versions import PRODUCTION, Version, newest

__all__ = ["CHOSEN_ON", "Choice", "RankedArm", "choose_arm", "rank"]

CHOSEN_ON = ("validation", "calibration")
"""Parts of the sample on which arms are compared."""


@dataclass(frozen=True)
class RankedArm:
    """One arm: its CRPS, and how much that is above the best arm's, with a 95 % interval."""

    arm: str
    crps: float
    behind: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """What the interval says, in words."""
        return "significantly worse" if self.low > 0 else "no significant difference"


@dataclass(frozen=True)
class Choice:
    """The arm that was chosen, and the others."""

    version: Version
    """Of the best arm."""
    ranked: tuple[RankedArm, ...]
    """The best first."""
    passed_over: Mapping[str, str]
    """Arms that could not be compared -> why."""
    n: int
    """Validation and calibration galaxies."""

    @property
    def sentence(self) -> str:
        """Which arm is the best of these, and how surely."""
        best, *others = self.ranked
        start = (
            f"{best.arm} has the lowest CRPS on {self.n:,} validation and calibration galaxies: "
            f"{_shown(best.crps)}"
        )
        if not others:
            return f"{start}. There is no other arm to compare."
        second = others[0]
        gap = (
            f"{second.arm} has {_shown(second.crps)}, worse by {_shown(second.behind)} "
            f"(95 % interval {_shown(second.low)} to {_shown(second.high)})"
        )
        return f"{start}; {gap}. {_of_others(others)}"

    @property
    def short(self) -> str:
        """The same in a few words, for the audit trail."""
        best, *others = self.ranked
        if not others:
            return f"the only arm: {best.arm}"
        verdict = _of_others(others).rstrip(".")
        return f"lowest CRPS of {len(self.ranked)} arms; {verdict[0].lower()}{verdict[1:]}"


def choose_arm(
    store: Store,
    versions: Sequence[Version],
    arms: Sequence[str],
    *,
    test_digest: str,
    evaluate: EvaluateConfig,
) -> Choice:
    """Compare the newest version of every arm on validation and calibration galaxies.

    Parameters
    ----------
    versions : all of the registry.
    test_digest : of the test galaxies that every arm must have.
    evaluate : number and seed of the bootstrap's resamples.

    Raises
    ------
    RefusedError
        No arm can be compared; the message says why.
    """
    terms: dict[str, GalaxyTerms] = {}
    candidates: dict[str, Version] = {}
    passed_over: dict[str, str] = {}
    for arm in arms:
        version = newest(versions, f"{PRODUCTION}-{arm}")
        if version is None or version.test_digest != test_digest:
            passed_over[arm] = _why_not(arm, version, test_digest)
            continue
        try:
            of_arm = part_terms(store, version, CHOSEN_ON)
        except IntegrityError as error:
            passed_over[arm] = str(error)
            continue
        if any(not same_galaxies(of_arm, other) for other in terms.values()):
            passed_over[arm] = f"{version.label} has other validation or calibration galaxies"
            continue
        terms[arm], candidates[arm] = of_arm, version
    if not terms:
        raise RefusedError(f"no arm can be promoted: {'; '.join(passed_over.values())}")
    ranked = rank(terms, n_bootstrap=evaluate.n_bootstrap, seed=evaluate.seed)
    best = ranked[0].arm
    return Choice(candidates[best], tuple(ranked), passed_over, len(terms[best]))


def rank(terms: Mapping[str, GalaxyTerms], *, n_bootstrap: int, seed: int) -> list[RankedArm]:
    """Put arms in order of their CRPS on the same galaxies, the best first; at least one.

    Whole groups of galaxies are drawn, the same ones for every arm: differences are paired.
    """
    crps = {arm: float(of_arm.crps.mean()) for arm, of_arm in terms.items()}
    order = sorted(crps, key=lambda arm: crps[arm])  # stable: first come, first served
    columns = np.stack([terms[arm].crps for arm in order], axis=1)
    group_id = terms[order[0]].group_id
    weights = group_weights(group_id, n_bootstrap=n_bootstrap, seed=seed)
    drawn = np.concatenate([weighted_mean(columns, block) for block in weights])
    ranked = []
    for place, arm in enumerate(order):
        low, high = interval(drawn[:, place] - drawn[:, 0])
        ranked.append(RankedArm(arm, crps[arm], crps[arm] - crps[order[0]], low, high))
    return ranked


def _why_not(arm: str, version: Version | None, digest: str) -> str:
    """Say why an arm cannot be compared on galaxies that belong to that test digest."""
    if version is None:
        return f"{arm} is not registered"
    known = f"digest {version.test_digest[:8]}" if version.test_digest else "no tag test_digest"
    return f"{version.label} was tested on other galaxies ({known}) than those here ({digest[:8]})"


def _of_others(others: Sequence[RankedArm]) -> str:
    equal = [other.arm for other in others if other.low <= 0]
    if not equal:
        return "All others are significantly worse."
    rest = ", all others are significantly worse" if len(equal) < len(others) else ""
    return f"No significant difference from {' or '.join(equal)}{rest}."


def _shown(crps: float) -> str:
    return format_value("crps", crps)
