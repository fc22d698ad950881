"""What a version predicted for galaxies whose redshift is known, read from its run in MLflow.

The run of a pool holds, under ``predictions/``, its PDFs of validation, calibration and test
galaxies, written when the pool was trained, and predictions.json, which ties them to the digests of
that pool and of its test galaxies. The run of a fine-tuned pool also holds ``base_predictions/``:
what the pool that it went on from says of the same galaxies. So nothing is estimated here.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from pix2z.errors import InputError, IntegrityError
from pix2z.evaluation.arm_galaxies import GalaxyTerms, galaxy_terms
from pix2z.redshift_pdf.predictions import PARTS_INDEX, Predictions, part_file
from pix2z.redshift_pdf.qp_files import read_prediction_chunks
from pix2z.tracking.promotion.gate import Seeds
from pix2z.tracking.store import Store, reason
from pix2z.tracking.trainings import SEED_METRICS
from pix2z.tracking.versions import Version

__all__ = [
    "OF_BASE",
    "OWN",
    "champion_terms",
    "fetched_parts",
    "part_chunks",
    "part_terms",
    "same_galaxies",
    "seed_metrics",
]

OWN, OF_BASE = "predictions", "base_predictions"
"""Folders among the artifacts of a run: of its own pool, and of the one that it went on from."""


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
    inside, tag = (OF_BASE, "base_pool_digest") if of_base else (OWN, "pool_digest")
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


def seed_metrics(version: Version, test_digest: str, versions: Iterable[Version]) -> Seeds:
    """Return what each seed of a pool reached on these test galaxies; empty where not known.

    A version of `pix2z` that is older than the tag has it from the version that it is a copy of.

    Parameters
    ----------
    versions : all of the registry.
    """
    for known in (version, *versions):
        same = (known.pool_digest, known.test_digest) == (version.pool_digest, test_digest)
        if same and SEED_METRICS in known.tags:
            seeds: Seeds = json.loads(known.tags[SEED_METRICS])
            return seeds
    return {}
