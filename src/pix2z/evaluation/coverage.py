"""Coverage of PDFs along what is known of a galaxy: an average can hide what a part of it lacks.

Test galaxies are cut into bins of equal numbers along each variable of `VARIABLES`. In every bin
the central intervals should hold the share of true redshifts that they claim. Bands say how far
chance takes calibrated PDFs from it: of such, 95 % of test sets have **all bins of one variable**,
at both levels, within their bands. All variables together are judged by `chance`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, norm, rankdata

from pix2z.dataset.batches import sequential_batches
from pix2z.dataset.photometry import aperture_photometry, magnitude
from pix2z.dataset.store import Galaxies
from pix2z.evaluation.arm_galaxies import GalaxyTerms
from pix2z.evaluation.arm_metrics import json_number
from pix2z.evaluation.bootstrap import binomial_band, independent
from pix2z.evaluation.pdf_metrics import COVERAGE, covered
from pix2z.imaging import BANDS, extinction

__all__ = [
    "VARIABLES",
    "Variable",
    "bins_outside",
    "chance",
    "coverage_along",
    "known_variables",
    "measured_variables",
    "n_shares",
    "trend_limit",
]

Array = NDArray[np.float64]
Json = dict[str, Any]


@dataclass(frozen=True)
class Variable:
    """What a variable is called, and how its values are written."""

    label: str
    form: str
    unit: str = ""

    @property
    def axis_label(self) -> str:
        """The label with its unit, for a figure."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


VARIABLES: Mapping[str, Variable] = {
    "mag_r": Variable("r magnitude", "{:.2f}", "AB"),
    "g_r": Variable("dereddened g - r", "{:.2f}", "mag"),
    "z_phot": Variable("z_phot", "{:.3f}"),
    "ebv": Variable("E(B-V)", "{:.3f}", "mag"),
    "width": Variable("width of the PDF", "{:.4f}", "redshift"),
    "seeing": Variable("seeing in r", "{:.2f}", "FWHM, arcsec"),
}
"""Width: half the central 68 %, in redshift. Seeing: FWHM in arcsec."""

N_BINS = 10

MIN_PER_BIN = 40
"""Fewer galaxies give fewer bins: of 40, the band of 68 % is already 45 to 88 %."""

COLOUR_APERTURE = 4
"""Index into `APERTURE_RADII_ARCSEC`: 3.2 arcsec, the main one of the controls' colours."""

READ_ROWS = 128


def measured_variables(galaxies: Galaxies, rows: NDArray[np.int64]) -> dict[str, Array]:
    """``g_r``, measured on the stamps, and ``seeing`` of galaxies, (n,) each; NaN where unknown.

    An unknown E(B-V) makes a colour unknown.
    """
    g, r = BANDS.index("g"), BANDS.index("r")
    colours = [np.empty(0)]
    for images, batch in sequential_batches(galaxies, rows, batch_size=READ_ROWS):
        observed = magnitude(aperture_photometry(images)[0][:, COLOUR_APERTURE])
        dereddened = observed - extinction(galaxies.column("ebv", batch))
        colours.append(dereddened[:, g] - dereddened[:, r])
    seeing = galaxies.column("seeing", rows)[:, r]
    return {"g_r": np.concatenate(colours), "seeing": seeing.astype(np.float64)}


def coverage_along(terms: GalaxyTerms, measured: Mapping[str, Array]) -> dict[str, Json]:
    """Follow the coverage of PDFs along every variable: variable -> ``bins`` and ``trend``.

    A bin has its limits, median and count. At each level it has the share of covered galaxies with
    its band and its two-sided binomial p-value, uncorrected. Stamps of one group count as few
    independent galaxies as they may be. A trend is the rank correlation of being covered with the
    variable, in standard deviations of what chance makes of it.

    Parameters
    ----------
    measured : what `measured_variables` gives, of the same galaxies.
    """
    width = (terms.err68_high - terms.err68_low) / 2
    values = {"mag_r": terms.mag_r, "z_phot": terms.z_phot, "ebv": terms.ebv, "width": width}
    values = {**values, **measured}
    return {name: _along(terms, np.asarray(values[name], np.float64)) for name in VARIABLES}


