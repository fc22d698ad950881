"""The tests of registration, on PostgreSQL."""

from tests.tracking.test_registration import *  # noqa: F403
