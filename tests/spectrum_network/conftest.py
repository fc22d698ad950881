"""Shared with the networks: the grid and small settings."""

from tests.network.conftest import grid, hybrid  # noqa: F401
