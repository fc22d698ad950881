"""The version that is to be served, brought into a folder."""

from pathlib import Path

from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from pix2z.errors import InputError, IntegrityError, Pix2zError
from pix2z.files import read_json
from pix2z.tracking.store import Store, default_store
from pix2z.tracking.versions import (
    CHAMPION,
    PRODUCTION,
    Version,
    find_version,
    read_versions,
    with_alias,
)

__all__ = ["CHAMPION_URI", "fetch_version"]

CHAMPION_URI = f"models:/{PRODUCTION}@{CHAMPION}"


def fetch_version(store: Store, spec: str, folder: Path) -> tuple[Version, Path]:
    """Copy the model that `spec` names into `folder`; return its version and where it lies.

    Parameters
    ----------
    spec : as `find_version` takes it: an arm, or a version as ``pix2z-full/3`` or
        ``models:/pix2z@champion``.

    Raises
    ------
    InputError
        There is no such version.
    IntegrityError
        Its files hold another pool than was registered.
    Pix2zError
        Its files cannot be read.
    """
    versions = read_versions(store.client)
    if spec == CHAMPION_URI and with_alias(versions, CHAMPION) is None:
        raise InputError(
            f"{spec}: there is no champion yet; `pix2z promote` makes one, and --model ARM serves "
            "an arm without"
        )
    if not versions:
        raise InputError(f"model {spec!r}: no models are registered yet; run `make repro`")
    version = find_version(versions, spec)
    model = _download(store, version, folder)
    described = read_json(model / "artifacts/pool/pool.json")
    found = described.get("digest") if isinstance(described, dict) else None
    if found != version.pool_digest:
        raise IntegrityError(
            f"{version.label}: its files hold the pool {found}, not {version.pool_digest}, which "
            "was registered"
        )
    return version, model


def _download(store: Store, version: Version, folder: Path) -> Path:
    number = str(version.number)
    try:
        with default_store(store.uri):
            source = store.client.get_model_version_download_uri(version.name, number)
            return Path(download_artifacts(source, dst_path=str(folder), tracking_uri=store.uri))
    except (MlflowException, OSError) as error:
        raise Pix2zError(
            f"{version.label}: its files cannot be read ({_first_line(error)}); `pix2z doctor` "
            "says what to do"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