def known_variables(arms: Mapping[str, Mapping[str, Json]]) -> dict[str, Variable]:
    """Those of `VARIABLES` that have bins: a file may be without seeing or E(B-V)."""
    return {
        name: variable
        for name, variable in VARIABLES.items()
        if any(along[name]["bins"] for along in arms.values())
    }


def trend_limit(n_variables: int) -> float:
    """Trends that chance exceeds in 5 % of test sets for any variable and level; one decimal."""
    return round(float(norm.isf(0.05 / 2 / (n_variables * len(COVERAGE)))), 1)


def bins_outside(along: Mapping[str, Json]) -> list[Json]:
    """Shares that lie outside their bands, with variable, level and bin; the least likely first."""
    found = [
        {"variable": variable, "level": level, "low": low, "high": high, **share}
        for variable, level, low, high, share in _shares(along)
        if not share["band_low"] <= share["value"] <= share["band_high"]
    ]
    return sorted(found, key=lambda share: float(share["p"]))


def n_shares(along: Mapping[str, Json]) -> int:
    """Count the shares: bins of all variables, at each level."""
    return sum(1 for _ in _shares(along))


def chance(along: Mapping[str, Json]) -> float:
    """Of calibrated PDFs, at most this part of test sets has a share as unlikely as the worst here.

    Bonferroni's correction over all shares of all variables.
    """
    p = [float(share["p"]) for *_, share in _shares(along)]
    return min([1.0, *(len(p) * value for value in p)])


def _shares(along: Mapping[str, Json]) -> Iterator[tuple[str, str, float, float, Json]]:
    """Variable, level, limits of the bin, and the share with its band."""
    for variable, followed in along.items():
        for of_bin in followed["bins"]:
            for level in COVERAGE:
                yield variable, level, of_bin["low"], of_bin["high"], of_bin[level]


def _along(terms: GalaxyTerms, values: Array) -> Json:
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    n_bins = min(N_BINS, max(1, len(order) // MIN_PER_BIN))
    # Sidak: each of m bands is left by chance so seldom that none is by 95 % of test sets
    outside = 1 - 0.95 ** (1 / (n_bins * len(COVERAGE)))
    return {
        "bins": [
            _one_bin(terms, values, rows, outside=outside)
            for rows in np.array_split(order, n_bins)
            if len(rows)
        ],
        "trend": {
            name: json_number(_trend(terms, values, order, level))
            for name, level in COVERAGE.items()
        },
    }


def _one_bin(terms: GalaxyTerms, values: Array, rows: NDArray[np.int64], *, outside: float) -> Json:
    limits = {"low": values[rows[0]], "high": values[rows[-1]], "median": np.median(values[rows])}
    found: Json = {**{name: float(value) for name, value in limits.items()}, "n": len(rows)}
    n = independent(terms.group_id[rows])
    for name, level in COVERAGE.items():
        low, high = binomial_band(n, level, outside=outside)
        share = float(covered(terms.pit[rows], level).mean())
        hits = round(share * n)
        p = min(1.0, 2 * min(binom.cdf(hits, n, level), binom.sf(hits - 1, n, level)))
        found[name] = {"nominal": level, "value": share, "band_low": low, "band_high": high}
        found[name]["p"] = float(p)
    return found


def _trend(terms: GalaxyTerms, values: Array, rows: NDArray[np.int64], level: float) -> float:
    """Give Spearman's correlation times sqrt(n - 1), of variance 1 under any permutation."""
    hits, ranks = covered(terms.pit[rows], level).astype(np.float64), rankdata(values[rows])
    if len(rows) < 2 or not (np.ptp(hits) and np.ptp(ranks)):
        return np.nan
    n = independent(terms.group_id[rows])
    return float(np.corrcoef(hits, ranks)[0, 1] * np.sqrt(n - 1))
