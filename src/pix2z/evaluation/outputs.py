"""From predictions to the files of the comparison: JSON, figures, report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pix2z.dataset.splits import Split
from pix2z.dataset.store import Galaxies
from pix2z.errors import InputError
from pix2z.evaluation.arm_galaxies import ArmGalaxies, subset_masks
from pix2z.evaluation.arm_report import binned_report
from pix2z.evaluation.comparison import compare
from pix2z.evaluation.normalised_view import OwnSample, normalised_view
from pix2z.evaluation.report import report_sections, write_report
from pix2z.evaluation.report_figures import contact_rows, draw_figures
from pix2z.evaluation.spectrum_section import spectrum_sections
from pix2z.files import write_json

__all__ = ["seed_view", "write_comparison"]

Json = dict[str, Any]
Arms = Mapping[str, ArmGalaxies]

BINNED_ARMS = ("full", "clipped", "subsample", "published_full", "trees")
"""Arms and controls that are followed along redshift and magnitude, where present."""

SHEET_COLUMNS = 8

BINNED_BOOTSTRAP = 500
"""Most resamples behind the bands of binned metrics, which are looked at, not tested."""


def write_comparison(
    folder: Path,
    *,
    arms: Arms,
    controls: Arms,
    histories: Mapping[str, Mapping[int, Json]],
    galaxies: Galaxies,
    full: Split,
    clipped: Split,
    ingest: Json | None,
    spectrum: Json | None,
    n_bootstrap: int,
    seed: int,
) -> None:
    """Compare the arms and write compare.json, figures/*.png, report.md and report.html."""
    everyone = {**arms, **controls}
    _check_test_rows(everyone, full)
    z_spec = galaxies.column("specz_redshift")
    comparison = compare(
        arms,
        controls,
        clip_window=full.clip_window,
        test_digest=full.test_digest,
        seed_view=seed_view(arms, full=full, clipped=clipped, z_spec=z_spec),
        n_bootstrap=n_bootstrap,
        seed=seed,
    )
    write_json(folder / "compare.json", comparison)
    bins = {
        name: binned_report(
            everyone[name].pool, n_bootstrap=min(n_bootstrap, BINNED_BOOTSTRAP), seed=seed
        )
        for name in BINNED_ARMS
        if name in everyone
    }
    shown = arms["full"] if "full" in arms else next(iter(arms.values()))
    pictures = draw_figures(
        folder / "figures",
        comparison=comparison,
        pools={name: arm.pool for name, arm in arms.items()},
        histories=histories,
        bins=bins,
        samples={
            "full": z_spec[full.train],
            "clipped": z_spec[clipped.train],
            "test": z_spec[full.test],
        },
        sheet=contact_rows(galaxies, shown.pool, n=SHEET_COLUMNS, seed=seed),
    )
    sections = report_sections(
        comparison,
        source=str(galaxies.attribute("source")),
        ingest=ingest,
        pools={name: arm.pool for name, arm in everyone.items()},
        bins=bins,
        pictures=pictures,
        n_bootstrap=n_bootstrap,
        spectra=[] if spectrum is None else spectrum_sections(spectrum, folder / "spectrum"),
    )
    write_report(sections, markdown=folder / "report.md", html=folder / "report.html")


def seed_view(
    arms: Arms, *, full: Split, clipped: Split, z_spec: np.ndarray[tuple[int, ...], Any]
) -> Json:
    """Read the seed network's arms as the seed did; `z_spec` holds every row of galaxies.h5."""
    test_z = z_spec[full.test]
    inside = subset_masks(test_z.astype(np.float64), full.clip_window)["inside"]
    own = {"full": np.ones(len(test_z), bool), "clipped": inside}
    samples: dict[str, OwnSample | None] = {"full": None, "clipped": None}
    for selection, split in {"full": full, "clipped": clipped}.items():
        arm = arms.get(f"seed_{selection}")
        if arm is not None:
            rows = (split.train, split.validation, split.calibration, split.test[own[selection]])
            samples[selection] = OwnSample(
                z_phot=arm.pool.z_phot,
                z_spec=arm.pool.z_spec,
                own_test=own[selection],
                z_rows=z_spec[np.concatenate(rows)].astype(np.float64),
            )
    return normalised_view(samples["full"], samples["clipped"], inside=inside)


def _check_test_rows(everyone: Arms, split: Split) -> None:
    for name, arm in everyone.items():
        if not np.array_equal(arm.pool.row, split.test):
            raise InputError(
                f"predictions/{name}: expected the {len(split.test)} test rows of the split, in"
                f" order; received {len(arm.pool)} others"
            )
