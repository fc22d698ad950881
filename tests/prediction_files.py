"""Whole files of predictions; the package itself writes and reads them in chunks."""

from pathlib import Path

from pix2z.redshift_pdf.predictions import COLUMNS, Predictions, columns_of
from pix2z.redshift_pdf.qp_files import pdf_writer, read_prediction_chunks


def write_predictions(path: str | Path, predictions: Predictions) -> None:
    with pdf_writer(path, predictions.grid, n=len(predictions), columns=COLUMNS) as writer:
        writer.append(predictions.density, columns_of(predictions))


def read_predictions(path: str | Path) -> Predictions:
    (whole,) = read_prediction_chunks(path, chunk_rows=10**6)
    return whole
