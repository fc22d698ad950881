"""Planted pools for the gate: how often it refuses an equal model, and lets a worse one pass.

``python -m tests.tracking.promotion.planted`` prints the table of docs/design.md (minutes).

Galaxies have normal PDFs whose widths are lognormal. The networks of one architecture differ in
where they put a PDF, by `PLACES` of its width, and in how good they are, by `TRAININGS`. Measured
on 1,937 test galaxies of a finished default run, three seeds of `full`: CRPS per galaxy has a
spread of 0.93 of its mean, differences between two seeds one of 0.15 to 0.17, with a correlation of
0.984 to 0.987; seeds differ in CRPS by 0.3 % (standard deviation, chance of galaxies included).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import ndtr

from pix2z.config.promotion import PromotionConfig
from pix2z.evaluation.arm_metrics import Measured
from pix2z.evaluation.pdf_metrics import pdf_metric_replicates, prepared_pdf_terms
from pix2z.tracking.promotion.gate import Seeds, calibration_checks, champion_checks

PLACES = 0.105
TRAININGS = 0.003
OTHER = 0.29
"""`own` of pools of different architectures: trees and `full` differ by 0.48 of the mean CRPS."""
WIDTH, SPREAD = 0.0142, 0.35


@dataclass(frozen=True, eq=False)
class Sky:
    """Galaxies (n,): redshifts, the widths of their PDFs, and where the best PDF is."""

    z_spec: np.ndarray
    width: np.ndarray
    centre: np.ndarray


def sky(rng: np.random.Generator, n: int) -> Sky:
    centre = rng.uniform(0.05, 0.3, n)
    width = WIDTH * rng.lognormal(0, SPREAD, n)
    return Sky(centre + width * rng.standard_normal(n), width, centre)


def scores_of(galaxies: Sky, z_phot: np.ndarray, scale: float | np.ndarray = 1.0) -> np.ndarray:
    """CRPS, dz and Delta (3, ..., n) of normal PDFs around z_phot (..., n).

    Errors and widths are larger by a factor `scale`.
    """
    u = (galaxies.z_spec - z_phot) / galaxies.width
    width = scale * galaxies.width
    normal = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)
    crps = width * (u * (2 * ndtr(u) - 1) + 2 * normal - 1 / np.sqrt(np.pi))
    return np.stack([crps, -width * u, -width * u / (1 + galaxies.z_spec)])


def errors_of(scores: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of `ERRORS`, (...), of scores (3, ..., n), as `measure` has it, but quicker."""
    crps, dz, delta = scores
    off = np.abs(delta - np.median(delta, axis=-1, keepdims=True))
    return {
        "crps": crps.mean(axis=-1),
        "mae": np.abs(dz).mean(axis=-1),
        "nmad": 1.4826 * np.median(off, axis=-1),
        "outlier_005": (np.abs(delta) > 0.05).mean(axis=-1),
    }


