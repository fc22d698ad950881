"""What the default model loses on another survey, and what spectra there give back.

The test galaxies of a finished run are rendered as Pan-STARRS and DES see them, written as those
surveys keep them, read by one word (``survey: panstarrs``) and sent through ``models/full``; then
that is fine-tuned on some galaxies of theirs. In a checkout with a finished run
``python -m benchmarks surveys`` writes docs/reference/survey.json.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.other_survey import SurveySky, survey_templates
from pix2z.config.finetune import FinetuneSettings
from pix2z.config.ingest import Hdf5Mapping
from pix2z.config.sky import SkyConfig
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError
from pix2z.evaluation.arm_galaxies import GalaxyTerms, galaxy_terms
from pix2z.evaluation.arm_metrics import measure
from pix2z.files import write_json
from pix2z.finetune.base import BasePool
from pix2z.finetune.sample import make_sample
from pix2z.finetune.training import finetune_pool, training_record
from pix2z.imaging import BANDS
from pix2z.ingest.source import open_source
from pix2z.network.estimator import Estimator, load_pool
from pix2z.redshift_pdf.flags import ImageFlag
from pix2z.redshift_pdf.predictions import Predictions
from pix2z.sky.parents import load_parents
from pix2z.sky.templates import load_template_grid
from pix2z.surveys import DES, PANSTARRS, SDSS, SURVEYS, Survey

GALAXIES, SPLIT, POOL = Path("data/galaxies.h5"), Path("data/splits/full.h5"), Path("models/full")
RESULTS = Path("docs/reference/survey.json")
METRICS = ("crps", "nmad", "bias_mean", "outlier_005", "coverage_95")
FLAGS = {
    "unlike": ImageFlag.UNLIKE_SAMPLE,
    "at_grid_end": ImageFlag.AT_GRID_END,
    "several_modes": ImageFlag.SEVERAL_MODES,
    "band_absent": ImageFlag.BAND_ABSENT,
}
N_SPECTRA = {"panstarrs": (100, 1000), "des": (100, 1000)}
"""Galaxies with redshifts that the model is fine-tuned on: those that split, not train alone."""
SECONDS = {"panstarrs": (516.0, 480.0, 540.0, 360.0)}
"""Of exposure in a stack, of surveys whose pixels are counts."""

BLOCK, SEED = 128, 12

Json = dict[str, Any]
Known = dict[str, np.ndarray]
"""Columns of galaxies.h5 for some rows."""


def bench_surveys() -> Json:
    """Measure all cases, one after the other; write them to `RESULTS` and return the short form."""
    pool = load_pool(POOL)
    split = read_split(SPLIT)
    with open_galaxies(GALAXIES) as galaxies:
        test = _known(galaxies, split.test)
        images = galaxies.images(split.test)
        others = _known(galaxies, np.sort(np.concatenate([split.validation, split.calibration])))
    settings = FinetuneSettings.read(Path("params.yaml"))
    cases: Json = {"SDSS": _measured(pool, images, test, settings)}
    without_u = np.where(np.arange(5) == 0, np.nan, images).astype(np.float32)
    cases["SDSS without u"] = _measured(pool, without_u, test, settings)
    tuned: Json = {}
    with tempfile.TemporaryDirectory() as folder:
        for survey in (PANSTARRS, DES):
            for name, variant, own_filters in _variants(survey):
                seen = _stamps(variant, test, Path(folder), own_filters=own_filters)
                cases[name] = _measured(pool, seen, test, settings)
            noisier = as_noisy_as_sdss(_stamps(survey, test, Path(folder)), survey)
            cases[f"{survey.title}, made as noisy as SDSS"] = _measured(
                pool, noisier, test, settings
            )
        for survey, n_spectra in N_SPECTRA.items():
            seen = _stamps(SURVEYS[survey], test, Path(folder))
            for n in n_spectra:
                file = _file(SURVEYS[survey], _some(others, n), Path(folder))
                made, refused = _finetuned(SURVEYS[survey], file, Path(folder), settings)
                found = _measured(made, seen, test, settings)
                tuned[f"{SURVEYS[survey].title}, {n}"] = {"refused": refused} | found
    write_json(RESULTS, {"n_test": len(split.test), "cases": cases, "finetuned": tuned})
    return {name: case["metrics"]["crps"] for name, case in cases.items()}


def _known(galaxies: Any, rows: np.ndarray) -> Known:
    columns = ("object_id", "group_id", "specz_redshift", "ebv", "mag_r")
    return {"row": rows} | {name: galaxies.column(name, rows) for name in columns}


def _measured(
    pool: Estimator, images: np.ndarray, known: Known, settings: FinetuneSettings
) -> Json:
    """Metrics of a pool on images of known galaxies, with intervals by galaxy, and its flags."""
    found = pool.estimate(images, known["ebv"])
    terms = _terms(pool, found, known)
    evaluate = settings.evaluate
    measured = measure(terms, n_bootstrap=evaluate.n_bootstrap, seed=evaluate.seed, only=METRICS)
    shares = {name: float((found.flags & bit != 0).mean()) for name, bit in FLAGS.items()}
    outlier = np.abs(found.z_phot - terms.z_spec) > 0.05 * (1 + terms.z_spec)
    unlike = found.flags & ImageFlag.UNLIKE_SAMPLE != 0
    caught = float(outlier[unlike].sum() / outlier.sum()) if outlier.any() else None
    return {
        "metrics": measured.intervals(),
        "flags": shares,
        "outliers_called_unlike": caught,
    }


def _terms(pool: Estimator, found: Any, known: Known) -> GalaxyTerms:
    return galaxy_terms(
        [
            Predictions(
                grid=pool.grid,
                density=found.density,
                z_phot=found.z_phot,
                z_spec=known["specz_redshift"],
                **{name: known[name] for name in ("row", "object_id", "group_id", "mag_r", "ebv")},
            )
        ]
    )


def _variants(survey: Survey) -> Iterator[tuple[str, Survey, bool]]:
    """Yield a survey, and what part of it costs what: its filters, and all but its filters."""
    as_sdss = {
        name: tuple(getattr(SDSS, name)[BANDS.index(band)] for band in survey.bands)
        for name in ("psf_fwhm", "sky_sigma", "electrons_per_nanomaggy")
    }
    filters = replace(survey, pixel_scale=SDSS.pixel_scale, **as_sdss)
    yield survey.title, survey, True
    yield f"filters of {survey.title}, seeing, noise and pixels of SDSS", filters, True
    yield f"seeing, noise and pixels of {survey.title}, filters of SDSS", survey, False


def _stamps(survey: Survey, known: Known, folder: Path, *, own_filters: bool = True) -> np.ndarray:
    """Stamps as they come in when a survey's file is read by its name."""
    file = _file(survey, known, folder, own_filters=own_filters)
    with open_source(file, mapping=_mapping(survey)) as opened:
        return opened.read_images(0, len(opened.table))


