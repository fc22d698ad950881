"""What the gate reads: its settings, and what versions predicted for known redshifts.

The run of a pool holds, under ``predictions/``, its PDFs of validation, calibration and test
galaxies, written when the pool was trained, and predictions.json, which ties them to the digests of
that pool and of its test galaxies. The run of a fine-tuned pool also holds ``base_predictions/``:
what the pool that it went on from says of the same galaxies. So nothing is estimated here.

A candidate is held against the limits of its errors, and against the champion.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from pix2z.config.evaluate import EvaluateConfig
from pix2z.config.promotion import PromotionConfig
from pix2z.errors import InputError, IntegrityError
from pix2z.evaluation.arm_galaxies import GalaxyTerms, galaxy_terms
from pix2z.evaluation.arm_metrics import Measured, measure
from pix2z.redshift_pdf.predictions import PARTS_INDEX, Predictions, part_file
from pix2z.redshift_pdf.qp_files import read_prediction_chunks
from pix2z.tracking.promotion.gate import ERRORS, Seeds
from pix2z.tracking.store import Store, reason
from pix2z.tracking.trainings import SEED_METRICS
from pix2z.tracking.versions import PRODUCTION, Version, newest, read_versions

__all__ = [
    "Gate",
    "champion_terms",
    "fetched_parts",
    "limits_of",
    "open_gate",
    "part_chunks",
    "part_terms",
    "same_galaxies",
    "seed_metrics",
]


@dataclass(frozen=True)
class Gate:
    """Where versions are looked up, and the limits by which they are judged."""

    store: Store
    root: Path
    promotion: PromotionConfig
    evaluate: EvaluateConfig
    tell: Callable[[str], None]
    """Called with what is being done."""

    def measure(
        self, terms: GalaxyTerms, metrics: Collection[str], *, other_draws: bool = False
    ) -> Measured:
        """Measure some metrics, and on bootstrap resamples: the same ones for the same galaxies.

        Parameters
        ----------
        other_draws : of other galaxies, to be independent of the resamples of test galaxies.
        """
        seed = self.evaluate.seed + (1 if other_draws else 0)
        return measure(terms, n_bootstrap=self.evaluate.n_bootstrap, seed=seed, only=metrics)


def open_gate(store: Store, root: Path, tell: Callable[[str], None] = lambda _: None) -> Gate:
    """Return the gate of the repository in `root`, with the limits of its params.yaml."""
    params = root / "params.yaml"
    return Gate(store, root, PromotionConfig.read(params), EvaluateConfig.read(params), tell)


def part_terms(
    store: Store, version: Version, parts: Sequence[str], *, of_base: bool = False
) -> GalaxyTerms:
    """Read the terms of every metric for some parts, chunk by chunk; 100 bytes a galaxy are kept.

    Parameters
    ----------
    parts : of ``validation``, ``calibration`` and ``test``.
    of_base : what the pool that a fine-tuned version went on from says of the version's galaxies.

    Raises
    ------
    IntegrityError
        The version has no predictions, or they are of another pool or of other galaxies.
    """
    with fetched_parts(store, version, parts, of_base=of_base) as files:
        return galaxy_terms(part_chunks(files))


@contextmanager
def fetched_parts(
    store: Store, version: Version, parts: Sequence[str], *, of_base: bool = False
) -> Iterator[list[Path]]:
    """Download files of predictions for a while; parameters and errors as of `part_terms`."""
    base = "base_" if of_base else ""
    inside, tag = f"{base}predictions", f"{base}pool_digest"
    with TemporaryDirectory() as scratch:
        try:
            held = {file.path for file in store.client.list_artifacts(version.run_id, inside)}
            if f"{inside}/{PARTS_INDEX}" not in held:
                raise IntegrityError(f"{version.label} carries no {inside.replace('_', ' ')}")
            folder = download_artifacts(
                run_id=version.run_id,
                artifact_path=inside,
                dst_path=scratch,
                tracking_uri=store.uri,
            )
            yield [
                part_file(
                    Path(folder),
                    part,
                    pool_digest=version.tags[tag],
                    test_digest=version.test_digest,
                )
                for part in parts
            ]
        except (MlflowException, OSError) as error:
            raise IntegrityError(
                f"{version.label}: its predictions are gone ({reason(error)})"
            ) from error
        except (InputError, IntegrityError) as error:
            raise IntegrityError(str(error).replace(f"{scratch}/", f"{version.label}: ")) from error


def part_chunks(files: Iterable[Path]) -> Iterator[Predictions]:
    """Predictions of several files, one after the other, in chunks."""
    for file in files:
        yield from read_prediction_chunks(file)


def same_galaxies(one: GalaxyTerms, other: GalaxyTerms) -> bool:
    """Tell whether two versions speak of the same galaxies in the same order."""
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("object_id", "group_id")
    )


def limits_of(gate: Gate, candidate: Version, terms: GalaxyTerms) -> tuple[Measured, str]:
    """Return the limits of a candidate's errors, and in words where they come from.

    A candidate is to be no worse than what is to be had without it; nothing that was chosen by its
    results on test galaxies is a limit. For an arm that is the arm named in params.yaml
    (`promotion.limits.arm`), a network on what a catalogue has, on validation rows, which no arm
    was trained on. For a fine-tuned model it is the pool that it went on from, on the same test
    galaxies: nothing was chosen on those, and the comparison is paired.

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


def champion_terms(store: Store, candidate: Version, champion: Version) -> GalaxyTerms | None:
    """Return what the champion says of the candidate's test galaxies; None where nobody knows.

    A pool that was fine-tuned brings what its base says of its own galaxies.

    Raises
    ------
    IntegrityError
        As `part_terms`.
    """
    if champion.test_digest == candidate.test_digest:
        return part_terms(store, champion, ["test"])
    if candidate.tags.get("base_pool_digest") == champion.pool_digest:
        return part_terms(store, candidate, ["test"], of_base=True)
    return None


def seed_metrics(version: Version, test_digest: str) -> Seeds:
    """Return what each seed of a pool reached on these test galaxies; empty where not known."""
    is_known = version.test_digest == test_digest and SEED_METRICS in version.tags
    seeds: Seeds = json.loads(version.tags[SEED_METRICS]) if is_known else {}
    return seeds
