"""The tests of live curves, on PostgreSQL."""

from tests.tracking.test_live import *  # noqa: F403
