"""A candidate is put through the gate: its predictions, the champion's, and the smoke test."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.config.evaluate import EvaluateConfig
from pix2z.config.promotion import PromotionConfig
from pix2z.errors import IntegrityError
from pix2z.evaluation.arm_galaxies import GalaxyTerms
from pix2z.evaluation.arm_metrics import bootstrap_replicates, metric_values
from pix2z.evaluation.metric_names import METRICS
from pix2z.redshift_pdf.predictions import PARTS_INDEX
from pix2z.tracking.promotion.evidence import OWN, part_terms, same_galaxies
from pix2z.tracking.promotion.gate import (
    Check,
    calibration_checks,
    champion_checks,
    failing,
    limit_checks,
    not_measured,
)
from pix2z.tracking.promotion.smoke import HeldOut, find_held_out, smoke_test
from pix2z.tracking.promotion.trail import commit_that_names
from pix2z.tracking.store import Store
from pix2z.tracking.versions import Version, local_pool

__all__ = ["Decision", "Gate", "judge", "without_predictions"]

Metrics = tuple[Mapping[str, float], Mapping[str, NDArray[np.float64]]]
"""Values by metric, and their values on the resamples that all versions share."""

MOST_NAMED = 2
"""Lines of the gate that a refusal gives in full; the table has them all."""


@dataclass(frozen=True)
class Gate:
    """Where versions are looked up, and the limits by which they are judged."""

    store: Store
    root: Path
    promotion: PromotionConfig
    evaluate: EvaluateConfig
    tell: Callable[[str], None] = lambda _: None
    """Called with what is being done."""


@dataclass(frozen=True, eq=False)
class Decision:
    """What the gate says of a candidate, held against the champion."""

    candidate: Version
    champion: Version | None
    checks: tuple[Check, ...] = ()
    """None where the candidate is the champion already."""
    metrics: Mapping[str, float] | None = None
    """Of the candidate on its test galaxies, where it has predictions of them."""
    compared: bool = False
    """Whether the candidate was held against a champion."""

    @property
    def is_champion(self) -> bool:
        """Whether the champion is this very pool already."""
        champion = self.champion
        return champion is not None and champion.pool_digest == self.candidate.pool_digest

    @property
    def passed(self) -> bool:
        """Whether there are lines of the gate, and every one passed."""
        return bool(self.checks) and not failing(self.checks)

    @property
    def refusal(self) -> str:
        """The lines that failed, in one line: the first ones in full."""
        checks = failing(self.checks)
        failed = [check for check in checks if check.passed is False] or checks
        words = [check.sentence for check in failed[:MOST_NAMED]]
        if len(failed) > MOST_NAMED:
            words.append(f"and {len(failed) - MOST_NAMED} more")
        return f"{self.candidate.label} is refused: {'; '.join(words)}"


def judge(
    gate: Gate, candidate: Version, champion: Version | None, *, new_test_set: bool
) -> Decision:
    """Put a candidate through every line of the gate; nothing is written.

    Parameters
    ----------
    new_test_set : pass where the champion cannot be compared: it was tested on other galaxies, or
        has no predictions. Where it can be, it is.

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
    test = _test_check(candidate, held_out)
    gate.tell(f"reading what {candidate.label} predicted")
    try:
        terms = part_terms(gate.store, candidate, ["test"])
    except IntegrityError as error:
        missing = without_predictions(gate.root, candidate, str(error))
        return Decision(candidate, champion, (test, missing, *_all_open(gate.promotion)))
    with ThreadPoolExecutor(1) as aside:  # another process answers while this one resamples
        if held_out:
            gate.tell(f"loading {candidate.label} as it would be served")
            n = gate.promotion.smoke_galaxies
            smoke = aside.submit(smoke_test, gate.store, candidate, held_out, n=n)
        metrics = _metrics(gate, terms)
        against = _champion_checks(gate, candidate, champion, terms, metrics, new_test_set)
        served = [smoke.result()] if held_out else not_measured("served", ["Served model"])
    checks = (
        test,
        *served,
        *limit_checks(*metrics, gate.promotion.limits),
        *calibration_checks(*metrics, gate.promotion.calibration),
        *against,
    )
    compared = any("value" in check.numbers for check in against)
    return Decision(candidate, champion, checks, metrics[0], compared)


