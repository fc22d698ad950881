"""The fixtures of tests/tracking, tests/tracking/promotion and tests/tuning, on PostgreSQL.

Run by `make test-services`, not by `make test`. The modules here collect the same tests once more.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.tracking", "tests.tuning")

from tests.services import postgres  # noqa: E402
from tests.tracking.conftest import ARMS, arms, retrain, write_files  # noqa: E402
from tests.tracking.promotion.conftest import aliases, propose_it  # noqa: E402

__all__ = ["aliases", "arms", "propose_it", "retrain"]


HERE = Path(__file__).parent
LEFT_OPEN = "ignore:<psycopg.Connection:ResourceWarning"
"""MLflow and Optuna let go of engines without closing their connections."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.filterwarnings(LEFT_OPEN))


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    """A server with nothing in it."""
    why = postgres.install()
    assert why is None, why
    with postgres.running() as running:
        yield running


@pytest.fixture(autouse=True)
def disconnected(server: postgres.Server) -> Iterator[None]:
    """MLflow keeps the connections to every database of a process: the server has not so many."""
    yield
    server.disconnect()


@pytest.fixture(scope="session")
def empty_database(server: postgres.Server) -> str:
    """Name of a database that holds an empty store."""
    from mlflow import MlflowClient

    name = server.create()
    MlflowClient(server.uri(name)).search_experiments()
    server.disconnect(name)
    return name


@pytest.fixture
def root(
    tmp_path: Path, server: postgres.Server, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The folder, with an empty store of its own in PostgreSQL."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri(server.create(empty_database)))
    write_files(tmp_path)
    return tmp_path


@pytest.fixture
def client(root: Path):
    from mlflow import MlflowClient

    from pix2z.tracking.store import tracking_uri

    return MlflowClient(tracking_uri())


@pytest.fixture(scope="session")
def registered(
    tmp_path_factory: pytest.TempPathFactory, server: postgres.Server, empty_database: str
) -> str:
    """Name of a database whose store holds both arms."""
    from pix2z.tracking.register import register

    folder, name = tmp_path_factory.mktemp("registered"), server.create(empty_database)
    write_files(folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DVC_ROOT", str(folder))
        patched.setenv("MLFLOW_TRACKING_URI", server.uri(name))
        register(folder, ARMS)
    server.disconnect(name)
    return name


@pytest.fixture
def store(root: Path, server: postgres.Server, registered: str, monkeypatch: pytest.MonkeyPatch):
    """pix2z-full/1 and pix2z-published_full/1 are registered, nothing is promoted."""
    from pix2z.tracking.store import open_store

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri(server.create(registered)))
    return open_store()


@pytest.fixture
def dump(server: postgres.Server) -> Callable[[], list[str]]:
    """Return the whole store as SQL."""
    from pix2z.tracking.store import tracking_uri

    def everything() -> list[str]:
        name = tracking_uri().rpartition("@/")[2].partition("?")[0]
        lines = server.run("pg_dump", "--inserts", name).splitlines()
        return [line for line in lines if not line.startswith(("\\restrict", "\\unrestrict"))]

    return everything


@pytest.fixture
def url(server: postgres.Server) -> str:
    """Where a study can be kept."""
    return server.uri(server.create())
