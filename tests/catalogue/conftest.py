"""Surveys that exist in memory only, and an estimator that reads the redshift off a pixel."""

import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from pix2z.catalogue.estimates import predict_survey
from pix2z.catalogue.tables import write_catalogue
from pix2z.dataset.stamps import clean_stamps
from pix2z.ingest.raw import RawFile, RawSurvey, RawTable
from pix2z.redshift_pdf.calibration import Temperature
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.redshifts import COLUMNS, image_flags, redshifts


class PixelReader:
    """Gives a galaxy whose every pixel is x a PDF with nearly all in the bin of redshift x."""

    grid = RedshiftGrid(0.0, 0.4, 40)

    def __init__(self):
        self.seen_ebv = []

    def estimate(self, images, ebv=None):
        images, ebv = clean_stamps(images, ebv)
        self.seen_ebv.append(ebv)
        measured = ~np.isnan(images)
        total = np.where(measured, images, 0).sum(axis=(1, 2, 3))
        z = total / np.maximum(measured.sum(axis=(1, 2, 3)), 1)
        density = np.full((len(z), self.grid.n_bins), 1e-6)
        density[np.arange(len(z)), self.grid.bin_index(z)] = 1 / self.grid.width
        flags = image_flags(images, ebv)
        return redshifts(density, Temperature(1.0), grid=self.grid, flags=flags)


def table_of(n, **columns):
    index = np.arange(n)
    values = {
        "z_spec": np.full(n, np.nan, np.float32),
        "z_error": np.full(n, np.nan, np.float32),
        "object_id": 10**18 + 7 * index,
        "group_id": index,
        "ra": np.full(n, np.nan),
        "dec": np.full(n, np.nan),
        "ebv": np.full(n, 0.02, np.float32),
        "seeing": np.full((n, 5), np.nan, np.float32),
        "moved": np.zeros(n, np.uint8),
        "has_redshifts": False,
        "has_ids": True,
        "has_positions": False,
        "origin": {"ebv": "e_bv", "object_id": "ObjID"},
    }
    return RawTable(**values | columns)


def redshift_of(rows):
    """Centre of a bin of `PixelReader`, another one for each of 40 rows in turn."""
    return PixelReader.grid.centres[(7 * np.asarray(rows)) % 40]


def make_survey(n, *, alter=lambda rows, images: None, path="virtual.h5", **columns):
    """Make a survey of n galaxies that is in no file; `alter` may change the stamps."""

    def read_images(start, stop):
        rows = np.arange(start, stop)
        images = np.empty((len(rows), 32, 32, 5), np.float32)
        images[:] = redshift_of(rows)[:, None, None, None]
        alter(rows, images)
        return images

    return RawSurvey(
        path=Path(path),
        layout="sdss32",
        files=(RawFile(Path(path), n),),
        source="virtual galaxies",
        table=table_of(n, **columns),
        converted={"unit": "nanomaggies"},
        read_images=read_images,
    )


def predict_and_write(
    out,
    *,
    n=100,
    pdf=None,
    metadata=None,
    advance=lambda done: None,
    columns=tuple(COLUMNS),
    **options,
):
    """Predict a virtual survey and write what is found."""
    survey, reader = make_survey(n, **options), PixelReader()
    return write_catalogue(
        predict_survey(reader, survey, batch_rows=32),
        survey.table,
        grid=reader.grid,
        out=out,
        pdf=pdf,
        metadata=metadata or {},
        advance=advance,
        columns=columns,
    )


@contextmanager
def largest_file(n_bytes):
    """Let no file grow beyond so many bytes, which stands in for a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def reader():
    return PixelReader()
