"""From a list of SDSS objects to one raw HDF5 file: queries, spectra, then frames, then stamps.

SkyServer is asked about objects of which only the position is known. The spectrum names the field
of the image where the list does not. Galaxies are cut field by field, so each frame is fetched and
unpacked once, and no more than one field is in memory. Whatever came stays in the cache, stamps
too, so that going on after an interruption neither fetches nor unpacks anything again.
"""

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from urllib3 import Retry

from pix2z.archive.addresses import SDSS_URL, SKYSERVER_URL, SdssArchive, checked_base
from pix2z.archive.download import Report
from pix2z.archive.http_answers import NotFoundError
from pix2z.archive.many_downloads import PATIENCE_WITH_MANY, Download, downloads
from pix2z.archive.sdss_file import FetchedGalaxy, raw_writer
from pix2z.archive.sdss_list import Failure, Field, ObjectList, SdssObject
from pix2z.archive.sdss_query import with_fields
from pix2z.archive.sdss_spectra import NO_SPECTRUM, on_common_grid, read_sdss_spectrum
from pix2z.archive.sdss_stamps import cut_field
from pix2z.errors import InputError, Pix2zError
from pix2z.files import atomic_path
from pix2z.imaging import BANDS, STAMP_SIDE

__all__ = ["Outcome", "failures_path", "fetch_galaxies"]


@dataclass(frozen=True)
class Outcome:
    """What came of a list; failures in its order.

    n_spectra : of the galaxies, with a spectrum. n_fields : that galaxies were cut from.
    absent : band -> galaxies without a frame in it.
    """

    n_galaxies: int
    n_spectra: int
    n_fields: int
    failures: tuple[Failure, ...]
    absent: Mapping[str, int]


def failures_path(out: Path) -> Path:
    """Return where the objects that failed are listed: row, object and reason, beside `out`."""
    return out.with_name(f"{out.stem}.failures.csv")


def fetch_galaxies(
    objects: ObjectList,
    out: Path,
    *,
    cache: Path,
    base_url: str = SDSS_URL,
    query_url: str = SKYSERVER_URL,
    jobs: int = 4,
    softened: bool = False,
    force: bool = False,
    patience: Retry = PATIENCE_WITH_MANY,
    progress: Report = lambda *_: None,
) -> Outcome:
    """Fetch what is missing in `cache` and write the galaxies of the list to `out`, atomically.

    Rows come in the order of fields, as the list first names them. A galaxy that fails stops no
    other; it is listed with its reason in `failures_path`.

    Parameters
    ----------
    base_url, query_url : where files come from, and whom to ask about positions.
    jobs : files fetched at a time.
    softened : write `soften`ed pixels instead of nanomaggies.
    force : fetch again what is in the cache.
    patience : of each file, as for `download`.
    progress : called after each file: "queries", "spectra" or "frames", files done, files in all.

    Raises
    ------
    InputError
        `out` cannot be written, or no galaxy came of the list; `out` is then as it was.
    Pix2zError
        The server gives nothing any more; what has come is kept.
    """
    archive = SdssArchive(checked_base(base_url), cache, checked_base(query_url))
    failures, absent = [*objects.failures], dict.fromkeys(BANDS, 0)
    n_galaxies = n_spectra = n_fields = 0
    with downloads(jobs=jobs, force=force, patience=patience, progress=progress) as fetch_all:
        with _what_came_is_kept(cache):
            known = with_fields(objects.objects, archive, fetch_all, failures)
        writer = raw_writer(
            out,
            has_ebv=objects.has_ebv or any(math.isfinite(one.ebv) for one in known),
            has_spectra=any(one.has_spectrum for one in known),
            softened=softened,
        )
        with writer as append:
            with _what_came_is_kept(cache):
                fields = _sorted_by_field(known, archive, fetch_all, failures)
                for galaxies, bands in _cut_fields(fields, archive, fetch_all, failures):
                    append(galaxies)
                    n_galaxies += len(galaxies)
                    n_spectra += sum(galaxy.spectrum is not None for galaxy in galaxies)
                    n_fields += 1
                    for band in set(BANDS) - bands:
                        absent[band] += len(galaxies)
            failures.sort(key=lambda failure: failure.row)
            _write_failures(failures_path(out), failures)
            if not n_galaxies:
                raise InputError(
                    f"{objects.path}: none of {len(failures)} galaxies could be made, so {out} is "
                    f"not written; the first, {failures[0].name}: {failures[0].reason} (all "
                    f"reasons: {failures_path(out)})"
                )
    return Outcome(n_galaxies, n_spectra, n_fields, tuple(failures), absent)


