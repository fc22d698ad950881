"""Shared with the networks and ingest: the grid, small settings, raw files."""

from tests.ingest.conftest import galaxies_path, raw, run_ingest, write_raw  # noqa: F401
from tests.network.conftest import grid, hybrid  # noqa: F401
