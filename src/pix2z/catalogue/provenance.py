"""What a catalogue says of itself: the model, the input and the meaning of its columns."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from pix2z import __version__
from pix2z.catalogue.columns import FLAGS_IN_WORDS
from pix2z.files import file_digest
from pix2z.ingest.raw import RawSurvey

if TYPE_CHECKING:
    from pix2z.network.estimator import Estimator

__all__ = ["MOST_DIGESTED_BYTES", "input_facts", "provenance"]

MOST_DIGESTED_BYTES = 2**30
"""An input of at most this size gets a digest: it is read in a second or two."""


def provenance(
    estimator: "Estimator", survey: RawSurvey, *, ebv: float | None = None
) -> Mapping[str, str]:
    """Facts for the metadata of a table; every value is text, some of it JSON.

    Parameters
    ----------
    ebv : the E(B-V) given to all galaxies, or None where each has its own.
    """
    facts = {
        "model_digest": estimator.digest,
        "arm": str(estimator.members[0].record.get("arm", "unknown")),
        "grid": json.dumps(asdict(estimator.grid)),
        **input_facts(survey, ebv=ebv),
        "units": "redshifts have none",
        "flags": FLAGS_IN_WORDS,
    }
    return {f"pix2z.{key}": value for key, value in facts.items()}


def input_facts(survey: RawSurvey, *, ebv: float | None = None) -> dict[str, str]:
    """Version of pix2z, and what is known of the file that was read; as `provenance`."""
    facts = {
        "version": __version__,
        "input": survey.path.name,
        "input_source": survey.source,
        "input_layout": survey.layout,
        "input_converted": json.dumps(dict(survey.converted)),
        "input_columns_from": json.dumps(dict(survey.table.origin)),
        "ebv": survey.table.origin["ebv"] if ebv is None else f"{ebv:g} mag for every galaxy",
    }
    paths = [file.path for file in survey.files]
    if sum(path.stat().st_size for path in paths) <= MOST_DIGESTED_BYTES:
        digests = {path.name: file_digest(path) for path in paths}
        facts["input_sha256"] = json.dumps(digests)
    return facts
