"""Creating what another process or machine may create at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException

__all__ = ["allowing_existing"]


@contextmanager
def allowing_existing() -> Iterator[None]:
    """Create something in MLflow in the block; what others have created meanwhile is no error."""
    try:
        yield
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
