"""What a version says of the test galaxies, measured on the pool that lies in the registry."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError, IntegrityError
from pix2z.evaluation.arm_galaxies import GalaxyTerms, galaxy_terms
from pix2z.tracking.promotion.held_out import HeldOut, SmokeInput
from pix2z.tracking.promotion.versions import Version
from pix2z.tracking.store import Store

__all__ = ["Answers", "Measured", "fetched_pool", "import_networks", "measure"]

Answers = dict[str, NDArray[np.float64]]
"""Columns of redshifts as they are served: name -> (n,)."""


@dataclass(frozen=True, eq=False)
class Measured:
    """One version on the test galaxies: terms of its metrics, and answers to the smoke input."""

    terms: GalaxyTerms
    answers: Answers


def import_networks() -> None:
    """Import TensorFlow, which takes seconds: done by nothing that does not measure."""
    import pix2z.network.predictions  # noqa: F401


def measure(store: Store, version: Version, held_out: HeldOut, smoke: SmokeInput) -> Measured:
    """Estimate the test galaxies, batch by batch; about 100 bytes per galaxy are kept.

    Raises
    ------
    IntegrityError
        The pool is gone from the registry, or is not what was registered.
    """
    from pix2z.network.estimator import load_pool
    from pix2z.network.predictions import predict_batches

    with fetched_pool(store, version) as folder:
        try:
            pool = load_pool(folder)
        except (InputError, OSError) as error:
            raise IntegrityError(f"{version.label}: its pool cannot be read ({error})") from error
    if pool.digest != version.pool_digest:
        raise IntegrityError(
            f"{version.label}: the pool in the registry is {pool.digest[:12]}, its tag pool_digest "
            f"says {version.pool_digest[:12]}"
        )
    with open_galaxies(held_out.galaxies) as galaxies:
        batches = predict_batches(pool, galaxies, held_out.rows)
        terms = galaxy_terms(batch["pool"] for batch in batches)
    return Measured(terms, _answers(pool.estimate(smoke.images, smoke.ebv)))


@contextmanager
def fetched_pool(store: Store, version: Version) -> Iterator[Path]:
    """Download the pool of a version for a while; raise IntegrityError where it is gone.

    Never from a cache: what is judged is what the registry holds now.
    """
    with TemporaryDirectory() as scratch:
        try:
            model = store.client.get_model_version_download_uri(version.name, str(version.number))
            found = download_artifacts(
                f"{model}/artifacts/pool", dst_path=scratch, tracking_uri=store.uri
            )
        except (MlflowException, OSError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise IntegrityError(f"{version.label}: its artifacts are gone ({reason})") from error
        yield Path(found)


def _answers(found: object) -> Answers:
    """Name the estimator's numbers as the served model names its columns."""
    names = ("z_median", "z_mean", "z_mode", "err68_low", "err68_high", "err95_low", "err95_high")
    columns = {name if name.startswith("z_") else f"z_{name}": name for name in names}
    return {column: np.asarray(getattr(found, name)) for column, name in columns.items()}
