"""Shared with the networks and ingest: the grid, small settings, raw files."""

import numpy as np
import pytest

from pix2z.dataset.store import Galaxies
from tests.ingest.conftest import galaxies_path, raw, run_ingest, write_raw  # noqa: F401
from tests.network.conftest import grid, hybrid  # noqa: F401


@pytest.fixture
def rows_read(monkeypatch) -> set[int]:
    """Rows of galaxies whose images were read since the test began."""
    read: set[int] = set()
    read_images = Galaxies.images

    def recorded(self, rows, out=None):
        read.update(np.asarray(rows).tolist())
        return read_images(self, rows, out)

    monkeypatch.setattr(Galaxies, "images", recorded)
    return read
