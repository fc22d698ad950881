from tests.network.conftest import trained_published  # noqa: F401
