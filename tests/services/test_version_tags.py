"""The tests of what a version says of itself, on PostgreSQL."""

from tests.tracking.test_version_tags import *  # noqa: F403
