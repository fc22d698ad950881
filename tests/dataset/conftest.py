"""Shared with ingest: raw files and the function that ingests them."""

from tests.ingest.conftest import galaxies_path, raw, run_ingest, write_raw  # noqa: F401
