"""Any file of images, as `spectra.write_reconstructions` wants it."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pix2z.catalogue.flags import SPECTRUM_FLAG_MEANINGS
from pix2z.catalogue.provenance import input_facts
from pix2z.catalogue.spectra import BATCH, PixelsToSpectra, Stamps
from pix2z.catalogue.stamps import usable_stamps
from pix2z.files import text_digest
from pix2z.ingest.raw import RawSurvey

__all__ = ["EBV_COLUMN", "spectrum_attributes", "stamps_of_survey"]

EBV_COLUMN: Mapping[str, Any] = {"ebv": np.float32}
"""E(B-V) in mag that spectra are corrected by; NaN where unknown."""

LONGEST_ATTRIBUTE = 30_000
"""Characters; HDF5 keeps at most 64 kB in an attribute."""


def stamps_of_survey(survey: RawSurvey, *, ebv: float | None = None) -> Iterator[Stamps]:
    """Yield all galaxies of a raw file as `write_reconstructions` wants them, with `EBV_COLUMN`.

    Parameters
    ----------
    ebv : E(B-V) of all galaxies, or None where each has its own.
    """
    for rows, images, known in usable_stamps(survey, ebv=ebv, batch_rows=BATCH):
        yield images, known, {"object_id": survey.table.object_id[rows], "ebv": known}


def spectrum_attributes(
    estimator: PixelsToSpectra, survey: RawSurvey, *, ebv: float | None = None
) -> Mapping[str, str]:
    """Facts for the attributes of a file of spectra: model, input, meaning of the flags.

    Parameters
    ----------
    ebv : the E(B-V) given to all galaxies, or None where each has its own.
    """
    facts = {
        "source": survey.source,
        "arm": str(estimator.record.get("arm", "unknown")),
        "targets": str(estimator.record.get("targets", "unknown")),
        **input_facts(survey, ebv=ebv),
        "flags": "; ".join(f"{bit}: {meaning}" for bit, meaning in SPECTRUM_FLAG_MEANINGS.items()),
    }
    too_long = {k: v for k, v in facts.items() if len(v) > LONGEST_ATTRIBUTE}
    return facts | {k: f"SHA-256 of this text: {text_digest(v)}" for k, v in too_long.items()}
