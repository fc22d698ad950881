"""Where a shared study is kept; tests/services has another one."""

import pytest


@pytest.fixture
def url(tmp_path) -> str:
    """URL of a database that nobody has used yet."""
    return f"sqlite:///{tmp_path}/studies.db"
