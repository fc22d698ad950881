"""From the digest of data, weights or a pool to every version and run that was made from it."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlflow.entities import Run

from pix2z.errors import InputError
from pix2z.tracking.promotion.versions import Version
from pix2z.tracking.store import Store

__all__ = ["DigestLineage", "Match", "digest_lineage", "is_digest"]

FEWEST = 8
"""Characters of a digest that are taken for it."""

_FORM = re.compile(r"(?:(md5|sha256):)?([0-9a-f]+)(?:\.dir)?")

_KINDS = {
    "galaxies_digest": "galaxies",
    "split_digest": "split",
    "test_digest": "object ids of the test galaxies",
    "weights_digest": "weights",
    "pool_digest": "pool",
    "base_pool_digest": "pool that was fine-tuned",
    "pool_folder_digest": "folder of the pool",
    "spectra_digest": "spectra",
    "spectrum_digest": "spectrum network",
}
"""Tag with one digest -> what it is of."""
_LISTS = ("data_digests", "weights_digests")
"""Tags with several, as JSON."""

_PAGE = 1000


@dataclass(frozen=True)
class Match:
    """Something whose digest was asked for."""

    what: str
    """A path, or what it is."""
    digests: tuple[str, ...]
    """All that are known of it, each with its kind."""


@dataclass(frozen=True)
class MadeRun:
    """A run that was made from it."""

    run_id: str
    name: str
    experiment: str


@dataclass(frozen=True)
class DigestLineage:
    """Everything that was made from what has this digest."""

    digest: str
    """As it was asked for."""
    matches: tuple[Match, ...]
    versions: tuple[str, ...]
    """As ``pix2z-full/2``."""
    runs: tuple[MadeRun, ...]


def is_digest(text: str) -> bool:
    """Tell whether a text is a digest, or the start of one, by its form."""
    form = _FORM.fullmatch(text)
    return form is not None and (form[1] is not None or len(form[2]) >= FEWEST)


def digest_lineage(store: Store, digest: str, versions: Sequence[Version]) -> DigestLineage:
    """Find what was made from the data, weights or pool of a digest.

    Where a file is known by both MD5 and SHA-256, either finds what was recorded with the other.

    Parameters
    ----------
    store : with its experiments.
    digest : ``md5:...`` as in dvc.lock, ``sha256:...`` or the bare digest; its first eight
        characters are enough.
    versions : all of the registry.

    Raises
    ------
    InputError
        It is no digest, or nothing is recorded with it; the message says which data are.
    """
    form = _FORM.fullmatch(digest)
    if form is None or len(form[2]) < FEWEST:
        raise InputError(f"{digest!r}: expected at least {FEWEST} hexadecimal digits of a digest")
    runs = {run.info.run_id: run for run in _search(store, form[2])}
    matches = _matches(
        [*(run.data.tags for run in runs.values()), *(v.tags for v in versions)], form
    )
    if not matches:
        raise InputError(f"{digest}: nothing is recorded with it; {_known_data(versions)}")
    digests = {d for match in matches for d in match.digests}
    runs |= {run.info.run_id: run for d in digests for run in _search(store, _bare(d))}
    made = [run for run in runs.values() if _digests(run.data.tags) & digests]
    ids = {run.info.run_id for run in made}
    names = {number: name for name, number in store.experiments.items()}
    return DigestLineage(
        digest=digest,
        matches=tuple(matches),
        versions=tuple(v.label for v in versions if v.run_id in ids or _digests(v.tags) & digests),
        runs=tuple(
            MadeRun(run.info.run_id, run.info.run_name, names[run.info.experiment_id])
            for run in sorted(made, key=lambda run: (run.info.start_time, run.info.run_name))
        ),
    )


def _search(store: Store, hexadecimal: str) -> Iterator[Run]:
    """Find runs with these characters in a tag that holds digests."""
    for tag in (*_KINDS, *_LISTS):
        token = None
        while True:
            page = store.client.search_runs(
                list(store.experiments.values()),
                f"tags.{tag} LIKE '%{hexadecimal}%'",
                max_results=_PAGE,
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                break


def _things(tags: Mapping[str, str]) -> Iterator[Match]:
    """Whatever these tags name by digest."""
    for path, digests in json.loads(tags.get("data_digests", "{}")).items():
        yield Match(path, tuple(digests))
    for member, digest in json.loads(tags.get("weights_digests", "{}")).items():
        yield Match(f"weights of {member} of {tags.get('arm', 'a pool')}", (_named(digest),))
    for tag, what in _KINDS.items():
        if tags.get(tag):
            yield Match(what, (_named(tags[tag]),))


def _named(digest: str) -> str:
    """Add the kind of a digest where it is left out; those are all SHA-256."""
    return digest if ":" in digest else f"sha256:{digest}"


def _bare(digest: str) -> str:
    return digest.partition(":")[2].removesuffix(".dir")


def _digests(tags: Mapping[str, str]) -> set[str]:
    return {digest for thing in _things(tags) for digest in thing.digests}


def _matches(tags: Iterable[Mapping[str, str]], form: re.Match[str]) -> list[Match]:
    """Things with a digest that begins so, each once, under the name that says most."""
    kind, start = form[1], form[2]
    meant = {
        thing
        for some in tags
        for thing in _things(some)
        if any(_bare(d).startswith(start) and (kind or "") in d for d in thing.digests)
    }
    found: list[Match] = []
    for thing in sorted(meant, key=lambda thing: (-len(thing.digests), -len(thing.what))):
        if not any(set(thing.digests) & set(other.digests) for other in found):
            found.append(thing)
    return found


def _known_data(versions: Iterable[Version]) -> str:
    known = sorted({v.tags["galaxies_digest"] for v in versions if "galaxies_digest" in v.tags})
    return f"galaxies known are {', '.join(known)}" if known else "no model is registered yet"
