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
from scipy.stats import norm

from pix2z.config.promotion import PromotionConfig
from pix2z.evaluation.arm_galaxies import GalaxyTerms
from pix2z.evaluation.arm_metrics import Measured, bootstrap_replicates, measure, metric_values
from pix2z.redshift_pdf.grid import RedshiftGrid
from pix2z.tracking.promotion.gate import ERRORS, Seeds, calibration_checks, champion_checks

PLACES = 0.105
TRAININGS = 0.003
OTHER = 0.29
"""`own` of pools of different architectures: trees and `full` differ by 0.48 of the mean CRPS."""
WIDTH, SPREAD = 0.0142, 0.35
GRID = RedshiftGrid(0.0, 0.4, 180)


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


def terms_of(galaxies: Sky, z_phot: np.ndarray, scale: float = 1.0) -> GalaxyTerms:
    """Return terms of normal PDFs around z_phot; errors and widths are larger by a factor."""
    u = (galaxies.z_spec - z_phot) / galaxies.width
    width = scale * galaxies.width
    crps = width * (u * (2 * norm.cdf(u) - 1) + 2 * norm.pdf(u) - 1 / np.sqrt(np.pi))
    index, nothing = np.arange(len(u)), np.zeros(len(u), np.float32)
    return GalaxyTerms(
        grid=GRID,
        row=index,
        object_id=index,
        group_id=index,
        z_spec=galaxies.z_spec,
        z_phot=galaxies.z_spec - width * u,
        mag_r=nothing,
        ebv=nothing,
        err68_low=z_phot,
        err68_high=z_phot,
        crps=crps,
        cde=crps,
        pit=norm.cdf(u),
    )


def pool(
    rng: np.random.Generator, galaxies: Sky, k: int, *, own: float = 0.0, worse: float = 0.0
) -> tuple[GalaxyTerms, list[GalaxyTerms]]:
    """Train k networks anew: terms of their pool, and of each alone.

    own : how far, in widths, they put PDFs alike, but unlike networks of another architecture.
    """
    n = len(galaxies.width)
    off = PLACES * rng.standard_normal((k, n)) + own * rng.standard_normal(n)
    places = galaxies.centre + galaxies.width * off
    scales = (1 + worse) * (1 + TRAININGS * rng.standard_normal(k))
    seeds = [terms_of(galaxies, place, scale) for place, scale in zip(places, scales, strict=True)]
    return terms_of(galaxies, places.mean(axis=0), float(scales.mean())), seeds


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
    settings = {"k": k, "own": own, "worse": worse, "n_bootstrap": n_bootstrap}
    return [_comparison(rng, n, **settings) for _ in range(trials)]


def _comparison(
    rng: np.random.Generator, n: int, *, k: int, own: float, worse: float, n_bootstrap: int
) -> Comparison:
    galaxies, measured, seeds = sky(rng, n), [], []
    pools = pool(rng, galaxies, k, own=own, worse=worse), pool(rng, galaxies, k, own=own)
    for terms, members in pools:
        measured.append(measure(terms, n_bootstrap=n_bootstrap, seed=1, only=ERRORS))
        alone = [metric_values(member, only=ERRORS) for member in members]
        seeds.append({metric: [values[metric] for values in alone] for metric in ERRORS})
    return Comparison(*measured, (seeds[0], seeds[1]))


def calibrated_pass(
    trials: int, n: int, tolerances: Mapping[str, float], *, n_bootstrap: int = 50, seed: int = 1
) -> float:
    """Share of perfectly calibrated models that pass every line of calibration."""
    rng, passed = np.random.default_rng(seed), []
    for _ in range(trials):
        galaxies = sky(rng, n)
        terms = terms_of(galaxies, galaxies.centre)
        drawn = bootstrap_replicates(terms, n_bootstrap=n_bootstrap, seed=1, only=["bias_mean"])
        shown = dict.fromkeys(tolerances, np.zeros(2))  # these resamples decide nothing
        measured = Measured(metric_values(terms, only=tolerances), shown | drawn)
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
