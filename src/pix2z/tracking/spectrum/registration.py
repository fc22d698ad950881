"""Bring the store in step with the spectrum networks: each run and version exactly once."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pix2z.config.arms import SPECTRUM_MODEL
from pix2z.errors import IntegrityError
from pix2z.files import file_digest
from pix2z.tracking.live import end_abandoned
from pix2z.tracking.pipeline_record import read_lock
from pix2z.tracking.registry import ensure_versions
from pix2z.tracking.runs import ensure_runs
from pix2z.tracking.spectrum.card import spectrum_model_record
from pix2z.tracking.spectrum.networks import (
    MODELS,
    SpectrumNetwork,
    read_network,
    read_report,
)
from pix2z.tracking.spectrum.records import assessment_record, network_record
from pix2z.tracking.store import Store

__all__ = ["register_spectrum"]

_SHARED_TAGS = ("galaxies_digest", "spectra_digest", "test_digest")


def register_spectrum(
    store: Store, root: Path, arms: Iterable[str], *, code_tags: Mapping[str, str]
) -> int:
    """Register every trained spectrum network and their assessment; return how many networks.

    An arm without spectrum/models/<arm>/spectrum.json is passed over.

    Raises
    ------
    IntegrityError
        The files of a network are not those that it was saved with.
    """
    report, lock = read_report(root), read_lock(root / "dvc.lock")
    names = [name for name in arms if (root / MODELS / name / "spectrum.json").exists()]
    networks = [read_network(root, name, report=report, lock=lock) for name in names]
    if not networks:
        return 0
    for network in networks:
        _check(network)
    records = [network_record(network) for network in networks]
    ids = ensure_runs(store, SPECTRUM_MODEL, records, code_tags=code_tags)
    end_abandoned(store, records, experiment=SPECTRUM_MODEL)
    pairs = zip(networks, records, strict=True)
    ensure_versions(store, [spectrum_model_record(n, run, run_id=ids[run.key]) for n, run in pairs])
    _ensure_aliases(store, [network.name for network in networks])
    if report:
        shared = {key: networks[0].tags[key] for key in _SHARED_TAGS if key in networks[0].tags}
        record = assessment_record(root, report, shared)
        ensure_runs(store, SPECTRUM_MODEL, [record], code_tags=code_tags)
    return len(networks)


def _check(network: SpectrumNetwork) -> None:
    """Refuse files that the served model would refuse."""
    for file, key in (("weights.weights.h5", "weights_sha256"), ("basis.h5", "basis_sha256")):
        path = network.folder / file
        if file_digest(path) != network.saved[key]:
            raise IntegrityError(f"{path}: does not match the digest in spectrum.json")


def _ensure_aliases(store: Store, arms: Sequence[str]) -> None:
    """Let the alias of each arm be on its newest version."""
    client = store.client
    aliases = client.get_registered_model(SPECTRUM_MODEL).aliases
    versions = client.search_model_versions(f"name = '{SPECTRUM_MODEL}'")
    for arm in arms:
        newest = max(int(v.version) for v in versions if v.tags.get("arm") == arm)
        if str(aliases.get(arm)) != str(newest):
            client.set_registered_model_alias(SPECTRUM_MODEL, arm, str(newest))
