"""What a person calls a model -> the folder of its networks, or a version in MLflow's registry.

Every command finds models through this module, so that all take the same names: an arm or a
fine-tuned model (``full``), a folder, a version (``pix2z-full/3``, ``models:/pix2z@champion``).
MLflow is imported only where the registry is asked, so that an arm in models/ is found at once.
"""

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from filelock import FileLock

from pix2z.errors import InputError, IntegrityError, Pix2zError
from pix2z.files import cache_folder, read_json, text_digest
from pix2z.tracking.checkout import HOME, find_root, models_home
from pix2z.tracking.kinds import POOLS, SPECTRA, Kind
from pix2z.tracking.versions import (
    CHAMPION,
    FINETUNED,
    PRODUCTION,
    Version,
    find_version,
    newest,
    read_versions,
    with_alias,
)

if TYPE_CHECKING:
    from pix2z.tracking.store import Store

__all__ = [
    "DEFAULT_ARM",
    "SHIPPED",
    "SHIPPED_LEARNED",
    "SHIPPED_NOUN",
    "STUDENT",
    "default_model",
    "download",
    "find_registered",
    "resolve_model",
    "resolve_pool",
]

DEFAULT_ARM = "full"
"""What commands take where no model is named and none is champion."""

STUDENT = "student"
"""The network that comes with the package, and what `make student` makes of a pool here."""

SHIPPED = Path(__file__).parents[1] / STUDENT
"""Its folder in the package: one network, in its ONNX form."""

SHIPPED_NOUN = "the network that comes with pix2z"
SHIPPED_LEARNED = "It learned from images drawn of real SDSS galaxies, not from real images."
"""What its estimator.json says of its training, in a sentence."""

_URI = "models:/"
_VERSION = r"(/\d+|/latest|@[^/@]+)"
_PINNED = re.compile(rf"{_URI}.*|{PRODUCTION}(-[^/@]+)?{_VERSION}")
_NAME = re.compile(rf"({FINETUNED}/)?[^/@]+{_VERSION}?")


def default_model(kind: Kind = POOLS, *, shipped: bool = True) -> tuple[str, str]:
    """Return the model that is taken where none is named, and one line that says so.

    It is the champion where the store has one, else the arm `full`, else, where that is neither
    trained here nor registered, the student that comes with the package; there is none for spectra.
    A store is not asked where MLflow is not installed, and the line says so.

    Parameters
    ----------
    shipped : whether the student may be taken.

    Raises
    ------
    Pix2zError
        There is a store, and it cannot be read.
    """
    champion, registered, not_asked = None, None, ""
    if _has_store() and find_spec("mlflow") is None:
        not_asked = " The registry could not be asked: mlflow is not installed."
    elif _has_store():
        from pix2z.tracking.store import existing_store

        with existing_store() as store:
            versions = read_versions(store.client, digest_tag=kind.digest_tag)
            champion = with_alias(versions, CHAMPION, kind.production)
            registered = newest(versions, f"{PRODUCTION}-{DEFAULT_ARM}")
    if champion is not None:
        copied = f", a copy of {champion.source}" if champion.source != champion.label else ""
        return champion.uri, f"No --model given: the champion is taken, {champion.label}{copied}."
    home = models_home()
    if kind is SPECTRA or not shipped or registered or _folder(DEFAULT_ARM, kind, home):
        none = "no spectrum model is champion" if kind is SPECTRA else "there is no champion"
        known = "" if not_asked else f", and {none}"
        return DEFAULT_ARM, f"No --model given{known}: {DEFAULT_ARM} is taken.{not_asked}"
    none = f"there is no {DEFAULT_ARM} here" if _trained(kind, home) else "none trained here"
    own = _folder(STUDENT, kind, home)
    taken = f"{own} is taken." if own else f"{SHIPPED_NOUN} ({STUDENT}) is taken. {SHIPPED_LEARNED}"
    return STUDENT, f"No --model given and {none}: {taken}{not_asked}"


def _has_store() -> bool:
    """Whether there is a registry to ask: one is named, or mlflow.db is in the checkout."""
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return True
    root = find_root()
    return root is not None and (root / "mlflow.db").is_file()


def resolve_pool(spec: str, *, root: Path | None = None) -> Path:
    """Return the folder of the pool that `spec` names; see `resolve_model`."""
    return resolve_model(spec, POOLS, root=root)


def resolve_model(spec: str, kind: Kind, *, root: Path | None = None) -> Path:
    """Return the folder of the networks that `spec` names.

    Parameters
    ----------
    spec : the name of an arm (``full``: models/full) or of a fine-tuned model (``myfield`` or
        ``finetuned/myfield``), ``student``, a folder, or a version in MLflow's registry
        (``models:/pix2z-full/3``, ``pix2z@champion``), which is downloaded once into a cache.
        A name that is in no folder here is looked up in the registry too.
    root : the checkout; None for that of `checkout.models_home`.

    Raises
    ------
    InputError
        Nothing of that name, or a model of another kind; the message lists what there is.
    Pix2zError
        The store of MLflow cannot be reached, or the model is gone from it.
    """
    home = models_home() if root is None else root
    folder = _folder(spec, kind, home)
    if folder is not None:
        return folder
    if spec == STUDENT and kind is POOLS:
        return SHIPPED
    if _PINNED.fullmatch(spec) and not _is_of_spectra(spec, kind):
        return _registered_folder(spec, kind)
    if _NAME.fullmatch(spec) and _has_store():
        with suppress(InputError):
            return _registered_folder(spec, kind)
    other = POOLS if kind is SPECTRA else SPECTRA
    if _is_of_spectra(spec, kind) or _folder(spec, other, home):
        fault = f"is a {other.noun}, which {other.command} takes"
    else:
        fault = "not found"
    raise InputError(f"{kind.noun} {spec!r}: {fault}; {_expected(kind, home)}")


