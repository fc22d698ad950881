"""Shared: plausible predictions of any number of arms, and a small workspace of files."""

import json

import numpy as np

from pix2z.config.section import SECTIONS
from pix2z.dataset.splits import Split, ids_digest, write_split
from pix2z.dataset.store import write_galaxies
from pix2z.evaluation.arm_galaxies import galaxy_terms
from pix2z.redshift_pdf.density import median, normalise
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.redshift_pdf.predictions import Predictions, select
from tests.conftest import artificial_stamps
from tests.prediction_files import write_predictions

GRID = RedshiftGrid(z_min=0.0, z_max=0.4, n_bins=180)
WINDOW = (-0.006, 0.224)


def redshifts(n):
    """n(z) like that of the SDSS main sample: 4 % above the clip window."""
    return np.clip(np.random.default_rng(77).gamma(3.6, 0.03, n), 0.003, 0.39)


def make_predictions(n=400, *, sigma=0.015, offset=0.0, seed=1, clip=None, z_spec=None, row=None):
    """Plausible predictions of the same n galaxies, whatever the arm.

    `sigma` and `offset` are the arm's own error and bias; `clip` is a largest redshift, as a
    network would have that never saw higher ones.
    """
    truth = np.random.default_rng(78)
    z_spec = redshifts(n) if z_spec is None else z_spec
    row = np.arange(n) * 2 if row is None else row
    rng = np.random.default_rng(seed)
    centre = np.clip(z_spec + offset + rng.normal(0, sigma, n), 0.002, clip or 0.398)
    offsets = (GRID.centres - centre[:, None]) / sigma
    density = normalise(np.exp(-0.5 * offsets**2) + 1e-9, GRID)
    return Predictions(
        grid=GRID,
        density=density,
        row=row,
        object_id=10 * row + 10**12,
        group_id=row,
        z_spec=z_spec,
        z_phot=median(density, GRID),
        mag_r=17.8 - truth.exponential(0.8, n),
        ebv=truth.gamma(2.0, 0.02, n),
    )


def make_terms(*args, **kwargs):
    """What is held of such predictions, which came in chunks of 64."""
    whole = make_predictions(*args, **kwargs)
    cuts = np.array_split(np.arange(len(whole)), -(-len(whole) // 64))
    return galaxy_terms(select(whole, rows) for rows in cuts)


ARMS = {
    "full": {"sigma": 0.0150},
    "clipped": {"sigma": 0.0150, "clip": 0.22},
    "subsample": {"sigma": 0.0152},
    "published_full": {"sigma": 0.0200},
    "published_clipped": {"sigma": 0.0200, "clip": 0.22},
}
MORE_ARMS = {"apertures": {"sigma": 0.0155}, "catalogue": {"sigma": 0.0160}}
CONTROLS = {
    "trainz": {"sigma": 0.0550},
    "knn": {"sigma": 0.0180},
    "trees": {"sigma": 0.0165},
    "parameters": {"sigma": 0.0120},
    "parameters_noisy": {"sigma": 0.0140},
}


def make_workspace(root, *, n=120, arms=tuple(ARMS), controls=tuple(CONTROLS), n_bootstrap=100):
    """Every file that the stage evaluate reads, for 2 n galaxies of which n are the test set."""
    z_spec = redshifts(2 * n).astype(np.float32)
    index = np.arange(2 * n)
    columns = {
        name: np.zeros(2 * n) for name in ("specz_redshift_err", "ra", "dec", "moved", "flags")
    }
    columns |= {"specz_redshift": z_spec, "object_id": 10 * index + 10**12, "group_id": index}
    columns |= {"row_origin": index, "mag_r": np.full(2 * n, 17.0), "ebv": np.full(2 * n, 0.03)}
    columns["seeing"] = np.full((2 * n, 5), 1.3)
    (root / "data").mkdir(parents=True, exist_ok=True)
    write_galaxies(
        root / "data" / "galaxies.h5",
        columns=columns,
        blocks=iter([artificial_stamps(z_spec, seed=3)]),
        source="semi-real: redshifts as drawn for a test; images are rendered blobs",
        source_sha256="0",
    )
    test = index[n:]
    inside = (z_spec >= WINDOW[0]) & (z_spec <= WINDOW[1])
    cuts = (index[: n // 2], index[n // 2 : 3 * n // 4], index[3 * n // 4 : n])
    for selection in ("full", "clipped", "equal_n"):
        rows = [part[inside[part]] if selection == "clipped" else part for part in cuts]
        digest = ids_digest(columns["object_id"][test])
        split = Split(selection, *rows, test, WINDOW, digest)
        write_split(root / f"data/splits/{selection}.h5", split, seed=1, n_galaxies=2 * n)
    truth = {"z_spec": z_spec[test].astype(float), "row": test}
    for position, name in enumerate(arms):
        seeds = (1,) if name.startswith("published") else (1, 2)
        for number, what in enumerate(["pool", *(f"seed-{seed}" for seed in seeds)]):
            made = make_predictions(
                n, seed=10 * position + number, **(ARMS | MORE_ARMS)[name], **truth
            )
            write_predictions(root / f"predictions/{name}/{what}.hdf5", made)
        for seed in seeds:
            write_history(root / f"models/{name}/seed-{seed}/history.json", position + seed)
    for position, name in enumerate(controls):
        made = make_predictions(n, seed=100 + position, **CONTROLS[name], **truth)
        write_predictions(root / f"controls/{name}.hdf5", made)
    (root / "reports").mkdir()
    cost = {name: {"n_train": n, "cpu_seconds": 0.5} for name in controls}
    (root / "reports/controls.json").write_text(json.dumps(cost))
    (root / "reports/ingest.json").write_text(json.dumps(INGEST))
    write_params(root / "params.yaml", arms=arms, n_bootstrap=n_bootstrap)


INGEST = {
    "n_raw": 250,
    "n_good": 240,
    "n_bad": 10,
    "n_groups": 240,
    "n_moved": 0,
    "bad": {"redshift outside the range": {"count": 10, "rows": [1, 2]}},
    "good_with": {"band u absent": 0, "masked pixels": 1},
}


def write_history(path, seed):
    rng = np.random.default_rng(seed)
    epoch = np.arange(12)
    loss = 1.5 * np.exp(-epoch / 4) + 0.4
    history = {
        "epoch": epoch.tolist(),
        "loss": loss.tolist(),
        "val_loss": (loss + 0.05 + 0.01 * epoch + rng.normal(0, 0.01, 12)).tolist(),
        "seconds": [1.0] * 12,
        "cpu_seconds": 24.0,
        "n_train": 60,
    }
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(history))


def write_params(path, *, arms, n_bootstrap):
    """Sections that the stage reads, the others empty."""
    selections = {"clipped": "clipped", "subsample": "equal_n", "published_clipped": "clipped"}
    params = {section: {} for section in SECTIONS}
    params["evaluate"] = {"seed": 5, "n_bootstrap": n_bootstrap, "margin": 0.02}
    params["compute"] = {"processes": 1}
    params["arms"] = {
        name: {
            "selection": selections.get(name, "full"),
            "architecture": "published_cnn" if name.startswith("published") else "hybrid",
            "seeds": [1] if name.startswith("published") else [1, 2],
        }
        for name in arms
    }
    path.write_text(json.dumps(params))  # JSON is YAML
