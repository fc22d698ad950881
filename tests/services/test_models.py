"""The tests of pools by their name in the registry, on PostgreSQL."""

from tests.tracking.test_models import *  # noqa: F403
