"""From a list of SDSS objects to one raw HDF5 file: spectra, then frames, then stamps.

The spectrum names the field of the image where the list does not. Galaxies are cut field by field,
so each frame is fetched and unpacked once; no more than one field is in memory. Stamps are kept, so
that going on after an interruption unpacks nothing again.
"""

import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

from astropy.utils.exceptions import AstropyWarning

from pix2z.archive.download import RetryPolicy
from pix2z.archive.frames import Frame, read_frame, unpacked_frame
from pix2z.archive.sdss.addresses import BASE_URL, checked_base, frame_file, spectrum_file
from pix2z.archive.sdss.fetching import POLICY, Fetched, ServerError, Submit, Wanted, fetching
from pix2z.archive.sdss.objects import Failure, Field, ObjectList, SdssObject
from pix2z.archive.sdss.spectral_grid import Spectral, on_common_grid
from pix2z.archive.sdss.stamps import cut_field, stamps_key
from pix2z.archive.sdss.writing import FetchedGalaxy, raw_writer
from pix2z.archive.sdss_spectra import SdssSpectrum, read_sdss_spectrum
from pix2z.archive.transfer.ranged import NotFoundError
from pix2z.errors import InputError, Pix2zError
from pix2z.imaging import BANDS

__all__ = ["FilesProgress", "Outcome", "fetch_galaxies"]

UNPACKERS = 2
"""Threads that unpack frames; the five of a field take some seconds of a processor."""

SPECTRA_AHEAD = 4
"""Spectra asked for ahead, times the number of jobs."""

T = TypeVar("T")


@dataclass(frozen=True)
class FilesProgress:
    """How far a fetch is: files that are here, of how many, and bytes that have come for them."""

    doing: str
    n_done: int
    n_files: int
    n_bytes: int


@dataclass(frozen=True)
class Outcome:
    """What came of a list; failures in its order.

    n_fields : that galaxies were cut from.
    absent : band -> galaxies without a frame in it.
    """

    n_galaxies: int
    n_fields: int
    failures: tuple[Failure, ...]
    absent: Mapping[str, int]


@dataclass
class _Tally:
    """Counts files and bytes, from any thread, and tells of them."""

    report: Callable[[FilesProgress], None]
    now: FilesProgress = FilesProgress("spectra", 0, 0, 0)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, doing: str, n_files: int) -> None:
        self._set(FilesProgress(doing, 0, n_files, 0))

    def more_bytes(self, count: int) -> None:
        with self.lock:
            self.now = replace(self.now, n_bytes=self.now.n_bytes + count)
            self.report(self.now)

    def one_file(self) -> None:
        with self.lock:
            self.now = replace(self.now, n_done=self.now.n_done + 1)
            self.report(self.now)

    def _set(self, now: FilesProgress) -> None:
        with self.lock:
            self.now = now
            self.report(now)


class _Nothing(Exception):
    """No galaxy came of the list."""


@dataclass(frozen=True)
class _Place:
    """Where files come from and where they are kept."""

    base_url: str
    cache: Path

    def spectrum(self, found: SdssObject) -> Wanted:
        return spectrum_file(found, base_url=self.base_url, cache=self.cache)

    def frame(self, field: Field, band: str) -> Wanted:
        return frame_file(field, band, base_url=self.base_url, cache=self.cache)

    def stamps(self, field: Field) -> Path:
        folder = f"{field.rerun}/{field.run}/{field.camcol}"
        return self.cache / "stamps" / folder / f"stamps-{field}.npz"


def fetch_galaxies(
    listed: ObjectList,
    out: Path,
    *,
    cache: Path,
    base_url: str = BASE_URL,
    jobs: int = 4,
    softened: bool = False,
    force: bool = False,
    policy: RetryPolicy = POLICY,
    progress: Callable[[FilesProgress], None] = lambda _: None,
) -> Outcome:
    """Fetch what is missing in `cache` and write the galaxies of the list to `out`, atomically.

    Rows come in the order of fields, as the list first names them. A galaxy that fails is named
    with its reason and stops no other.

    Parameters
    ----------
    jobs : files fetched at a time.
    softened : write `soften`ed pixels instead of nanomaggies.
    force : fetch again what is in the cache.
    progress : called from any thread, one at a time.

    Raises
    ------
    InputError
        `out` cannot be written.
    Pix2zError
        The server gives nothing any more; what has come is kept.
    """
    place = _Place(checked_base(base_url), cache)
    tally, failures = _Tally(progress), [*listed.failures]
    n_galaxies, n_fields, absent = 0, 0, dict.fromkeys(BANDS, 0)
    try:
        with (
            raw_writer(out, has_ebv=listed.has_ebv, softened=softened) as append,
            fetching(
                jobs=jobs,
                policy=policy,
                force=force,
                received=tally.more_bytes,
                ended=tally.one_file,
            ) as ask,
        ):
            tally.begin("spectra", len(listed.objects))
            fields = _fields(listed.objects, place, ask, jobs=jobs, failures=failures)
            tally.begin("frames", len(BANDS) * len(fields))
            for galaxies, bands in _cut_fields(fields, place, ask, jobs=jobs, failures=failures):
                append(galaxies)
                n_galaxies += len(galaxies)
                n_fields += 1
                for band in bands:
                    absent[band] += len(galaxies)
            if not n_galaxies:
                raise _Nothing
    except _Nothing:
        pass  # and no file either
    except ServerError as error:
        kept = f"what has come is kept in {cache}, and the same command goes on from it"
        raise Pix2zError(f"{error}; {kept}") from error
    failures.sort(key=lambda failure: failure.row)
    return Outcome(n_galaxies, n_fields, tuple(failures), absent)


