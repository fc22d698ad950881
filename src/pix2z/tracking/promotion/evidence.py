"""What a version predicted for galaxies whose redshift is known, read from its run in MLflow.

The run of a pool holds, under ``predictions/``, its PDFs of validation, calibration and test
galaxies, written when the pool was trained, and predictions.json, which ties them to the digests of
that pool and of its test galaxies. The run of a fine-tuned pool also holds ``base_predictions/``:
what the pool that it went on from says of the same galaxies. So nothing is estimated here.
"""

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
from pix2z.tracking.store import Store, reason
from pix2z.tracking.versions import Version

__all__ = ["OF_BASE", "OWN", "fetched_parts", "part_chunks", "part_terms", "same_galaxies"]

OWN, OF_BASE = "predictions", "base_predictions"
"""Folders among the artifacts of a run: of its own pool, and of the one that it went on from."""


def part_terms(
    store: Store, version: Version, parts: Sequence[str], *, base: Version | None = None
) -> GalaxyTerms:
    """Read the terms of every metric for some parts, chunk by chunk; 100 bytes a galaxy are kept.

    Parameters
    ----------
    parts : of ``validation``, ``calibration`` and ``test``.
    base : where given, what this version says of the galaxies of `version`, which went on from it.

    Raises
    ------
    IntegrityError
        The version has no predictions, or they are of another pool or of other galaxies.
    """
    with fetched_parts(store, version, parts, base=base) as files:
        return galaxy_terms(part_chunks(files))


@contextmanager
def fetched_parts(
    store: Store, version: Version, parts: Sequence[str], *, base: Version | None = None
) -> Iterator[list[Path]]:
    """Download files of predictions for a while; parameters and errors as of `part_terms`."""
    of_pool, inside = (base, OF_BASE) if base else (version, OWN)
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
                    pool_digest=of_pool.pool_digest,
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
