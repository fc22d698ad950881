"""The stamps of a field, kept beside its frames: cutting them again would unpack these again.

They are kept under a digest of all that they follow from: frames, positions and code.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.archive.frames import cut_stamps, read_frames
from pix2z.errors import InputError
from pix2z.files import atomic_path, source_digest, text_digest
from pix2z.hdf5 import DAMAGE
from pix2z.imaging import BANDS, STAMP_SIDE

__all__ = ["cut_field"]

SHAPE = (STAMP_SIDE, STAMP_SIDE, len(BANDS))


FieldStamps = tuple[NDArray[np.float32], list[str]]
"""Stamps (n, 32, 32, 5) at n positions, and why there is none: empty where there is one."""


def cut_field(
    path: Path,
    positions: Sequence[tuple[float, float]],
    frames: Mapping[str, Path],
    *,
    digests: Mapping[str, str],
) -> FieldStamps:
    """Return the stamps kept in `path` where nothing changed, else cut them and keep them there.

    Parameters
    ----------
    positions : RA and Dec in degrees.
    frames, digests : band -> file of the frame, and its SHA-256.

    Raises
    ------
    InputError
        A frame cannot be read, or the stamps cannot be kept.
    """
    key = text_digest(
        source_digest("archive/frames.py", "imaging/__init__.py"),
        *(f"{band}:{digest}" for band, digest in sorted(digests.items())),
        *(f"{ra!r},{dec!r}" for ra, dec in positions),
    )
    kept = _kept(path, key, len(positions))
    if kept is not None:
        return kept
    opened = read_frames(frames)
    stamps = np.full((len(positions), *SHAPE), np.nan, np.float32)
    reasons = []
    for number, (ra, dec) in enumerate(positions):
        try:
            stamps[number] = cut_stamps(opened, ra=ra, dec=dec)
        except InputError as error:
            reasons.append(str(error))
        except ValueError as error:  # of a WCS that cannot be turned round
            reasons.append(f"position {ra}, {dec} has no pixel ({' '.join(str(error).split())})")
        else:
            reasons.append("")
    with atomic_path(path) as partial:
        np.savez(partial, key=key, stamps=stamps, reasons=np.array(reasons, np.str_))
    return stamps, reasons


def _kept(path: Path, key: str, n: int) -> FieldStamps | None:
    try:
        # numpy alone would leave a file open that turns out to be no zip
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if str(arrays["key"]) != key:
                return None
            stamps, reasons = arrays["stamps"], arrays["reasons"]
    except DAMAGE:  # not there, or not what was written: it is written anew
        return None
    if stamps.shape != (n, *SHAPE) or reasons.shape != (n,):
        return None
    return stamps, reasons.tolist()
