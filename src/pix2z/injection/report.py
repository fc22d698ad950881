"""Injected galaxies against the same galaxies as rendered: what docs/reference/real.json holds.

Intervals are of a paired bootstrap over galaxies: they hold which galaxies were taken, not which
fields.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pix2z.archive.frames import cut_stamps
from pix2z.archive.sdss_spectra import SdssSpectrum
from pix2z.errors import InputError
from pix2z.evaluation.arm_galaxies import select_terms
from pix2z.evaluation.arm_metrics import Measured, measure, with_interval
from pix2z.field.frames import open_field
from pix2z.injection.detected import Search, completeness, join_searches, search
from pix2z.injection.frames import Frames
from pix2z.injection.galaxies import DrawnGalaxies
from pix2z.injection.measured import Answers, answers, in_field, joined
from pix2z.injection.seeing import Seeing, measure_seeing
from pix2z.redshift_pdf.flags import IMAGE_FLAG_MEANINGS

if TYPE_CHECKING:
    from pix2z.catalogue.estimator import Estimator

__all__ = ["CROWDING", "GOALS", "METRICS", "compared", "crowded_rows", "goals", "injection_report"]

logger = logging.getLogger(__name__)

Json = dict[str, Any]

METRICS = ("crps", "mae", "nmad", "outlier_005", "coverage_68", "coverage_95", "bias_median")
RATIOS = ("crps", "mae", "nmad")

N_BOOTSTRAP = 1000

CROWDING: Mapping[str, tuple[float, float]] = {
    "bright": (-np.inf, 0.5),
    "some": (0.5, 2.5),
    "little": (2.5, np.inf),
}
"""Magnitudes by which the light that the r frame holds within 6 arcsec of the place, before a
galaxy is put there, is fainter than all of the galaxy's."""

GOALS: Mapping[str, tuple[float, float]] = {
    "crps_ratio": (0.0, 1.08),
    "outlier_005": (0.0, 0.01),
    "coverage_95": (0.94, 0.96),
    "bias_median": (-0.002, 0.002),
    "found_nmad_ratio": (0.0, 1.15),
}
"""Lowest and highest value that meets a goal: of all galaxies in all fields, the last of those that
are found and called galaxies down to r = 17.8."""


@dataclass(frozen=True)
class _Field:
    """What came of one field; `search` is of the galaxies `searched` (n,), rows of the sample."""

    seeing: Seeing
    fainter: NDArray[np.float64]
    versions: dict[str, Answers]
    searched: NDArray[np.int64]
    search: Search
    spectra: list[Json]


def injection_report(
    estimator: "Estimator",
    clean_images: NDArray[np.float32],
    galaxies: DrawnGalaxies,
    fields: Mapping[str, Sequence[Path]],
    spectra: Sequence[SdssSpectrum],
    *,
    seed: int,
    against: "Estimator | None" = None,
) -> Json:
    """Measure a model on galaxies in every field.

    Parameters
    ----------
    clean_images : (N, 32, 32, 5) stamps of the galaxies as rendered.
    fields : name -> frames. spectra : of real galaxies, which may lie in the fields.
    seed : of places, noise and resamples.
    against : another model, which is asked of the same stamps in real sky.
    """
    clean = answers(estimator, clean_images, galaxies)
    measured: dict[str, _Field] = {}
    by_field: dict[str, Json] = {}
    for number, (name, paths) in enumerate(fields.items()):
        rows = np.arange(number, len(galaxies), len(fields))
        rng = np.random.default_rng([seed, number])
        one = measured[name] = _of_field(
            estimator, paths, galaxies, rows, spectra, rng, against=against
        )
        by_field[name] = {
            "fwhm_arcsec": one.seeing.fwhm.tolist(),
            "noise_nanomaggies": one.seeing.noise.tolist(),
            **compared({"clean": clean, **one.versions}, seed=seed),
        }
        ratio = by_field[name]["real / clean"]["crps"]
        logger.info("%s: CRPS of %d galaxies / clean: %s", name, len(galaxies), ratio)
    parts = list(measured.values())
    versions = {
        "clean": joined([clean] * len(parts)),
        **{name: joined([one.versions[name] for one in parts]) for name in parts[0].versions},
    }
    fainter = np.concatenate([one.fainter for one in parts])
    overall = compared(versions, seed=seed)
    found = _of_found(estimator, clean, galaxies, parts, seed=seed)
    return {
        "n_galaxies": len(galaxies),
        "model_digest": estimator.digest,
        "goals": goals(overall, found),
        "overall": overall,
        "fields": by_field,
        "crowding": {
            name: compared(versions, rows, seed=seed)
            for name, rows in crowded_rows(fainter).items()
        },
        "unflagged": compared(versions, versions["real"].flags == 0, seed=seed),
        "flags": {
            name: _flag_shares(one, len(galaxies), seed=seed) for name, one in versions.items()
        },
        "found": found,
        "spectra": [one for part in parts for one in part.spectra],
    }


