"""Where the limits of a candidate's errors come from: never from results on its test galaxies.

A candidate is to be no worse than what is to be had without it. For an arm that is the arm named in
params.yaml (`promotion.limits.arm`), a network on what a catalogue has, on validation rows, which
no arm was trained on. For a fine-tuned model it is the pool that it went on from, on the same test
galaxies: nothing was chosen on those, and the comparison is paired.
"""

from collections.abc import Collection

import numpy as np

from pix2z.errors import IntegrityError
from pix2z.evaluation.arm_galaxies import GalaxyTerms
from pix2z.evaluation.arm_metrics import Measured
from pix2z.tracking.promotion.evidence import Gate, part_terms, same_galaxies
from pix2z.tracking.promotion.gate import ERRORS
from pix2z.tracking.versions import PRODUCTION, Version, newest, read_versions

__all__ = ["limits_of"]


def limits_of(gate: Gate, candidate: Version, terms: GalaxyTerms) -> tuple[Measured, str]:
    """Return the limits of a candidate's errors, and in words where they come from.

    Parameters
    ----------
    terms : of the candidate, on its test galaxies.

    Raises
    ------
    IntegrityError
        What they come from is not there; the message says what to do.
    """
    if "base_pool_digest" in candidate.tags:
        return _of_base(gate, candidate, terms)
    limits = gate.promotion.limits
    numbers = {name: value for name in ERRORS if (value := getattr(limits, name)) is not None}
    wanted = [name for name in ERRORS if name not in numbers]
    n_bootstrap = gate.evaluate.n_bootstrap
    no_chance = {name: np.full(n_bootstrap, value) for name, value in numbers.items()}
    fixed = Measured(numbers, no_chance)
    if not wanted:
        return fixed, "params.yaml"
    of_arm, source = _of_arm(gate, candidate, wanted)
    measured = Measured(of_arm.values | fixed.values, of_arm.replicates | fixed.replicates)
    return measured, f"{source} (params.yaml: {', '.join(numbers)})" if numbers else source


def _of_base(gate: Gate, candidate: Version, terms: GalaxyTerms) -> tuple[Measured, str]:
    """Measure the pool that a candidate went on from, on the resamples of the candidate."""
    of_base = part_terms(gate.store, candidate, ["test"], of_base=True)
    if not same_galaxies(of_base, terms):
        raise IntegrityError(f"{candidate.label}: its base predictions are of other galaxies")
    return gate.measure(of_base, ERRORS), "its base on the same galaxies"


def _of_arm(gate: Gate, candidate: Version, wanted: Collection[str]) -> tuple[Measured, str]:
    """Measure the newest version of an arm that has the candidate's split, on validation rows."""
    versions = read_versions(gate.store.client)
    of_split = [v for v in versions if v.test_digest == candidate.test_digest]
    name = f"{PRODUCTION}-{gate.promotion.limits.arm}"
    version = newest(of_split, name)
    if version is None:
        raise IntegrityError(
            f"no version of {name} has the same split: train and register that arm "
            "(`dvc repro`), or give numbers in params.yaml (promotion.limits)"
        )
    terms = part_terms(gate.store, version, ["validation"])
    measured = gate.measure(terms, wanted, other_draws=True)
    return measured, f"{version.label} on {len(terms):,} validation galaxies"
