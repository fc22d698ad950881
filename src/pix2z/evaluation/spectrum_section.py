"""The report's section on spectra: how well they are reconstructed, and which way leads further."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pix2z.evaluation.metric_names import METRICS, format_difference, format_value
from pix2z.evaluation.report_parts import Picture, Section, Table

__all__ = ["WAYS", "spectrum_answer", "spectrum_sections"]

Json = Mapping[str, Any]

WAYS = {
    "direct": "images to redshift, the arm of the comparison above",
    "network": "the redshift PDF inside the spectrum network, which shifts its templates",
    "boosted": "gradient-boosted trees (XGBoost) on the reconstructed spectrum, as the published"
    " system reads it; fitted on out-of-fold reconstructions",
    "templates": "chi-square of a basis, learned on training spectra, plus a polynomial",
}
"""Way to a redshift -> what it is."""

NAMES = {
    "full": "physical decoder, full sample",
    "clipped": "physical decoder, clipped sample",
    "plain": "plain CNN, full sample",
    "mean_spectrum": "mean training spectrum for every galaxy",
}
WHERE = {
    "whole": "On all test galaxies",
    "inside": "Inside the clip window, where both were trained",
}
"""Subset -> how a contrast on it begins in words; others stay in the JSON file."""
SHOWN = ("crps", "mae", "nmad", "bias_mean", "outlier_005")


def spectrum_sections(report: Json, figures: Path) -> list[Section]:
    """Two sections from the content of reports/spectrum.json and the figures beside it."""
    return [_spectra(report, figures), _ways(report, figures)]


def spectrum_answer(report: Json, arm: str = "full") -> str:
    """Say which way to a redshift is better, and by how much, on the same test galaxies."""
    found = report["redshifts"].get(arm)
    if found is None:
        return ""
    over_spectrum = [way for way in found["ways"] if way != found["reference"]]
    if not over_spectrum:
        return ""
    values = {way: found["ways"][way]["whole"]["mae"]["value"] for way in found["ways"]}
    best = min(over_spectrum, key=lambda way: values[way])
    entry = _contrast(found["contrasts"], best, "mae")
    low, high = (format_value("mae", entry[bound]) for bound in ("low", "high"))
    if entry["low"] > 0:
        verdict = f"worse by {format_difference('mae', entry['difference'])}"
    elif entry["high"] < 0:
        verdict = f"better by {format_difference('mae', entry['difference'])}"
    else:
        verdict = "not significantly different"
    others = ", ".join(
        f"{way} {format_value('mae', values[way])}" for way in over_spectrum if way != best
    )
    sentence = (
        f"The best way over a spectrum ({best}, {WAYS[best]}) has a MAE of"
        f" {format_value('mae', values[best])} on the same {report['test']['n']:,} test galaxies,"
        f" against {format_value('mae', values['direct'])} of the direct network: {verdict}"
        f" (difference {format_value('mae', entry['difference'])}, 95 % interval {low} to {high})."
    )
    return f"{sentence} The others: {others}." if others else sentence


def _contrast(contrasts: Sequence[Json], way: str, metric: str, subset: str = "whole") -> Json:
    return next(c for c in contrasts if (c["a"], c["metric"], c["subset"]) == (way, metric, subset))


def _spectra(report: Json, figures: Path) -> Section:
    grid, arms = report["wavelength"], report["arms"]
    colour_names = list(next(iter(arms.values()))["colours"])
    header = (
        "",
        "MSE",
        "MAE",
        "in 68 % band",
        "in 95 % band",
        *(f"{name}, target" for name in colour_names),
        *(f"{name}, measured" for name in colour_names),
        "H alpha found",
    )
    rows = tuple(_spectrum_row(name, arm, colour_names) for name, arm in arms.items())
    caption = (
        "Fluxes relative to their mean in r. Colours: NMAD in magnitudes of the colour synthesised"
        " from the reconstruction, less that of the target spectrum, and less the dereddened one"
        " measured on the stamp. H alpha: share of galaxies with a visible line for which the"
        " reconstruction's is within 1 % of its wavelength."
    )
    lead = (
        f"Each image gives a spectrum at {grid['n']:,} log-spaced wavelengths from"
        f" {grid['low']:.0f} to {grid['high']:.0f} Angstrom, in the frame of the observer. Targets:"
        f" {report['targets']['source']}. On {report['test']['n']:,} test galaxies."
    )
    paragraphs = (lead, *_spectrum_verdicts(report))
    pictures = (
        Picture(
            figures / "spectra.png",
            "Test galaxies with the smallest and largest error, and random ones: spectrum (black),"
            " reconstruction from the images (orange) with its 68 and 95 % bands (blue), and where"
            " lines lie at the spectroscopic redshift.",
            "True and reconstructed spectra of nine test galaxies",
        ),
        Picture(
            figures / "error_by_wavelength.png",
            "Root mean square error and the share of galaxies inside the 68 % band, by wavelength"
            " (running means).",
            "Error and coverage of reconstructed spectra against wavelength",
        ),
    )
    table = Table(caption=caption, header=header, rows=rows)
    return Section(
        "From images to a spectrum",
        paragraphs,
        items=tuple(f"{name}: {NAMES.get(name, name)}" for name in arms),
        tables=(table,),
        pictures=pictures,
    )


def _spectrum_row(name: str, arm: Json, colour_names: Sequence[str]) -> tuple[str, ...]:
    colours = [
        _optional(arm["colours"][colour][against]["nmad"], "{:.3f}")
        for against in ("against_target", "against_measured")
        for colour in colour_names
    ]
    return (
        name,
        _with_interval(arm["mse"], "{:.5f}"),
        _with_interval(arm["mae"], "{:.4f}"),
        _optional(arm["coverage_68"], "{:.1%}"),
        _optional(arm["coverage_95"], "{:.1%}"),
        *colours,
        _optional(arm["h_alpha"]["found"], "{:.1%}"),
    )


def _spectrum_verdicts(report: Json) -> list[str]:
    """Sentences on pairs of networks: over all test galaxies, and where both were trained."""
    sentences = []
    for entry in report["contrasts"]:
        subsets = WHERE if (entry["a"], entry["b"]) == ("full", "clipped") else ("whole",)
        if entry["metric"] != "mae" or entry["subset"] not in subsets or entry["low"] is None:
            continue
        a, b = (NAMES.get(entry[side], entry[side]) for side in ("a", "b"))
        if entry["high"] < 0:
            verdict = f"{a} is better than {b}"
        elif entry["low"] > 0:
            verdict = f"{b} is better than {a}"
        else:
            verdict = f"{a} and {b} do not differ significantly"
        sentences.append(
            f"{WHERE[entry['subset']]}, {verdict}: MAE {entry['difference']:+.4f} of the flux in r"
            f" (95 % interval {entry['low']:+.4f} to {entry['high']:+.4f})."
        )
    return sentences


def _ways(report: Json, figures: Path) -> Section:
    tables = tuple(_ways_table(name, found) for name, found in report["redshifts"].items())
    note = (
        "Every way's point estimates become PDFs by the residuals of calibration galaxies; the"
        " direct network has its own. Intervals resample parent galaxies; they hold the chance of"
        " the test galaxies, not that of the trainings. The direct network is a pool of several"
        " trainings, a spectrum network a single one. Targets that are sums of templates can be"
        " read with templates only too well: the basis that reads them here was learned from"
        " training spectra, and what is read are reconstructions, not targets."
        if report["targets"]["kind"] != "sdss"
        else "Intervals resample groups of galaxies."
    )
    picture = Picture(
        figures / "ways.png",
        "Photometric against spectroscopic redshift of the same test galaxies, by every way;"
        " dashed: |dz| = 0.05 (1 + z).",
        "Photometric against spectroscopic redshift for four ways to a redshift",
    )
    items = tuple(f"{way}: {words}" for way, words in WAYS.items())
    return Section(
        "From a spectrum to a redshift",
        paragraphs=tuple(p for p in (spectrum_answer(report), note) if p),
        items=items,
        tables=tables,
        pictures=(picture,),
    )


def _ways_table(name: str, found: Json) -> Table:
    header = ("", *(f"{METRICS[metric].label} ({METRICS[metric].convention})" for metric in SHOWN))
    rows = [
        (
            way,
            *(
                _ranged(metric, subsets["whole"][metric], subsets["whole"][metric]["value"])
                for metric in SHOWN
            ),
        )
        for way, subsets in found["ways"].items()
    ]
    for way in found["ways"]:
        if way == found["reference"]:
            continue
        entries = [_contrast(found["contrasts"], way, metric) for metric in SHOWN]
        cells = (_ranged(e["metric"], e, e["difference"]) for e in entries)
        rows.append((f"{way} - direct", *cells))
    caption = f"Spectrum network {name} ({NAMES.get(name, name)}), whole test set"
    return Table(caption=caption, header=header, rows=tuple(rows))


def _ranged(metric: str, entry: Json, value: float | None) -> str:
    if value is None or entry["low"] is None:
        return format_value(metric, value)
    low, high = (format_value(metric, entry[bound]) for bound in ("low", "high"))
    return f"{format_value(metric, value)} ({low} to {high})"


def _with_interval(entry: Json, form: str) -> str:
    if entry["value"] is None:
        return "–"
    value, low, high = (form.format(entry[name]) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _optional(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