def _of_field(
    estimator: "Estimator",
    paths: Sequence[Path],
    galaxies: DrawnGalaxies,
    rows: NDArray[np.int64],
    spectra: Sequence[SdssSpectrum],
    rng: np.random.Generator,
    *,
    against: "Estimator | None",
) -> _Field:
    frames = open_field(paths)
    seeing = measure_seeing(frames)
    stamps = in_field(frames, seeing, galaxies, rng)
    versions = {
        "alone": answers(estimator, stamps.alone, galaxies),
        "real": answers(estimator, stamps.real, galaxies),
    }
    if against is not None:
        versions["against"] = answers(against, stamps.real, galaxies)
    return _Field(
        seeing=seeing,
        fainter=stamps.fainter,
        versions=versions,
        searched=rows,
        search=search(frames, seeing, galaxies.take(rows), rng),
        spectra=_of_spectra(estimator, frames, spectra),
    )


def _of_spectra(
    estimator: "Estimator", frames: Frames, spectra: Sequence[SdssSpectrum]
) -> list[Json]:
    """Redshifts by the images of the real galaxies in this field that have a spectrum."""
    result = []
    for spectrum in spectra:
        try:
            stamp = cut_stamps(frames, ra=spectrum.ra, dec=spectrum.dec)
        except InputError:
            continue  # in another field
        answer = estimator.estimate(stamp[None])
        result.append(
            {
                "spectrum": spectrum.path.name,
                "z_spec": float(spectrum.z),
                "z_phot": float(answer.z_phot[0]),
                "low": float(answer.err95_low[0]),
                "high": float(answer.err95_high[0]),
                "flags": int(answer.flags[0]),
            }
        )
    return result


def _of_found(
    estimator: "Estimator",
    clean: Answers,
    galaxies: DrawnGalaxies,
    parts: Sequence[_Field],
    *,
    seed: int,
) -> Json:
    """Completeness and purity, and the found galaxies against their clean stamps."""
    result = join_searches([one.search for one in parts])
    rows = np.concatenate([one.searched for one in parts])
    bins = completeness(result)
    told = result.galaxy_told & (result.mag_r < bins[-1]["r"][1])
    found = answers(estimator, result.images[told], galaxies.take(rows[told]))
    as_rendered = Answers(select_terms(clean.terms, rows[told]), clean.flags[rows[told]])
    return {
        "n_searched": len(rows),
        "magnitudes": bins,
        **compared({"clean": as_rendered, "real": found}, seed=seed),
    }


def crowded_rows(fainter: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:
    """Mask (N,) of the galaxies of each class of `CROWDING`."""
    return {
        name: (fainter >= low) & ((fainter < high) | (high == np.inf))
        for name, (low, high) in CROWDING.items()
    }


def compared(
    versions: Mapping[str, Answers], rows: NDArray[Any] | None = None, *, seed: int
) -> Json:
    """Measure every version of the same galaxies, or of some `rows`, and their ratios.

    All are compared with `clean`; `real` with `alone` and `against`, too, where there are such.

    Returns
    -------
    dict
        ``{"n", version: {metric: {"value", "low", "high"}}, "VERSION / clean": {metric: ...}}``.
    """
    terms = {name: one.terms for name, one in versions.items()}
    if rows is not None:
        terms = {name: select_terms(one, rows) for name, one in terms.items()}
    found = {
        name: measure(one, n_bootstrap=N_BOOTSTRAP, seed=seed, only=METRICS)
        for name, one in terms.items()
    }
    result: Json = {"n": len(next(iter(terms.values())))}
    result |= {name: one.intervals() for name, one in found.items()}
    pairs = [(name, "clean") for name in found if name != "clean"]
    pairs += [("real", name) for name in ("alone", "against") if name in found]
    for a, b in pairs:
        result[f"{a} / {b}"] = {m: _ratio(found[a], found[b], m) for m in RATIOS}
    return result


def _ratio(a: Measured, b: Measured, metric: str) -> Json:
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = a.replicates[metric] / b.replicates[metric]
        return with_interval(float(np.divide(a.values[metric], b.values[metric])), drawn)


def _flag_shares(version: Answers, n_galaxies: int, *, seed: int) -> Json:
    """Share of stamps that have a flag, by what the flag says; galaxies are in every field."""
    rng = np.random.default_rng(seed)
    weight = rng.multinomial(n_galaxies, np.full(n_galaxies, 1 / n_galaxies), N_BOOTSTRAP)
    shares = {}
    for bit, meaning in IMAGE_FLAG_MEANINGS.items():
        flagged = (version.flags & bit != 0).reshape(-1, n_galaxies).mean(axis=0)
        shares[meaning] = with_interval(float(flagged.mean()), weight @ flagged / n_galaxies)
    return shares


def goals(overall: Json, found: Json) -> dict[str, Json]:
    """Say of every goal what was reached: its value with interval, the range, and whether met.

    A value that is not known, as of no found galaxies, meets none.
    """
    reached = {
        **overall["real"],
        "crps_ratio": overall["real / clean"]["crps"],
        "found_nmad_ratio": found["real / clean"]["nmad"],
    }

    def met(value: float | None, low: float, high: float) -> bool:
        return value is not None and low <= value <= high

    return {
        name: {
            **reached[name],
            "least": low,
            "most": high,
            "met": met(reached[name]["value"], low, high),
        }
        for name, (low, high) in GOALS.items()
    }