def without_predictions(root: Path, version: Version, reason: str) -> Check:
    """Return the line of a version without predictions that can be read: how to get them."""
    words = f"{reason}; {_way_to_predictions(root, version)}"
    return Check("test", "Predictions", words, "of its test galaxies", False)


def _way_to_predictions(root: Path, version: Version) -> str:
    """Say how the run of a version gets predictions, or that only another training makes them."""
    pool = local_pool(root, version.pool_digest)
    is_finetuned = "base_pool_digest" in version.tags
    if pool:
        index = (pool / OWN if is_finetuned else root / OWN / pool.name) / PARTS_INDEX
        if index.is_file():
            return "`dvc repro register` adds them"
    if is_finetuned:
        return "repeat pix2z finetune, which writes them"
    if pool:
        return f"{index.relative_to(root)} is missing, and only a training writes it"
    return f"its pool is not in models/ now: {_way_back(root, version)}"


def _way_back(root: Path, version: Version) -> str:
    """Say which commit brings a pool of an arm back, so that it can be registered again."""
    register = "`dvc repro -s register` adds them"
    if commit := commit_that_names(root, version.pool_digest):
        return f"`git checkout {commit[:12]}`, `dvc pull` and {register}"
    made_by = version.tags.get("git_commit", "")[:12]
    if not made_by:
        return register
    return (
        f"its code is that of commit {made_by}; in a later one whose dvc.lock holds the pool, "
        f"`dvc pull` and {register}"
    )


def _metrics(gate: Gate, terms: GalaxyTerms) -> Metrics:
    """Every metric, and on the resamples those that have a limit."""
    promotion, evaluate = gate.promotion, gate.evaluate
    limited = (*promotion.limits.model_dump(), *promotion.calibration.model_dump())
    drawn = bootstrap_replicates(
        terms,
        n_bootstrap=evaluate.n_bootstrap,
        seed=evaluate.seed,
        only={*limited, *promotion.no_loss},
    )
    return metric_values(terms), drawn


def _test_check(candidate: Version, held_out: HeldOut | None) -> Check:
    digest = candidate.test_digest
    if held_out is not None:
        words = f"{len(held_out.rows):,}, digest {digest[:8]}"
    elif digest:
        words = f"digest {digest[:8]}: not in data/splits/full.h5 or finetuned/*/split.h5"
    else:
        words = "no tag test_digest (`dvc repro register` adds it to versions of today's models)"
    return Check("test", "Test galaxies", words, "here, not trained on", held_out is not None)


def _all_open(promotion: PromotionConfig) -> list[Check]:
    """Every line that needs predictions, not measured."""
    lines = not_measured("served", ["Served model"])
    for kind in ("limits", "calibration"):
        metrics = getattr(promotion, kind).model_dump()
        lines += not_measured(kind, [METRICS[metric].label for metric in metrics])
    return lines


def _champion_checks(
    gate: Gate,
    candidate: Version,
    champion: Version | None,
    terms: GalaxyTerms,
    metrics: Metrics,
    new_test_set: bool,
) -> list[Check]:
    if champion is None:
        return [Check("champion", "Champion", "none yet", "none, or no loss", True)]
    try:
        of_champion = _champion_terms(gate, candidate, champion)
    except IntegrityError as error:
        line = without_predictions(gate.root, champion, str(error))
        return [_incomparable("Champion", line.measured, new_test_set)]
    if of_champion is None or not same_galaxies(of_champion, terms):
        known = champion.test_digest[:8] or "not known"
        words = f"{champion.label} was tested on others (digest {known})"
        return [_incomparable("Same test galaxies", words, new_test_set)]
    return champion_checks(metrics, _metrics(gate, of_champion), gate.promotion.no_loss)


def _champion_terms(gate: Gate, candidate: Version, champion: Version) -> GalaxyTerms | None:
    """Return what the champion says of the candidate's test galaxies; None where nobody knows.

    A pool that was fine-tuned brings what its base says of its own galaxies.
    """
    if champion.test_digest == candidate.test_digest:
        return part_terms(gate.store, champion, ["test"])
    if candidate.tags.get("base_pool_digest") == champion.pool_digest:
        return part_terms(gate.store, candidate, ["test"], base=champion)
    return None


def _incomparable(name: str, words: str, new_test_set: bool) -> Check:
    """Line for a champion that the candidate cannot be held against."""
    allowed = "; not compared, as --new-test-set allows" if new_test_set else ""
    return Check("champion", name, words + allowed, "comparable, or --new-test-set", new_test_set)
