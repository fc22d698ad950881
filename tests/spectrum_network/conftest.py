"""Shared with the networks: the grid and small settings."""

from tests.network.conftest import grid, hybrid, published_cnn  # noqa: F401