def _fields(
    objects: Sequence[SdssObject],
    place: _Place,
    ask: Submit,
    *,
    jobs: int,
    failures: list[Failure],
) -> dict[Field, list[SdssObject]]:
    """Fetch the spectra, and sort the objects by field of their image."""
    fields: dict[Field, list[SdssObject]] = {}
    asked = ((found, ask(place.spectrum(found))) for found in objects)
    for found, future in _ahead(asked, SPECTRA_AHEAD * jobs):
        try:
            path = future.result().path
            fields.setdefault(found.field or _field_of(path, found), []).append(found)
        except ServerError:
            raise
        except Pix2zError as error:
            failures.append(_failure(found, error))
    return fields


def _field_of(path: Path, found: SdssObject) -> Field:
    """Where the image of a spectrum's object is, as the spectrum says."""
    spectrum = _quietly(read_sdss_spectrum, path)
    if spectrum.run < 1 or not 1 <= spectrum.camcol <= 6 or spectrum.field < 0:
        raise InputError(
            f"neither the list nor the spectrum ({path.name}) says run, camcol and field of its "
            "image"
        )
    return Field(found.rerun, spectrum.run, spectrum.camcol, spectrum.field)


def _cut_fields(
    fields: Mapping[Field, Sequence[SdssObject]],
    place: _Place,
    ask: Submit,
    *,
    jobs: int,
    failures: list[Failure],
) -> Iterator[tuple[list[FetchedGalaxy], set[str]]]:
    """Yield the galaxies of each field that has any, and the bands that it has no frame in."""
    asked = ((field, {band: ask(place.frame(field, band)) for band in BANDS}) for field in fields)
    with ThreadPoolExecutor(UNPACKERS) as unpackers:
        for field, futures in _ahead(asked, jobs):
            try:
                arrived = _arrived(field, futures)
                galaxies = _galaxies(field, fields[field], arrived, place, unpackers, failures)
            except ServerError:
                raise
            except Pix2zError as error:
                failures += [_failure(found, error) for found in fields[field]]
                continue
            if galaxies:
                yield galaxies, set(BANDS) - set(arrived)


def _arrived(field: Field, futures: Mapping[str, "Future[Fetched]"]) -> dict[str, Fetched]:
    """Wait for the frames of a field; a band of which the server has none is left out."""
    arrived, missing = {}, []
    for band, future in futures.items():
        try:
            arrived[band] = future.result()
        except NotFoundError as error:
            missing.append(error)
    if not arrived:
        raise InputError(f"field {field} has no frame in any band: {missing[0]}")
    return arrived


def _galaxies(
    field: Field,
    members: Sequence[SdssObject],
    arrived: Mapping[str, Fetched],
    place: _Place,
    unpackers: ThreadPoolExecutor,
    failures: list[Failure],
) -> list[FetchedGalaxy]:
    """Cut the galaxies of a field; what fails of one is added to `failures`."""
    read: list[tuple[SdssObject, SdssSpectrum, Spectral]] = []
    for found in members:
        try:
            spectrum = _quietly(read_sdss_spectrum, place.spectrum(found).path)
            read.append((found, spectrum, on_common_grid(spectrum)))
        except InputError as error:
            failures.append(_failure(found, error))
    if not read:
        return []
    positions = [(spectrum.ra, spectrum.dec) for _, spectrum, _ in read]
    cut = cut_field(
        place.stamps(field),
        positions,
        key=stamps_key({band: one.sha256 for band, one in arrived.items()}, positions),
        read_frames=lambda: _frames(arrived, unpackers),
    )
    galaxies = []
    for (found, spectrum, arrays), stamp, reason in zip(read, cut.stamps, cut.reasons, strict=True):
        if reason:
            failures.append(Failure(found.row, str(found), reason))
        else:
            galaxies.append(FetchedGalaxy(found, spectrum, stamp, arrays))
    return galaxies


def _frames(arrived: Mapping[str, Fetched], unpackers: ThreadPoolExecutor) -> dict[str, Frame]:
    paths = [one.path for one in arrived.values()]
    contents = unpackers.map(unpacked_frame, paths)
    return {
        band: _quietly(read_frame, path, content)
        for band, path, content in zip(arrived, paths, contents, strict=True)
    }


def _quietly(read: Callable[..., T], *arguments: object) -> T:
    """Read a file; what astropy warns of, such as a file cut short, ends in an error or is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        return read(*arguments)


def _failure(found: SdssObject, error: Exception) -> Failure:
    return Failure(found.row, str(found), str(error))


def _ahead(started: Iterable[T], count: int) -> Iterator[T]:
    """Yield items, with up to `count` more of them started already."""
    items = iter(started)
    waiting = deque(islice(items, count))
    while waiting:
        waiting.extend(islice(items, 1))
        yield waiting.popleft()
