"""A version is put through the gate: measured beside the champion, and sent through as served."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
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
from pix2z.tracking.promotion.gate import (
    Check,
    calibration_checks,
    champion_checks,
    limit_checks,
    not_measured,
)
from pix2z.tracking.promotion.held_out import HeldOut, SmokeInput, smoke_input
from pix2z.tracking.promotion.measure import Measured, import_networks, measure
from pix2z.tracking.promotion.served import served_answers, served_check
from pix2z.tracking.promotion.versions import Version
from pix2z.tracking.store import Store

__all__ = ["Bench", "Judgement", "judge"]

Metrics = tuple[Mapping[str, float], Mapping[str, NDArray[np.float64]]]
"""Values by metric, and their values on the resamples that all versions share."""

_SPLITS = "data/splits/full.h5 or finetuned/*/split.h5"


@dataclass(frozen=True)
class Bench:
    """Where and by which limits versions are judged."""

    store: Store
    root: Path
    promotion: PromotionConfig
    evaluate: EvaluateConfig
    progress: Callable[[str], None]
    """Called with what is being done."""
    importing: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered while TensorFlow is imported."""

    def smoke(self, held_out: HeldOut) -> SmokeInput:
        """Galaxies for the smoke test."""
        return smoke_input(held_out, self.promotion.smoke_galaxies)

    def measure(self, version: Version, held_out: HeldOut) -> Measured:
        """Estimate the test galaxies with a version; raise IntegrityError where it is broken."""
        self.progress(f"estimating {len(held_out.rows):,} test galaxies with {version.label}")
        with self.importing():
            import_networks()
        return measure(self.store, version, held_out, self.smoke(held_out))

    def metrics(self, terms: GalaxyTerms) -> Metrics:
        """Every metric, and its values on the resamples."""
        n, seed = self.evaluate.n_bootstrap, self.evaluate.seed
        return metric_values(terms), bootstrap_replicates(terms, n_bootstrap=n, seed=seed)


@dataclass(frozen=True, eq=False)
class Judgement:
    """Lines of the gate, and what they were measured on."""

    checks: tuple[Check, ...]
    metrics: Mapping[str, float]
    """Of the candidate on the whole test set; empty where it could not be measured."""
    n: int
    """Test galaxies."""
    compared: bool
    """Whether the candidate was held against a champion."""


def judge(
    bench: Bench,
    candidate: Version,
    champion: Version | None,
    held_out: HeldOut | None,
    *,
    new_test_set: bool,
    measured: Measured | None = None,
) -> Judgement:
    """Put a candidate through every line of the gate.

    Parameters
    ----------
    held_out : the test galaxies of the candidate; None where they are not here.
    new_test_set : pass where the champion cannot be compared: it was tested on other galaxies, or
        is gone. Where it can be, it is.
    measured : of the candidate, where that was done before.
    """
    test = _test_check(candidate, held_out)
    if held_out is None:
        return _judgement([test, *_all_open(bench, ("served", "limits", "calibration"))])
    try:
        measured = measured or bench.measure(candidate, held_out)
    except IntegrityError as error:
        broken = served_check(str(error), {})
        return _judgement([test, broken, *_all_open(bench, ("limits", "calibration"))])
    metrics = bench.metrics(measured.terms)
    against = _champion_checks(bench, candidate, champion, held_out, metrics, new_test_set)
    return Judgement(
        checks=(
            test,
            _served(bench, candidate, held_out, measured),
            *limit_checks(*metrics, bench.promotion.limits),
            *calibration_checks(*metrics, bench.promotion.calibration),
            *against,
        ),
        metrics=metrics[0],
        n=len(held_out.rows),
        compared=any("value" in check.numbers for check in against),
    )


def _judgement(checks: list[Check]) -> Judgement:
    return Judgement(tuple(checks), {}, 0, compared=False)


def _test_check(candidate: Version, held_out: HeldOut | None) -> Check:
    digest = candidate.test_digest
    if held_out is not None:
        words = f"{len(held_out.rows):,}, digest {digest[:8]}"
    elif digest:
        words = f"digest {digest[:8]}: not in {_SPLITS}"
    else:
        words = "no tag test_digest (`dvc repro` adds it to versions of today's models)"
    return Check("test", "Test galaxies", words, "here, not trained on", held_out is not None)


def _all_open(bench: Bench, kinds: tuple[str, ...]) -> list[Check]:
    limits, calibration = bench.promotion.limits, bench.promotion.calibration
    names = {
        "served": ["Served model"],
        "limits": [METRICS[metric].label for metric in limits.model_dump()],
        "calibration": [METRICS[metric].label for metric in calibration.model_dump()],
    }
    return [check for kind in kinds for check in not_measured(kind, names[kind])]


def _served(bench: Bench, candidate: Version, held_out: HeldOut, measured: Measured) -> Check:
    bench.progress(f"loading {candidate.label} as it would be served")
    try:
        answers = served_answers(bench.store.uri, candidate, bench.smoke(held_out))
    except IntegrityError as error:
        return served_check(str(error), measured.answers)
    return served_check(answers, measured.answers)


def _champion_checks(
    bench: Bench,
    candidate: Version,
    champion: Version | None,
    held_out: HeldOut,
    metrics: Metrics,
    new_test_set: bool,
) -> list[Check]:
    if champion is None:
        return [Check("champion", "Champion", "none yet", "none, or no loss", True)]
    if champion.test_digest != candidate.test_digest:
        known = champion.test_digest[:8] or "not known"
        words = f"{champion.label} was tested on others (digest {known})"
        return [_incomparable("Same test galaxies", words, new_test_set)]
    try:
        measured = bench.measure(champion, held_out)
    except IntegrityError as error:
        return [_incomparable("Champion", str(error), new_test_set)]
    return champion_checks(metrics, bench.metrics(measured.terms), bench.promotion.no_loss)


def _incomparable(name: str, words: str, new_test_set: bool) -> Check:
    """Line for a champion that the candidate cannot be held against."""
    allowed = "; not compared, as --new-test-set allows" if new_test_set else ""
    return Check("champion", name, words + allowed, "comparable, or --new-test-set", new_test_set)