def _is_of_spectra(spec: str, kind: Kind) -> bool:
    """Whether a version of the spectrum networks is named where another kind is wanted."""
    return kind is not SPECTRA and bool(re.match(rf"({_URI})?{SPECTRA.production}[/@]", spec))


def _folder(spec: str, kind: Kind, home: Path) -> Path | None:
    """Return the folder here that `spec` names: in the checkout, from here, or from its root."""
    named = (*(home / at / spec for at in kind.folders), Path(spec), home / spec)
    return next((path for path in named if spec and (path / kind.saved).is_file()), None)


def _expected(kind: Kind, home: Path) -> str:
    """Say what may be named here, in the words of an error."""
    known = _trained(kind, home)
    uri = f"{_URI}{kind.production}"
    ways = f"a folder with {kind.saved}, or a version in MLflow as {uri}/1 or {uri}@{CHAMPION}"
    return f"expected {'one of ' if known else ''}{', '.join([*known, ways])}{outside_words()}"


def _trained(kind: Kind, home: Path) -> list[str]:
    """Names of the models that were trained here."""
    return [
        path.parent.name if at != FINETUNED else f"{FINETUNED}/{path.parent.name}"
        for at in kind.folders
        for path in sorted((home / at).glob(f"*/{kind.saved}"))
    ]


def outside_words() -> str:
    """Say, to end an error, that models were looked for in no checkout; empty in one."""
    return "" if find_root() else f"; {Path.cwd()} is in no checkout: --repo or {HOME} names one"


def _registered_folder(spec: str, kind: Kind) -> Path:
    """Download the networks of a registered version, unless the cache holds them by digest."""
    from pix2z.tracking.store import existing_store

    is_alias = kind is SPECTRA and not re.search("[/@]", spec)
    named = f"{kind.production}@{spec}" if is_alias else spec
    with existing_store() as store:
        versions = read_versions(store.client, digest_tag=kind.digest_tag)
        version = find_version(versions, named)
        digest = version.tags[kind.digest_tag]
        # A folder name, whatever the tag holds.
        folder: Path = cache_folder() / "pools" / text_digest(digest)
        if not (folder / kind.saved).is_file():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_name(f"{folder.name}.lock")):
                _download_once(store, version, folder, kind)
    if read_json(folder / kind.saved).get("digest") != digest:
        raise Pix2zError(f"{folder}: not the {kind.noun} {spec}; delete the folder and try again")
    return folder


def _download_once(store: "Store", version: Version, folder: Path, kind: Kind) -> None:
    """Fill `folder` from a version, unless another process did so while this one waited."""
    if (folder / kind.saved).is_file():
        return
    with TemporaryDirectory(dir=folder.parent, prefix=".partial-") as scratch:
        copied = download(store, version, Path(scratch), kind, whole=False)
        shutil.rmtree(folder, ignore_errors=True)  # without its last file it is no model
        copied.replace(folder)


def find_registered(versions: Sequence[Version], spec: str) -> Version:
    """Find the version that a person means, also by the folder that it was registered from.

    Parameters
    ----------
    versions, spec : as `versions.find_version` has them; `spec` may be a folder of a pool too.

    Raises
    ------
    InputError
        There is none; the message says what there is.
    """
    home = models_home()
    folder = _folder(spec, POOLS, home) if "/" in spec else None
    if folder is None:
        if _is_of_spectra(spec, POOLS) or ("/" in spec and _folder(spec, SPECTRA, home)):
            raise InputError(
                f"model {spec!r}: is a {SPECTRA.noun}; expected a redshift network, as full"
            )
        return find_version(versions, spec)
    digest = read_json(folder / POOLS.saved).get("digest")
    same = [version for version in versions if version.pool_digest == digest]
    if not same:
        raise InputError(f"{folder}: not registered; `dvc repro register` registers it")
    return min(same, key=lambda version: version.name == PRODUCTION)


def download(
    store: "Store", version: Version, folder: Path, kind: Kind = POOLS, *, whole: bool = True
) -> Path:
    """Copy the files of a version into `folder`, and return where they lie.

    Weights are held against their digests when they are loaded: this needs no TensorFlow.

    Parameters
    ----------
    whole : the whole model as MLflow saved it, else its networks alone.

    Raises
    ------
    IntegrityError
        They are gone from the registry, or are others than were registered.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    from pix2z.tracking.store import reason

    try:
        model = store.client.get_model_version_download_uri(version.name, str(version.number))
        source = model if whole else f"{model}/{kind.files}"
        copied = Path(download_artifacts(source, dst_path=str(folder), tracking_uri=store.uri))
        described = read_json((copied / kind.files if whole else copied) / kind.saved)
    except (MlflowException, OSError, InputError) as error:
        raise IntegrityError(
            f"{version.label}: its artifacts are gone ({reason(error)})"
        ) from error
    digest = described.get("digest") if isinstance(described, dict) else None
    if digest != version.tags[kind.digest_tag]:
        raise IntegrityError(
            f"{version.label}: its files hold the {kind.noun} {digest}, not "
            f"{version.tags[kind.digest_tag]}, which was registered"
        )
    return copied