def pool(
    rng: np.random.Generator, galaxies: Sky, k: int, *, own: float = 0.0, worse: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Train k networks anew: scores of their pool (3, n), and of each alone (3, k, n).

    own : how far, in widths, they put PDFs alike, but unlike networks of another architecture.
    """
    n = len(galaxies.width)
    off = PLACES * rng.standard_normal((k, n)) + own * rng.standard_normal(n)
    places = galaxies.centre + galaxies.width * off
    scales = (1 + worse) * (1 + TRAININGS * rng.standard_normal((k, 1)))
    pooled = scores_of(galaxies, places.mean(axis=0), float(scales.mean()))
    return pooled, scores_of(galaxies, places, scales)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A candidate and the champion on the same galaxies, and what their seeds reach alone."""

    candidate: Measured
    champion: Measured
    seeds: tuple[Seeds, Seeds]

    def passes(self, margin: float | None) -> bool:
        """Tell whether the candidate passes every line of the gate."""
        checks = champion_checks(self.candidate, self.champion, self.seeds, margin=margin)
        return all(check.passed for check in checks)


def comparisons(
    trials: int,
    n: int,
    *,
    k: int = 3,
    own: float = 0.0,
    worse: float = 0.0,
    n_bootstrap: int = 50,
    seed: int = 1,
) -> list[Comparison]:
    """Train candidate and champion anew, several times, and measure them on n new galaxies."""
    rng = np.random.default_rng(seed)
    rows = resampled_rows(n, n_bootstrap)
    return [_comparison(rng, rows, k=k, own=own, worse=worse) for _ in range(trials)]


def resampled_rows(n: int, n_bootstrap: int) -> np.ndarray:
    """Rows (B, n) of resamples; the same ones for every trial, as with the seed of the gate."""
    return np.random.default_rng(1).integers(n, size=(n_bootstrap, n))


def _comparison(
    rng: np.random.Generator, rows: np.ndarray, *, k: int, own: float, worse: float
) -> Comparison:
    galaxies, measured, seeds = sky(rng, rows.shape[1]), [], []
    for pooled, alone in (pool(rng, galaxies, k, own=own, worse=by) for by in (worse, 0.0)):
        values = {metric: float(value) for metric, value in errors_of(pooled).items()}
        measured.append(Measured(values, errors_of(pooled[:, rows])))
        seeds.append({metric: of_seeds.tolist() for metric, of_seeds in errors_of(alone).items()})
    return Comparison(*measured, (seeds[0], seeds[1]))


def calibrated_pass(
    trials: int, n: int, tolerances: Mapping[str, float], *, n_bootstrap: int = 50, seed: int = 1
) -> float:
    """Share of perfectly calibrated models that pass every line of calibration."""
    rng, passed = np.random.default_rng(seed), []
    rows, once = resampled_rows(n, n_bootstrap), np.ones((1, n))
    for _ in range(trials):
        galaxies = sky(rng, n)
        crps, _dz, delta = scores_of(galaxies, galaxies.centre)
        pit = ndtr((galaxies.z_spec - galaxies.centre) / galaxies.width)
        of_pdfs = pdf_metric_replicates(
            prepared_pdf_terms(crps, crps, pit), once, only=tolerances.keys()
        )
        values = {metric: float(value) for metric, (value,) in of_pdfs.items()}
        shown = dict.fromkeys(tolerances, np.zeros(2))  # these resamples decide nothing
        measured = Measured(
            values | {"bias_mean": float(delta.mean())},
            shown | {"bias_mean": delta[rows].mean(axis=1)},
        )
        checks = calibration_checks(measured, tolerances, n=n)
        passed.append(all(check.passed for check in checks))
    return float(np.mean(passed))


def table(trials: int = 400) -> Iterator[str]:
    """Yield lines: refusals of equal models, passes of worse ones, passes of calibrated ones."""
    margins = (0.02, 0.025, 0.03, 0.04, None)
    pools = [*product((1, 3, 5), (0.0,)), (3, OTHER)]
    for (k, own), n, worse in product(pools, (100, 500, 2000), (0.0, 0.05)):
        drawn = comparisons(trials, n, k=k, own=own, worse=worse)
        shares = {m: float(np.mean([c.passes(m) for c in drawn])) for m in margins}
        yield f"{k} seeds, own {own}, {n} galaxies, {worse:.0%} worse: passes by margin {shares}"
    for n in (50, 100, 200, 500, 2000):
        tolerances = PromotionConfig.read().calibration.model_dump()
        bias = {"bias_mean": tolerances["bias_mean"]}  # a median is not free of it in Delta
        nearly_none = dict.fromkeys(tolerances, 1e-9) | bias
        both = [calibrated_pass(10 * trials, n, which) for which in (tolerances, nearly_none)]
        yield f"{n} galaxies: calibrated passes {both[0]:.3f}, without tolerance {both[1]:.3f}"


if __name__ == "__main__":
    for line in table():
        print(line, flush=True)  # noqa: T201
