"""A candidate is put through the gate: its predictions, the champion's, and the smoke test."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from pix2z.config.promotion import PromotionConfig
from pix2z.errors import IntegrityError
from pix2z.evaluation.arm_galaxies import GalaxyTerms
from pix2z.evaluation.arm_metrics import Measured
from pix2z.evaluation.bootstrap import independent
from pix2z.tracking.promotion.evidence import (
    Gate,
    champion_terms,
    limits_of,
    part_terms,
    same_galaxies,
    seed_metrics,
)
from pix2z.tracking.promotion.gate import (
    ERRORS,
    Check,
    calibration_checks,
    champion_checks,
    limit_checks,
)
from pix2z.tracking.promotion.smoke import find_held_out, smoke_test
from pix2z.tracking.promotion.trail import place, way_back
from pix2z.tracking.versions import Version

__all__ = ["Decision", "judge"]

_HELD_OUT = "here, not trained on"
_LIMITS = "known, and not from test results"
SMALL = "Enough galaxies"
"""Name of the line for a test set that is too small to judge everything."""


@dataclass(frozen=True, eq=False)
class Decision:
    """What the gate says of a candidate, held against the champion."""

    candidate: Version
    champion: Version | None
    checks: tuple[Check, ...] = ()
    """None where the candidate is the champion already."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Those that are judged, of the candidate on its test galaxies, where it has predictions."""

    @property
    def is_champion(self) -> bool:
        """Whether the champion is this very pool already."""
        champion = self.champion
        return champion is not None and champion.pool_digest == self.candidate.pool_digest

    @property
    def compared(self) -> bool:
        """Whether the candidate was held against a champion."""
        return any(check.kind == "champion" and check.numbers for check in self.checks)

    @property
    def is_small(self) -> bool:
        """Whether the test set was too small for all lines."""
        return any(check.name == SMALL for check in self.checks)

    @property
    def passed(self) -> bool:
        """Whether there are lines of the gate, and every one passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def refusal(self) -> str:
        """The lines that failed, all of them, in one line."""
        failed = "; ".join(check.sentence for check in self.checks if not check.passed)
        return f"{self.candidate.label} is refused: {failed}"


def judge(
    gate: Gate,
    candidate: Version,
    champion: Version | None,
    *,
    new_test_set: bool = False,
    small_test_set: bool = False,
) -> Decision:
    """Put a candidate through the lines of the gate; nothing is written.

    Without its test galaxies or what it predicted for them there is nothing to measure: that is
    then the last line.

    Parameters
    ----------
    new_test_set : pass where the champion cannot be compared: it was tested on other galaxies, or
        has no predictions. Where it can be, it is.
    small_test_set : pass where the test galaxies are too few to judge the margin of CRPS.

    Raises
    ------
    InputError
        Files of the test galaxies are missing.
    """
    decision = Decision(candidate, champion)
    if decision.is_champion:
        return decision
    digest = candidate.test_digest
    held_out = find_held_out(gate.root, digest) if digest else None
    if held_out is None:
        return replace(decision, checks=(_without_test_galaxies(digest),))
    words = f"{len(held_out.rows):,}, digest {digest[:8]}"
    test = Check("test", "Test galaxies", words, _HELD_OUT, True)
    gate.tell(f"reading what {candidate.label} predicted")
    try:
        terms = part_terms(gate.store, candidate, ["test"])
    except IntegrityError as error:
        words = _without_predictions(gate, candidate, error)
        missing = Check("test", "Predictions", words, "of its test galaxies", False)
        return replace(decision, checks=(test, missing))
    with ThreadPoolExecutor(1) as aside:  # another process answers while this one resamples
        gate.tell(f"loading {candidate.label} as it would be served")
        smoke_galaxies = gate.promotion.smoke_galaxies
        smoke = aside.submit(smoke_test, gate.store, candidate, held_out, n=smoke_galaxies)
        n = independent(terms.group_id)  # stamps of equal groups are one galaxy each
        tolerances = gate.promotion.calibration.model_dump()
        tested = _Tested(candidate, terms, gate.measure(terms, {*ERRORS, *tolerances}))
        size = _size_checks(gate.promotion, n, allowed=small_test_set)
        margin = None if size else gate.promotion.margin
        others = (
            *_limit_checks(gate, tested),
            *calibration_checks(tested.metrics, tolerances, n=n),
            *_champion_checks(gate, tested, champion, margin, new_test_set),
        )
        checks = (test, *size, smoke.result(), *others)
    return replace(decision, checks=checks, metrics=tested.metrics.values)


@dataclass(frozen=True, eq=False)
class _Tested:
    """A candidate on its test galaxies."""

    version: Version
    terms: GalaxyTerms
    metrics: Measured


def _size_checks(promotion: PromotionConfig, n: int, *, allowed: bool) -> list[Check]:
    """Line for a test set in which a loss within the margin cannot be told from chance."""
    fewest = promotion.smallest_test_set
    if n >= fewest:
        return []
    words = (
        f"{n:,}, too few to judge whether CRPS is within {100 * promotion.margin:g} % of a "
        f"champion's{'; not judged, as --small-test-set allows' if allowed else ''}"
    )
    expected = f"at least {fewest:,} independent ones, or --small-test-set"
    return [Check("test", SMALL, words, expected, allowed)]


def _limit_checks(gate: Gate, tested: _Tested) -> list[Check]:
    """Hold the candidate's errors against their limits, and say where those come from."""
    try:
        limits, words = limits_of(gate, tested.version, tested.terms)
    except IntegrityError as error:
        return [Check("limits", "Limits", str(error), _LIMITS, False)]
    source = Check("limits", "Limits", words, _LIMITS, True)
    return [source, *limit_checks(tested.metrics, limits)]


def _without_test_galaxies(digest: str) -> Check:
    words = (
        f"digest {digest[:8]}: not in data/splits/full.h5 or finetuned/*/split.h5"
        if digest
        else "no tag test_digest (`dvc repro register` adds it to versions of today's models)"
    )
    return Check("test", "Test galaxies", words, _HELD_OUT, False)


def _without_predictions(gate: Gate, version: Version, error: Exception) -> str:
    """Say why a version has no predictions that can be read, and how it gets them."""
    return (
        f"{error}; `dvc repro register` adds them where the pool and its predictions, which only a "
        f"training writes, are here; if they are not, {way_back(gate.root, place(version))}"
    )


def _champion_checks(
    gate: Gate,
    tested: _Tested,
    champion: Version | None,
    margin: float | None,
    new_test_set: bool,
) -> list[Check]:
    if champion is None:
        return [Check("champion", "Champion", "none yet", "none, or no loss", True)]
    try:
        of_champion = champion_terms(gate.store, tested.version, champion)
    except IntegrityError as error:
        words = _without_predictions(gate, champion, error)
        return [_incomparable("Champion", words, new_test_set)]
    if of_champion is None or not same_galaxies(of_champion, tested.terms):
        known = champion.test_digest[:8] or "not known"
        words = f"{champion.label} was tested on others (digest {known})"
        return [_incomparable("Same test galaxies", words, new_test_set)]
    digest = tested.version.test_digest
    seeds = seed_metrics(tested.version, digest), seed_metrics(champion, digest)
    measured = gate.measure(of_champion, ERRORS)
    return champion_checks(tested.metrics, measured, seeds, margin=margin)


def _incomparable(name: str, words: str, new_test_set: bool) -> Check:
    """Line for a champion that the candidate cannot be held against."""
    allowed = "; not compared, as --new-test-set allows" if new_test_set else ""
    return Check("champion", name, words + allowed, "comparable, or --new-test-set", new_test_set)
