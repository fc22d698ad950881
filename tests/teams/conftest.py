"""What MLflow says about itself is ignored here as in tests/tracking."""

from tests.tracking.conftest import pytest_configure

__all__ = ["pytest_configure"]
