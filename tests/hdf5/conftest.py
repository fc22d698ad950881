"""Shared with the layouts of ingest: galaxies in every layout."""

from tests.ingest.layouts.conftest import galaxies, mapping, write, write_npz, written  # noqa: F401
