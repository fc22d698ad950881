"""Where the limits of a candidate's errors come from: never from results on its test galaxies.

A candidate is to be no worse than what is to be had without it. For an arm that is the arm named in
params.yaml (`promotion.limits.arm`), a network on what a catalogue has, on validation rows, which
no arm was trained on. For a fine-tuned model it is the pool that it went on from, on the same test
galaxies: nothing was chosen on those, and the comparison is paired.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from pix2z.config.evaluate import EvaluateConfig
from pix2z.config.promotion import LimitsConfig
from pix2z.errors import IntegrityError
from pix2z.evaluation.arm_galaxies import GalaxyTerms
from pix2z.evaluation.arm_metrics import Measured, measure
from pix2z.tracking.promotion.evidence import part_terms, same_galaxies
from pix2z.tracking.promotion.gate import ERRORS
from pix2z.tracking.store import Store
from pix2z.tracking.versions import PRODUCTION, Version, newest

__all__ = ["limits_of"]


def limits_of(
    store: Store,
    candidate: Version,
    terms: GalaxyTerms,
    versions: Sequence[Version],
    *,
    limits: LimitsConfig,
    evaluate: EvaluateConfig,
) -> tuple[Measured, str]:
    """Return the limits of a candidate's errors, and in words where they come from.

    Parameters
    ----------
    terms : of the candidate, on its test galaxies.
    versions : all of the registry.

    Raises
    ------
    IntegrityError
        What they come from is not there; the message says what to do.
    """
    if "base_pool_digest" in candidate.tags:
        return _of_base(store, candidate, terms, evaluate)
    numbers = {name: value for name in ERRORS if (value := getattr(limits, name)) is not None}
    wanted = [name for name in ERRORS if name not in numbers]
    measured, words = _fixed(numbers, evaluate.n_bootstrap), "params.yaml"
    if wanted:
        of_arm, source = _of_arm(store, candidate, versions, limits.arm, wanted, evaluate)
        measured = Measured(
            {**of_arm.values, **measured.values}, {**of_arm.replicates, **measured.replicates}
        )
        words = f"{source} (params.yaml: {', '.join(numbers)})" if numbers else source
    return measured, words


def _of_base(
    store: Store, candidate: Version, terms: GalaxyTerms, evaluate: EvaluateConfig
) -> tuple[Measured, str]:
    """Measure the pool that a candidate went on from, on the resamples of the candidate."""
    of_base = part_terms(store, candidate, ["test"], of_base=True)
    if not same_galaxies(of_base, terms):
        raise IntegrityError(f"{candidate.label}: its base predictions are of other galaxies")
    n_bootstrap, seed = evaluate.n_bootstrap, evaluate.seed
    measured = measure(of_base, n_bootstrap=n_bootstrap, seed=seed, only=ERRORS)
    return measured, "its base on the same galaxies"


def _of_arm(
    store: Store,
    candidate: Version,
    versions: Sequence[Version],
    arm: str,
    wanted: Collection[str],
    evaluate: EvaluateConfig,
) -> tuple[Measured, str]:
    """Measure the newest version of an arm that has the candidate's split, on validation rows."""
    of_split = [v for v in versions if v.test_digest == candidate.test_digest]
    version = newest(of_split, f"{PRODUCTION}-{arm}")
    if version is None:
        raise IntegrityError(
            f"no version of {PRODUCTION}-{arm} has the same split: train and register that arm "
            "(`dvc repro`), or give numbers in params.yaml (promotion.limits)"
        )
    terms = part_terms(store, version, ["validation"])
    # Draws of other galaxies are independent of those of the test galaxies: another seed.
    n_bootstrap, seed = evaluate.n_bootstrap, evaluate.seed + 1
    measured = measure(terms, n_bootstrap=n_bootstrap, seed=seed, only=wanted)
    return measured, f"{version.label} on {len(terms):,} validation galaxies"


def _fixed(numbers: Mapping[str, float], n_bootstrap: int) -> Measured:
    """Limits that have no chance in them."""
    constant = {name: np.full(n_bootstrap, value) for name, value in numbers.items()}
    return Measured(dict(numbers), constant)
