"""Raw files of fifty galaxies, and what ingest makes of them; twelve galaxies in every layout."""

import numpy as np
import pytest

from pix2z.config.ingest import Hdf5Mapping
from pix2z.ingest.galaxies import ingest
from pix2z.ingest.source import open_source
from tests.ingest.layout_files import (
    USER_KEYS,
    first_galaxies,
    raw_content,
    write_hdf5,
    write_layout,
)


@pytest.fixture
def raw():
    """Content of a raw file, free to be changed before it is written."""
    return raw_content()


@pytest.fixture
def write_raw(tmp_path):
    """Return a function that writes content to a raw file and returns its path."""
    return lambda content, name="raw.h5", **attributes: write_hdf5(
        tmp_path / name, content, **attributes
    )


@pytest.fixture
def write_npz(tmp_path):
    """Return a function that writes name -> array as npz."""

    def write_file(arrays, *, name="raw.npz", compressed=False):
        (np.savez_compressed if compressed else np.savez)(tmp_path / name, **arrays)
        return tmp_path / name

    return write_file


@pytest.fixture
def run_ingest(tmp_path):
    """Return a function that ingests a raw file and returns path and report."""

    def run(path, *, name="galaxies.h5", layout="sdss32", chunk_rows=16, **options):
        limits = {"z_min": 0.0, "z_max": 0.4, "duplicate_radius_arcsec": 2.0}
        output = tmp_path / name
        return output, ingest(
            path, output, layout=layout, chunk_rows=chunk_rows, **limits, **options
        )

    return run


@pytest.fixture
def galaxies_path(raw, write_raw, run_ingest):
    """A galaxies.h5 of 50 rows."""
    return run_ingest(write_raw(raw))[0]


@pytest.fixture
def galaxies():
    """Stamps and columns of the first 12 galaxies."""
    return first_galaxies(12)


@pytest.fixture
def written(galaxies, tmp_path):
    """Return a function that writes the galaxies in a layout; `dropped` columns are left out."""

    def write(layout, *, dropped=()):
        kept = {name: values for name, values in galaxies.items() if name not in dropped}
        return write_layout(
            tmp_path / ("raw.npz" if layout == "pasquet" else "raw.h5"), layout, kept
        )

    return write


@pytest.fixture
def opened(written):
    """Return a function that writes the galaxies in a layout and opens them."""

    def open_layout(layout, *, dropped=(), ebv_key=None):
        keys = {role: key for role, key in USER_KEYS.items() if key[4:] not in dropped}
        mapping = Hdf5Mapping(images="pix/stamps", unit="nanomaggy", **keys)
        mapping = mapping if layout == "hdf5" else None
        path = written(layout, dropped=dropped)
        return open_source(path, layout=layout, mapping=mapping, ebv_key=ebv_key)

    return open_layout
