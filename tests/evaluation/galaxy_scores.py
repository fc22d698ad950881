"""Scores by galaxy of a finished run, in a file small enough for git, and the verdict they give.

Made from the folder of a run, one file for each processor and each other split:

    python -m tests.evaluation.galaxy_scores RUN tests/evaluation/runs/NAME.h5

``avx512.h5`` and ``avx2.h5`` are of runs of the same params.yaml, the second one under
``ONEDNN_MAX_CPU_ISA=AVX2``; ``split_SEED.h5`` have another ``split.seed``. Stages up to `train` are
enough, without the published CNN. They are made anew with docs/reference. Of every arm that a
primary contrast takes, and of what is told the clip window, the file holds as float16 (1 part in
2,000, which is lost in the mean of 2,000 galaxies): ``pool/crps``, ``pool/dz`` (z_phot - z_spec)
and ``pool/pit``, (n,), and ``seeds/crps`` (seeds, n), whose mean over seeds judges the contrasts of
`subsample`. ``seeds/number`` are the training seeds.
"""

import sys
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from pix2z.dataset.splits import read_split
from pix2z.evaluation.arm_files import told_window
from pix2z.evaluation.arm_galaxies import (
    ArmGalaxies,
    GalaxyTerms,
    galaxy_terms,
    select_terms,
    subset_masks,
)
from pix2z.evaluation.arm_metrics import measure
from pix2z.evaluation.comparison import contrasts
from pix2z.evaluation.contrasts import told
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.qp_files import read_prediction_chunks

__all__ = ["ARMS", "judge", "read_scores", "write_scores"]

ARMS = ("full", "clipped", "subsample", "apertures", "catalogue")
COLUMNS = ("object_id", "group_id", "z_spec")
POOL = ("crps", "dz", "pit")


def write_scores(run: Path, path: Path) -> None:
    """Write the scores of the predictions in the folder of a run."""
    window = read_split(run / "data/splits/full.h5").clip_window
    changes = {name: (name, lambda chunk: chunk) for name in ARMS}
    cut = partial(told_window, window=window)
    changes |= {told(name): (name, cut) for name in ("full", "subsample")}
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["clip_window"] = window
        for name, (arm, change) in changes.items():
            folder = run / "predictions" / arm
            seeds = sorted(folder.glob("seed-*.hdf5"), key=lambda seed: int(seed.stem[5:]))
            pool, *trained = (
                galaxy_terms(map(change, read_prediction_chunks(part)))
                for part in (folder / "pool.hdf5", *seeds)
            )
            scores = {"pool/crps": pool.crps, "pool/dz": pool.z_phot - pool.z_spec}
            scores |= {"pool/pit": pool.pit, "seeds/crps": [terms.crps for terms in trained]}
            for key, values in scores.items():
                _write(file, f"{name}/{key}", np.asarray(values, np.float16))
            numbers = [int(seed.stem[5:]) for seed in seeds]
            _write(file, f"{name}/seeds/number", np.asarray(numbers))
        for column in COLUMNS:
            _write(file, column, getattr(pool, column))


def _write(file: h5py.File, name: str, values: np.ndarray) -> None:
    file.create_dataset(name, data=values, compression="gzip", shuffle=True, track_times=False)


def read_scores(path: Path) -> tuple[dict[str, ArmGalaxies], tuple[float, float]]:
    """Read every arm as the comparison takes it, with CRPS alone by seed, and the clip window."""
    with h5py.File(path) as file:
        low, high = file.attrs["clip_window"]
        columns = {name: file[name][...] for name in COLUMNS}
        masks = subset_masks(columns["z_spec"], (low, high))
        arms = {}
        for name in file.keys() - set(COLUMNS):
            pool = {key: file[f"{name}/pool/{key}"][...].astype(float) for key in POOL}
            of_seeds = file[f"{name}/seeds/crps"][...].astype(float)
            seeds = {
                int(seed): {subset: {"crps": crps[keep].mean()} for subset, keep in masks.items()}
                for seed, crps in zip(file[f"{name}/seeds/number"], of_seeds, strict=True)
            }
            networks = {"crps": of_seeds.mean(axis=0)}
            arms[name] = ArmGalaxies(_terms(columns, **pool), seeds, networks)
    return arms, (low, high)


def _terms(
    columns: dict[str, np.ndarray], *, crps: np.ndarray, dz: np.ndarray, pit: np.ndarray
) -> GalaxyTerms:
    """Terms of the galaxies; what the verdict does not take is NaN."""
    unknown = np.full(len(crps), np.nan)
    rest = dict.fromkeys(("mag_r", "ebv", "err68_low", "err68_high", "cde"), unknown)
    z_phot = columns["z_spec"] + dz
    row = np.arange(len(crps))
    grid = RedshiftGrid(0.0, 0.4, 180)
    return GalaxyTerms(grid=grid, row=row, z_phot=z_phot, crps=crps, pit=pit, **columns, **rest)


def judge(path: Path, *, margin: float, n_bootstrap: int, seed: int) -> list[dict]:
    """Judge the contrasts in CRPS of a file, the primary ones first."""
    arms, window = read_scores(path)
    masks = subset_masks(arms["full"].pool.z_spec, window)
    settings = {"n_bootstrap": n_bootstrap, "seed": seed, "only": ("crps",)}
    measured = {
        name: {
            subset: measure(select_terms(arm.pool, keep), **settings)
            for subset, keep in masks.items()
        }
        for name, arm in arms.items()
    }
    return contrasts(arms, measured, masks, metrics=("crps",), margin=margin)


if __name__ == "__main__":
    write_scores(Path(sys.argv[1]), Path(sys.argv[2]))
