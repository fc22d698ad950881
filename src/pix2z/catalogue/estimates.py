"""Redshifts of every galaxy of an open raw file, and what is known of model and input.

A batch of stamps is in memory at a time, whatever the size of the file.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from pix2z.catalogue.estimator import Estimator
from pix2z.dataset.batches import one_ahead
from pix2z.files import as_text, file_digest
from pix2z.ingest.raw import RawSurvey
from pix2z.redshift_pdf.flags import IMAGE_FLAG_MEANINGS, in_words
from pix2z.redshift_pdf.redshifts import Redshifts

__all__ = [
    "input_facts",
    "model_facts",
    "predict_survey",
    "stamps_in_batches",
    "table_facts",
]

MOST_DIGESTED_BYTES = 2**30
"""An input of at most this size gets a digest: it is read in a second or two."""


def stamps_in_batches(
    survey: RawSurvey, *, ebv: float | None = None, batch_rows: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]]:
    """Yield (rows, images, E(B-V)) as the file has them, in its order, every row once.

    Parameters
    ----------
    ebv : E(B-V) in magnitudes of all galaxies; None takes each galaxy's own from the file.
    batch_rows : stamps in memory at a time.
    """
    n = len(survey.table)
    of_all = survey.table.ebv if ebv is None else np.full(n, ebv, np.float32)
    for start in range(0, n, batch_rows):
        stop = min(start + batch_rows, n)
        yield np.arange(start, stop), survey.read_images(start, stop), of_all[start:stop]


def predict_survey(
    estimator: Estimator, survey: RawSurvey, *, ebv: float | None = None, batch_rows: int = 1024
) -> Iterator[tuple[NDArray[np.int64], Redshifts]]:
    """Yield (rows, their redshifts) in the file's order; options as `stamps_in_batches` has them.

    While a batch is written, the next one is estimated, and the one after that is read: three are
    in memory. A galaxy without a pixel left in any band gets NaN for PDF and redshifts, and
    `ImageFlag.BLANK`.
    """
    batches = one_ahead(stamps_in_batches(survey, ebv=ebv, batch_rows=batch_rows))
    yield from one_ahead(
        (rows, estimator.estimate(images, of_rows)) for rows, images, of_rows in batches
    )


def table_facts(
    estimator: Estimator, survey: RawSurvey, *, ebv: float | None = None, with_digest: bool = True
) -> Mapping[str, str]:
    """Model, input and meaning of the flags, for the metadata of a table of redshifts.

    Every value is text, some of it JSON.

    Parameters
    ----------
    ebv : the E(B-V) given to all galaxies, or None where each has its own.
    with_digest : of the input; see `input_facts`.
    """
    facts = {
        **model_facts(estimator),
        **input_facts(survey, ebv=ebv, with_digest=with_digest),
        "units": "redshifts have none",
    }
    return {f"pix2z.{key}": value for key, value in facts.items()}


def model_facts(estimator: Estimator) -> dict[str, str]:
    """Which model it is, the bins of its PDFs and the meaning of its flags; as `table_facts`."""
    return {
        "model_digest": estimator.digest,
        "arm": estimator.arm,
        "grid": json.dumps(asdict(estimator.grid)),
        "flags": in_words(IMAGE_FLAG_MEANINGS),
    }


def input_facts(
    survey: RawSurvey, *, ebv: float | None = None, with_digest: bool = True
) -> dict[str, str]:
    """Version of pix2z, and what is known of the file that was read; as `table_facts`.

    with_digest : of an input of at most `MOST_DIGESTED_BYTES`.
    """
    facts = {
        "version": version("pix2z"),
        "input": as_text(survey.path.name),
        "input_source": survey.source,
        "input_layout": survey.layout,
        "input_converted": json.dumps(dict(survey.converted)),
        "input_columns_from": json.dumps(dict(survey.table.origin)),
        "ebv": survey.table.origin["ebv"] if ebv is None else f"{ebv:g} mag for every galaxy",
    }
    paths = [path for file in survey.files for path in file.paths]
    if with_digest and sum(path.stat().st_size for path in paths) <= MOST_DIGESTED_BYTES:
        digests = {path.name: file_digest(path) for path in paths}
        facts["input_sha256"] = json.dumps(digests)
    return facts
