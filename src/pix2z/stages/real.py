"""How a trained pool does on rendered galaxies in real frames: ``python -m pix2z.stages.real``.

No stage of dvc.yaml: `make real` runs it where there are real frames and a finished run. It needs a
pool, the raw file of the renderer that the pool's galaxies come from, and params.yaml of that run.
"""

import argparse
import logging
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pix2z.archive.sdss_spectra import read_sdss_spectrum
from pix2z.catalogue.estimator import load_pool
from pix2z.config.split import SplitConfig
from pix2z.errors import InputError
from pix2z.files import write_json
from pix2z.hdf5 import find_dataset, open_hdf5, reading
from pix2z.injection.galaxies import DrawnGalaxies, read_drawn
from pix2z.injection.report import injection_report
from pix2z.injection.words import by_magnitude, summary
from pix2z.partition import PARTS, partition
from pix2z.stages.runner import run

__all__ = ["main"]

logger = logging.getLogger(__name__)

SEED = 5005
"""Of places, photon noise and resamples."""


def main() -> None:
    """Put the test galaxies into every field, measure, write; without real frames, say so."""
    options = _parsed()
    if not (options.data / "frames").is_dir():
        logger.info("no real frames in %s: nothing done; set PIX2Z_REAL_DATA", options.data)
        return
    for path in (options.model / "pool.json", options.raw, options.params):
        if not path.is_file():
            raise InputError(f"{path}: missing; expected what `make repro` leaves")
    if not options.out.parent.is_dir():
        raise InputError(f"--out {options.out}: expected a folder {options.out.parent}; none there")
    against = options.against and load_pool(options.against)
    galaxies, rows = _test_galaxies(options.raw, options.params, most=options.n)
    report = injection_report(
        load_pool(options.model),
        _images(options.raw, rows),
        galaxies,
        _fields_of(options.data / "frames", options.fields),
        [read_sdss_spectrum(path) for path in sorted((options.data / "spectra").glob("spec-*"))],
        seed=SEED,
        against=against,
    )
    write_json(options.out, report)
    logger.info("%s: paste this into README.md:\n\n%s\n", options.out, summary(report))
    logger.info("and this into docs/guide.md:\n\n%s\n", by_magnitude(report))


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pix2z.stages.real", description=__doc__)
    real = os.environ.get("PIX2Z_REAL_DATA", "../shared/real")
    parser.add_argument("--model", type=Path, default=Path("models/full"))
    parser.add_argument("--raw", type=Path, default=Path("data/raw/semireal.h5"))
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--data", type=Path, default=Path(real))
    parser.add_argument("--out", type=Path, default=Path("docs/reference/real.json"))
    parser.add_argument("--against", type=Path, help="another pool, asked of the same stamps")
    parser.add_argument("--fields", nargs="+", metavar="RUN-CAMCOL-FIELD", help="all if not given")
    parser.add_argument("--n", type=int, help="test galaxies, at most")
    return parser.parse_args()


def _fields_of(folder: Path, wanted: list[str] | None) -> dict[str, list[Path]]:
    """Name of each field, or of each wanted one -> its frames."""
    fields: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("frame-?-*.fits*")):
        fields.setdefault(path.name.split(".")[0][len("frame-r-") :], []).append(path)
    if not fields:
        raise InputError(f"{folder}: expected frames named frame-BAND-RUN-CAMCOL-FIELD.fits.bz2")
    if unknown := set(wanted or ()) - set(fields):
        raise InputError(f"--fields: {min(unknown)}: not in {folder}; expected {', '.join(fields)}")
    return {name: paths for name, paths in fields.items() if not wanted or name in wanted}


def _test_galaxies(
    raw: Path, params: Path, *, most: int | None
) -> tuple[DrawnGalaxies, NDArray[np.int64]]:
    """Galaxies of the test part, or the first of them, and their rows in the raw file.

    Moved stamps are none of them. InputError where there is none.
    """
    drawn, split = read_drawn(raw), SplitConfig.read(params)
    part = partition(drawn.parent, seed=split.seed, fractions=split.fractions.model_dump())
    rows = np.flatnonzero((part == PARTS.index("test")) & (drawn.copy == 0))
    if most is not None:
        rows = rows[: max(most, 0)]
    if not len(rows):
        wanted = "" if most is None else f", and --n of 1 or more; received {most}"
        raise InputError(f"{raw}: no galaxy to put into the sky: expected test galaxies{wanted}")
    return drawn.take(rows), rows


def _images(raw: Path, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Stamps (n, 32, 32, 5) of ascending rows."""
    with open_hdf5(raw) as file, reading(raw):
        images = find_dataset(file, raw, "images")[rows[0] : rows[-1] + 1]
    return np.asarray(images[rows - rows[0]].transpose(0, 2, 3, 1), np.float32)


if __name__ == "__main__":
    run(main)
