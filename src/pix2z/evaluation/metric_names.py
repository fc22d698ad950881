"""The metrics of the comparison: order, labels, units, and which direction is better.

Conventions, with dz = z_phot - z_spec and Delta = dz / (1 + z_spec): ``published`` is the
experiment this project replaces (dz in redshift units; in names of metrics it is still ``seed``),
``SDSS`` the SDSS image papers (Pasquet et al. 2019, Hayat et al. 2021), ``RAIL`` the LSST DESC
tools; ``PDF`` metrics judge the whole distribution.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Literal

__all__ = ["METRICS", "Metric", "format_difference", "format_value", "margin_of"]


@dataclass(frozen=True)
class Metric:
    """How one metric is shown and read."""

    label: str
    convention: Literal["published", "SDSS", "RAIL", "SDSS and RAIL", "PDF"]
    formula: str
    better: Literal["lower", "higher", "target"]
    """``target``: a value is best near a target (0 for a bias, the nominal level for a coverage),
    so that a signed difference between two arms says nothing about which is better."""
    percent: bool = False
    digits: int = 4
    unit: str = ""


METRICS: dict[str, Metric] = {
    "mae": Metric("MAE", "published", "mean |dz|", "lower", digits=5, unit="in redshift"),
    "rmse": Metric("RMSE", "published", "root mean dz²", "lower", digits=5, unit="in redshift"),
    "r2": Metric("R²", "published", "1 - Σdz² / Σ(z_spec - mean)²", "higher"),
    "adjusted_r2": Metric("adjusted R²", "published", "1 - (1 - R²)(n - 1)/(n - 2)", "higher"),
    "bias_mean": Metric("mean bias", "SDSS", "mean Δ", "target", digits=5),
    "bias_median": Metric("median bias", "RAIL", "median Δ", "target", digits=5),
    "seed_precision": Metric(
        "precision", "published", "1.48 median |dz|", "lower", digits=5, unit="in redshift"
    ),
    "nmad": Metric("NMAD", "SDSS and RAIL", "1.4826 median |Δ - median Δ|", "lower", digits=5),
    "sigma_iqr": Metric("σ_IQR", "RAIL", "(q75 - q25 of Δ) / 1.349", "lower", digits=5),
    "outlier_005": Metric("outliers > 0.05", "SDSS", "|Δ| > 0.05", "lower", True, 2),
    "outlier_010": Metric("outliers > 0.10", "SDSS", "|Δ| > 0.10", "lower", True, 2),
    "outlier_015": Metric("outliers > 0.15", "SDSS", "|Δ| > 0.15", "lower", True, 2),
    "outlier_rail": Metric("outliers > 3 σ", "RAIL", "|Δ| > max(0.06, 3 σ_IQR)", "lower", True, 2),
    "crps": Metric(
        "CRPS", "PDF", "∫ (F - 1[z ≥ z_spec])² dz", "lower", digits=5, unit="in redshift"
    ),
    "cde_loss": Metric("CDE loss", "PDF", "mean ∫p² dz - 2 mean p(z_spec)", "lower", digits=2),
    "pit_ks": Metric("PIT KS", "PDF", "sup |F(PIT) - PIT|", "lower"),
    "coverage_68": Metric("68 % coverage", "PDF", "0.16 ≤ PIT ≤ 0.84", "target", True, 1),
    "coverage_95": Metric("95 % coverage", "PDF", "0.025 ≤ PIT ≤ 0.975", "target", True, 1),
}
"""Every metric of reports/compare.json, in its order."""


def format_value(metric: str, value: float | None) -> str:
    """Write a value in the metric's own digits; fractions as percent; a dash where undefined."""
    if value is None:
        return "–"
    known = METRICS[metric]
    text = f"{100 * value if known.percent else value:.{known.digits}f}"
    text = text if text.strip("-0.") else text.lstrip("-")  # no minus sign before nothing but zeros
    return f"{text} %" if known.percent else text


def format_difference(metric: str, value: float) -> str:
    """Write the size of a difference with its unit."""
    known = METRICS[metric]
    if known.percent:
        return f"{100 * abs(value):.{known.digits}f} percentage points"
    return f"{abs(value):.{known.digits}f} {known.unit}".strip()


def margin_of(metric: str, error: float, *, share: float) -> float | None:
    """Return what a share of an error is, in its unit; None where a share of it means nothing.

    Only of an error that is 0 at best is a share a share: not of R², a bias, a coverage, nor of the
    CDE loss, whose best value is unknown.
    """
    counted = METRICS[metric].better == "lower" and metric != "cde_loss"
    return share * error if counted and isfinite(error) else None
