"""What is proposed for promotion: the version that a person names, or that of the best arm.

The best arm is the one with the lowest CRPS on validation and calibration galaxies. Its numbers on
the test galaxies, on which the gate judges it, are then no choice among several.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pix2z.config.arms import Arm, read_arms
from pix2z.config.evaluate import EvaluateConfig
from pix2z.errors import IntegrityError, RefusedError
from pix2z.evaluation.arm_galaxies import GalaxyTerms
from pix2z.evaluation.bootstrap import Resamples, interval
from pix2z.evaluation.weighted import weighted_mean
from pix2z.tracking.promotion.evidence import Gate, part_terms, same_galaxies
from pix2z.tracking.promotion.smoke import GALAXIES, SPLIT, read_held_out
from pix2z.tracking.versions import PRODUCTION, Version, newest

__all__ = ["Choice", "RankedArm", "choose_arm", "rank"]

CHOSEN_ON = ("validation", "calibration")
"""Parts of the sample on which arms are compared."""

CONTROLS = ("catalogue", "apertures")
"""Architectures of arms that others are held against."""


@dataclass(frozen=True)
class RankedArm:
    """One arm: its CRPS, and how much that is above the best arm's, with a 95 % interval.

    The interval holds the chance of the galaxies; other trainings of either arm may differ by more.
    """

    arm: str
    crps: float
    behind: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """What the interval says, in words: of the chance of galaxies alone."""
        return "beyond chance" if self.low > 0 else "within chance"


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
    def reason(self) -> str:
        """Why it was chosen, for the audit trail."""
        best, *others = self.ranked
        if not others:
            return f"the only arm: {best.arm}"
        equal = [other.arm for other in others if other.low <= 0]
        besides = f"; within the chance of galaxies: {', '.join(equal)}" if equal else ""
        return f"lowest CRPS of {len(self.ranked)} arms{besides}"


def choose_arm(gate: Gate, versions: Sequence[Version]) -> Choice:
    """Compare the newest versions of all arms on validation and calibration galaxies.

    Parameters
    ----------
    versions : all of the registry.

    Raises
    ------
    InputError
        Files of the test galaxies that every arm must have are missing.
    RefusedError
        No arm can be compared; the message says why.
    """
    gate.tell("comparing arms")
    test_digest = read_held_out(gate.root / GALAXIES, gate.root / SPLIT).digest
    terms: dict[str, GalaxyTerms] = {}
    candidates: dict[str, Version] = {}
    passed_over: dict[str, str] = {}
    for arm, settings in read_arms(gate.root / "params.yaml").items():
        if is_control(settings):
            continue
        try:
            version = _newest_of(arm, versions, test_digest)
            of_arm = part_terms(gate.store, version, CHOSEN_ON)
            if any(not same_galaxies(of_arm, other) for other in terms.values()):
                words = "has other validation or calibration galaxies"
                raise IntegrityError(f"{version.label} {words}")
        except IntegrityError as error:
            passed_over[arm] = str(error)
            continue
        terms[arm], candidates[arm] = of_arm, version
    if not terms:
        raise RefusedError(f"no arm can be promoted: {'; '.join(passed_over.values())}")
    ranked = rank(terms, gate.evaluate)
    best = ranked[0].arm
    return Choice(candidates[best], tuple(ranked), passed_over, len(terms[best]))


def is_control(arm: Arm) -> bool:
    """Tell whether others are held against an arm: it is promoted only where a person names it.

    So are the architectures that read less than an image, and the random subsample, which asks what
    fewer galaxies cost: nobody wants fewer.
    """
    return arm.architecture in CONTROLS or arm.selection == "equal_n"


def rank(terms: Mapping[str, GalaxyTerms], evaluate: EvaluateConfig) -> list[RankedArm]:
    """Put arms in order of their CRPS on the same galaxies, the best first; at least one.

    Whole groups of galaxies are drawn, the same ones for every arm: differences are paired.
    """
    crps = {arm: float(of_arm.crps.mean()) for arm, of_arm in terms.items()}
    order = sorted(crps, key=lambda arm: crps[arm])  # stable: first come, first served
    columns = np.stack([terms[arm].crps for arm in order], axis=1)
    group_id = terms[order[0]].group_id
    resamples = Resamples(group_id, evaluate.n_bootstrap, evaluate.seed)
    drawn = resamples.replicates(lambda weights: weighted_mean(columns, weights))
    return [
        RankedArm(arm, crps[arm], crps[arm] - crps[order[0]], *interval(drawn[:, i] - drawn[:, 0]))
        for i, arm in enumerate(order)
    ]


def _newest_of(arm: str, versions: Sequence[Version], test_digest: str) -> Version:
    """Return the newest version of an arm; IntegrityError: it was tested on other galaxies."""
    version = newest(versions, f"{PRODUCTION}-{arm}")
    if version is None:
        raise IntegrityError(f"{arm} is not registered")
    if version.test_digest != test_digest:
        tag = f"digest {version.test_digest[:8]}" if version.test_digest else "no tag test_digest"
        raise IntegrityError(
            f"{version.label} was tested on other galaxies ({tag}) than those here "
            f"({test_digest[:8]})"
        )
    return version