@contextmanager
def _what_came_is_kept(cache: Path) -> Iterator[None]:
    """Say so where the server gives nothing any more."""
    try:
        yield
    except InputError:
        raise
    except Pix2zError as error:
        kept = f"what has come is kept in {cache}, and the same command goes on from it"
        raise Pix2zError(f"{error}; {kept}") from error


def _sorted_by_field(
    objects: Sequence[SdssObject],
    archive: SdssArchive,
    fetch_all: Download,
    failures: list[Failure],
) -> dict[Field, list[SdssObject]]:
    """Fetch the spectra, and sort the objects by the field of their image."""
    fields: dict[Field, list[SdssObject]] = {}
    files = [archive.spectrum(listed) for listed in objects if listed.has_spectrum]
    results = zip(files, fetch_all(files, "spectra"), strict=True)
    for listed in objects:
        try:
            field = listed.field
            if listed.has_spectrum:
                file, result = next(results)
                if isinstance(result, Pix2zError):
                    raise InputError(str(result))
                field = field or _field_of(file.path, listed)
            if field is not None:
                fields.setdefault(field, []).append(listed)
        except InputError as error:
            failures.append(listed.failed(error))
    return fields


def _field_of(path: Path, listed: SdssObject) -> Field:
    """Where the image of a spectrum's object is, as the spectrum says."""
    spectrum = read_sdss_spectrum(path)
    if spectrum.run < 1 or not 1 <= spectrum.camcol <= 6 or spectrum.field < 0:
        raise InputError(
            f"neither the list nor the spectrum ({path.name}) says run, camcol and field of its "
            "image"
        )
    return Field(listed.rerun, spectrum.run, spectrum.camcol, spectrum.field)


def _cut_fields(
    fields: Mapping[Field, Sequence[SdssObject]],
    archive: SdssArchive,
    fetch_all: Download,
    failures: list[Failure],
) -> Iterator[tuple[list[FetchedGalaxy], set[str]]]:
    """Yield the galaxies of each field that has any, and the bands that it has frames in."""
    files = [archive.frame(field, band) for field in fields for band in BANDS]
    results = fetch_all(files, "frames")
    for field, members in fields.items():
        by_band = dict(zip(BANDS, islice(results, len(BANDS)), strict=True))
        try:
            present = _present(field, by_band)
            galaxies = _cut(field, members, present, archive, failures)
        except InputError as error:
            failures += [listed.failed(error) for listed in members]
            continue
        if galaxies:
            yield galaxies, set(present)


def _present(field: Field, by_band: Mapping[str, str | Pix2zError]) -> dict[str, str]:
    """Band -> SHA-256 of its frame; a band of which the server has none is left out."""
    missing = [result for result in by_band.values() if isinstance(result, Pix2zError)]
    for error in missing:
        if not isinstance(error, NotFoundError):
            raise InputError(str(error))
    if len(missing) == len(by_band):
        raise InputError(f"field {field} has no frame in any band: {missing[0]}")
    return {band: result for band, result in by_band.items() if isinstance(result, str)}


def _cut(
    field: Field,
    members: Sequence[SdssObject],
    digests: Mapping[str, str],
    archive: SdssArchive,
    failures: list[Failure],
) -> list[FetchedGalaxy]:
    """Cut the galaxies of a field; what fails of one is added to `failures`.

    digests : band -> SHA-256 of the frame that is in the cache.
    """
    complete: list[FetchedGalaxy] = []
    blank = np.full((STAMP_SIDE, STAMP_SIDE, len(BANDS)), np.nan, np.float32)
    for listed in members:
        try:
            spectrum, arrays = None, NO_SPECTRUM
            if listed.has_spectrum:
                spectrum = read_sdss_spectrum(archive.spectrum(listed).path)
                arrays = on_common_grid(spectrum)
            complete.append(FetchedGalaxy(listed, spectrum, arrays, blank))
        except InputError as error:
            failures.append(listed.failed(error))
    if not complete:
        return []
    frame_paths = {band: archive.frame(field, band).path for band in digests}
    positions = [galaxy.position for galaxy in complete]
    stamps, reasons = cut_field(archive.stamps_path(field), positions, frame_paths, digests=digests)
    galaxies = []
    for galaxy, stamp, reason in zip(complete, stamps, reasons, strict=True):
        if reason:
            failures.append(galaxy.listed.failed(reason))
        else:
            galaxies.append(replace(galaxy, stamp=stamp))
    return galaxies


def _write_failures(path: Path, failures: Iterable[Failure]) -> None:
    """Write columns row, object and reason; only the header where nothing failed."""
    with (
        atomic_path(path) as partial,
        partial.open("w", newline="", encoding="utf-8", errors="replace") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", "object", "reason"])
        writer.writerows((one.row, one.name, one.reason) for one in failures)
