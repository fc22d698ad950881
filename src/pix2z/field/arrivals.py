"""Frames that arrive in a folder: which fields are whole there, and which have changed since.

A frame belongs to the field that its name tells, ``frame-BAND-RUN-CAMCOL-FIELD.fits[.bz2]``, else
its header. Nothing is read of a file that is still being written: a file counts once two looks in a
row have found it with one size and one time of its last change.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from astropy.io import fits

from pix2z.archive.frames import place_in_header, place_in_name
from pix2z.errors import InputError
from pix2z.fits import reading_fits
from pix2z.imaging import BANDS

__all__ = ["Arrivals", "WholeField"]

SUFFIXES = (".fits", ".fits.bz2")

State = tuple[int, int]
"""Bytes of a file, and when it was last changed or renamed, ns since 1970."""


@dataclass(frozen=True)
class WholeField:
    """A field with a frame in each band, none of which is still being written.

    name : run, camera column and field, as SDSS writes them. paths : sorted by name.
    arrived : when the last of them was, seconds since 1970.
    """

    name: str
    paths: tuple[Path, ...]
    arrived: float


@dataclass
class Arrivals:
    """What has come into a folder; `look` from time to time.

    strangers : files that are no frame of a field, by name or header, and why; since the last look.
    settled : whether the last look found every file as the one before.
    """

    folder: Path
    strangers: dict[Path, InputError] = field(default_factory=dict)
    settled: bool = False
    _states: dict[Path, State] = field(default_factory=dict)
    _places: dict[Path, tuple[State, str, str]] = field(default_factory=dict)
    _given: dict[str, frozenset[tuple[Path, State]]] = field(default_factory=dict)

    def look(self) -> list[WholeField]:
        """Return fields that became whole, or of which a frame changed, the earliest first.

        Raises InputError where the folder cannot be read.
        """
        before, self._states = self._states, _states(self.folder)
        still = {path: state for path, state in self._states.items() if before.get(path) == state}
        self.settled = still == self._states == before
        self.strangers = {}
        found = []
        for name, bands in self._by_field(still).items():
            files = frozenset((path, still[path]) for paths in bands.values() for path in paths)
            if len(bands) == len(BANDS) and self._given.get(name) != files:
                self._given[name] = files
                arrived = max(changed for _, (_, changed) in files) / 1e9
                found.append(WholeField(name, tuple(sorted(path for path, _ in files)), arrived))
        return sorted(found, key=lambda one: (one.arrived, one.name))

    def lacking(self) -> dict[str, str]:
        """Fields that wait for frames -> bands that none has come in."""
        known = {
            path: state
            for path, state in self._states.items()
            if place_in_name(path)[0] or self._places.get(path, (None,))[0] == state
        }
        fields = self._by_field(known)
        missing = {name: [band for band in BANDS if band not in fields[name]] for name in fields}
        return {name: " ".join(bands) for name, bands in sorted(missing.items()) if bands}

    def strange(self) -> set[str]:
        """Names of the files that are there and no frame of a field."""
        places = self._places.items()
        return {
            path.name
            for path, (state, field_name, _) in places
            if not field_name and self._states.get(path) == state
        }

    def _by_field(self, states: dict[Path, State]) -> dict[str, dict[str, list[Path]]]:
        fields: dict[str, dict[str, list[Path]]] = {}
        for path, state in states.items():
            known, name, band = self._places.get(path, (None, "", ""))
            if known != state:
                try:
                    name, band = _place_of(path)
                except InputError as error:
                    name, band = "", ""
                    self.strangers[path] = error
                self._places[path] = state, name, band
            if name:
                fields.setdefault(name, {}).setdefault(band, []).append(path)
        return fields


def _states(folder: Path) -> dict[Path, State]:
    """Return the frames in a folder, sorted by name; those that rsync hides leave with a dot."""
    states = {}
    try:
        paths = sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIXES))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror})") from error
    for path in paths:
        with suppress(OSError):  # it was renamed, or is a link to nothing, or to itself
            found = path.stat()
            if path.is_file() and not path.name.startswith("."):
                states[path] = found.st_size, found.st_ctime_ns
    return states


def _place_of(path: Path) -> tuple[str, str]:
    """Field and band of a frame; InputError where neither name nor header tells them."""
    name, band = place_in_name(path)
    if not name:
        with reading_fits(path, "a frame"):
            name, band = place_in_header(fits.getheader(path))
    if not name:
        raise InputError(
            f"{path}: expected a name as frame-r-000094-1-0012.fits, or a header with the cards "
            "FILTER, RUN, CAMCOL and FRAME"
        )
    return name, band