def as_noisy_as_sdss(images: np.ndarray, survey: Survey) -> np.ndarray:
    """Add noise to stamps of a survey until they have that of the sky of SDSS, where they lack it.

    Both noises are white: of a pixel of the survey, and so of the pixels that are added up to one.
    """
    own = np.array(survey.sky_sigma) * SDSS.pixel_scale / survey.pixel_scale
    bands = [BANDS.index(band) for band in survey.bands]
    lacking = np.sqrt(np.maximum(np.array(SDSS.sky_sigma)[bands] ** 2 - own**2, 0))
    noisier = images.copy()
    noise = np.random.default_rng(SEED).normal(size=(*images.shape[:-1], len(bands)))
    noisier[..., bands] += (noise * lacking).astype(np.float32)
    return noisier


def _mapping(survey: Survey) -> Hdf5Mapping:
    keys = {"axes": "NCHW", "redshift": "z", "object_id": "id", "ebv": "ebv"}
    is_as_published = survey.pixel_scale == SURVEYS[survey.name].pixel_scale
    other = {} if is_as_published else {"pixel_scale": survey.pixel_scale}
    return Hdf5Mapping(survey=survey.name, **keys, **other)


def _file(survey: Survey, known: Known, folder: Path, *, own_filters: bool = True) -> Path:
    """Render galaxies as a survey sees them into a file as the survey keeps them: counts."""
    sky = SkyConfig.read()
    parents = load_parents(load_template_grid(), faint_limit=sky.faint_limit)
    if own_filters:
        templates = survey_templates(survey)
    else:
        griz = [BANDS.index(band) for band in survey.bands]
        templates = replace(parents.templates, flux=parents.templates.flux[:, griz])
        dust = tuple(SDSS.extinction_per_ebv[band] for band in griz)
        survey = replace(survey, extinction_per_ebv=dust)
    rendered = SurveySky(survey, templates, parents, sky.seed, sky.conditions)
    rows = np.searchsorted(parents.index, known["object_id"] // 10)  # as sky.semireal numbers them
    np.testing.assert_array_equal(10 * parents.index[rows], known["object_id"])
    seconds = np.array(SECONDS.get(survey.name, (1.0,) * len(survey.bands)))
    counts = (10 ** (0.4 * (survey.zero_point - 22.5)) * seconds)[:, None, None]
    blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
    path = folder / f"{survey.name}-{len(rows)}.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.concatenate([rendered.stamps(block)[0] * counts for block in blocks])
        if survey.per_second:
            file["images"].attrs["EXPTIME"] = seconds
        file["z"], file["id"], file["ebv"] = (
            known[name] for name in ("specz_redshift", "object_id", "ebv")
        )
    return path


def _some(known: Known, n: int) -> Known:
    """Choose n galaxies at random; fewer are among more."""
    order = np.random.default_rng(SEED).permutation(len(known["row"]))
    return {name: values[np.sort(order[:n])] for name, values in known.items()}


def _finetuned(
    survey: Survey, file: Path, folder: Path, settings: FinetuneSettings
) -> tuple[Estimator, str | None]:
    """Fine-tune on a file; where that is refused, why, and what it would have given all the same.

    Its galaxies chose the epochs and temperatures of the base, on stamps of SDSS, and trained none.
    """
    try:
        return _trained(survey, file, folder / file.stem, settings), None
    except InputError as error:
        refused = str(error).partition(": ")[2]
    return _trained(survey, file, folder / file.stem, _any_number(settings)), refused


def _any_number(settings: FinetuneSettings) -> FinetuneSettings:
    fewest = dict.fromkeys(type(settings.finetune.fewest_rows).model_fields, 1)
    tuning = settings.finetune.model_copy(
        update={"fewest_rows": type(settings.finetune.fewest_rows)(**fewest)}
    )
    return FinetuneSettings(settings.ingest, settings.split, tuning, settings.evaluate)


def _trained(survey: Survey, file: Path, folder: Path, settings: FinetuneSettings) -> Estimator:
    """Fine-tune as `pix2z finetune` does, without its report and registry."""
    base = BasePool("full", POOL, load_pool(POOL))
    make_sample(file, folder, base, settings, layout=None, mapping=_mapping(survey), check=True)
    record = training_record(folder, folder.name, base, settings.finetune)
    with open_galaxies(folder / "galaxies.h5") as galaxies:
        finetune_pool(
            base.pool,
            galaxies,
            read_split(folder / "split.h5"),
            settings=settings.finetune,
            folder=folder,
            checkpoints=folder / "checkpoints",
            record=record,
            curve=lambda _: lambda *_: None,
        )
    return load_pool(folder)
