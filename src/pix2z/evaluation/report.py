"""reports/report.md and the self-contained reports/report.html, from one list of sections."""

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pix2z.evaluation.answer import answer
from pix2z.evaluation.arm_galaxies import GalaxyTerms
from pix2z.evaluation.arm_metrics import coverage
from pix2z.evaluation.contrasts import TOLD_WINDOW, subset_phrase
from pix2z.evaluation.metric_names import METRICS
from pix2z.evaluation.report_parts import Picture, Section, Table
from pix2z.evaluation.report_tables import (
    all_metrics_table,
    binned_table,
    cost_table,
    coverage_table,
    exploratory_table,
    ingest_table,
    primary_table,
    results_table,
    seed_view_table,
)
from pix2z.files import atomic_path

__all__ = ["report_sections", "write_report"]

Json = Mapping[str, Any]

KS_CRITICAL = 1.36
"""Times 1/sqrt(n): the 5 % critical value of the KS distance, for large n (Smirnov 1948)."""

TITLE = "Does clipping the training sample help?"

ARMS = {
    "full": "the hybrid network (aperture photometry and a small convolutional trunk), trained on"
    " the full sample",
    "clipped": "the same network, trained on galaxies inside the clip window only",
    "subsample": "the same network, trained on a random subsample as large as the clipped one",
    "published_full": "the published network with its own recipe, trained on the full sample",
    "published_clipped": "the same, trained on the clipped sample",
    TOLD_WINDOW: "the full arm's PDFs cut to the clip window: what knowing that every galaxy lies"
    " inside is worth by itself; to be read inside the window only",
    "trees": "gradient-boosted trees on aperture photometry of the same stamps",
    "knn": "nearest neighbours on the same photometry",
    "trainz": "the training n(z) for every galaxy, moved stamps left out: what no information at"
    " all gives",
    "parameters_noisy": "the best catalogue method on what the renderer drew, with errors drawn"
    " from the Fisher matrix of each stamp, which takes centre, angle, PSF, the bulge's own shape"
    " and neighbours as known",
    "parameters": "the same without those errors: a bound, not a competitor",
}


def report_sections(
    comparison: Json,
    *,
    source: str,
    ingest: Json | None,
    pools: Mapping[str, GalaxyTerms],
    bins: Mapping[str, Mapping[str, Sequence[Json]]],
    pictures: Sequence[Picture],
    n_bootstrap: int,
    spectra: Sequence[Section] = (),
) -> list[Section]:
    """Lay out the whole report.

    Parameters
    ----------
    comparison : the content of reports/compare.json.
    source : what is real and what is rendered; the attribute of galaxies.h5.
    ingest : the content of reports/ingest.json, if there is one.
    pools : terms of arms and controls, for the coverage table.
    bins : arm -> variable -> bins of `binned_metrics`.
    spectra : sections on spectrum networks, as `spectrum_sections` makes them.
    """
    sections = [
        Section("Answer", paragraphs=(answer(dict(comparison)),)),
        _provenance(comparison, source),
        _results(comparison, pools),
        _contrasts(comparison, n_bootstrap),
        Section("Figures", pictures=tuple(pictures)),
        _along_redshift(bins),
        _coverage(pools),
        _seed_view(comparison),
        *spectra,
        Section("All metrics", tables=_all_metrics(comparison)),
        Section("Time and size", tables=(cost_table(comparison),)),
    ]
    if ingest is not None:
        sections.append(Section("Ingest", tables=(ingest_table(ingest),)))
    sections.append(_how_to_read(comparison, n_bootstrap))
    return [section for section in sections if _filled(section)]


def write_report(
    sections: Sequence[Section], *, markdown: str | Path, html: str | Path, title: str = TITLE
) -> None:
    """Render the sections; figures are linked in Markdown and embedded in the page."""
    pages = ((Path(markdown), "report.md.j2"), (Path(html), "report.html.j2"))
    for path, template in pages:
        environment = Environment(
            loader=PackageLoader("pix2z.evaluation"),
            autoescape=template.endswith(".html.j2"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.filters["embedded"] = _embedded
        environment.filters["relative"] = lambda file, folder=path.parent: _relative(file, folder)
        environment.filters["cell"] = lambda text: str(text).replace("|", "\\|")
        environment.filters["ranged"] = _ranged
        text = environment.get_template(template).render(title=title, sections=sections)
        with atomic_path(path) as partial:
            partial.write_text(text, encoding="utf-8")


def _embedded(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _ranged(cell: str) -> str:
    """Set the interval of ``value (low to high)`` on a line of its own; the rest is escaped."""
    value, bracket, rest = cell.partition(" (")
    if not bracket or " to " not in rest:
        return cell
    limits, _, star = rest.partition(")")
    return Markup('{}{}<span class="range">{}</span>').format(value, star, limits)


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _filled(section: Section) -> bool:
    return bool(section.paragraphs or section.items or section.tables or section.pictures)


def _provenance(comparison: Json, source: str) -> Section:
    low, high = comparison["test"]["clip_window"]
    test = comparison["test"]
    paragraphs = [f"Data: {source}"]
    if "render" in source:
        paragraphs.append(
            "Every number here is measured on rendered images. What an image model gains over a"
            " catalogue is a property of the renderer until real images confirm it."
        )
    paragraphs.append(
        f"Test set: {test['n']:,} galaxies, the same for every arm, seen by no training, tuning,"
        f" calibration or clipping; {test['n_inside']:,} lie inside the clip window"
        f" {low:.4f} to {high:.4f}, {test['n'] - test['n_inside']:,} outside."
    )
    everyone = [*comparison["arms"], *comparison["controls"]]
    items = tuple(f"{name}: {ARMS[name]}." for name in everyone if name in ARMS)
    return Section("What was compared", paragraphs=tuple(paragraphs), items=items)


def _results(comparison: Json, pools: Mapping[str, GalaxyTerms]) -> Section:
    test = comparison["test"]
    tables = [
        results_table(comparison, "inside", f"Inside the clip window, n = {test['n_inside']:,}."),
        results_table(comparison, "whole", f"Whole test set, n = {test['n']:,}."),
    ]
    n_outside = test["n"] - test["n_inside"]
    if n_outside:
        lowest = min(float(pool.z_spec.min()) for pool in pools.values())
        high_only = lowest >= test["clip_window"][0]
        caption = f"{subset_phrase('outside', n_outside, high_only=high_only)}."
        tables.append(results_table(comparison, "outside", caption))
    intro = (
        "Redshift units throughout; in brackets 95 % intervals. Lower is better, but for the bias,"
        " which should be 0. Δ = (z_phot - z_spec) / (1 + z_spec), dz = z_phot - z_spec."
    )
    return Section("Results", paragraphs=(intro,), tables=tuple(tables))


def _contrasts(comparison: Json, n_bootstrap: int) -> Section:
    verdicts = tuple(entry["verdict"] for entry in comparison["contrasts"] if entry["primary"])
    intro = (
        "Paired differences on the same galaxies. The primary family was fixed beforehand: full"
        " against clipped, and clipped against a random subsample of its size, in CRPS and MAE,"
        " inside the clip window. Its p-values are corrected after Holm and cannot fall below"
        f" {1 / (n_bootstrap + 1):.2g} before correction."
    )
    tables = [exploratory_table(comparison)]
    if verdicts:
        tables.insert(0, primary_table(comparison))
    kept = tuple(table for table in tables if table.rows)
    return Section("Contrasts", paragraphs=(intro,), items=verdicts, tables=kept)


def _along_redshift(bins: Mapping[str, Mapping[str, Sequence[Json]]]) -> Section:
    chosen = {arm: found["z_spec"] for arm, found in bins.items() if arm in ("full", "clipped")}
    if not chosen:
        return Section("Along redshift")
    table = binned_table(chosen, "By spectroscopic redshift; bins of fewer than 8 galaxies: –.")
    return Section("Along redshift", tables=(table,))


def _coverage(pools: Mapping[str, GalaxyTerms]) -> Section:
    found = {name: coverage(pool.pdf.pit) for name, pool in pools.items()}
    caption = "Share of test galaxies inside the central intervals; band: 95 % of calibrated sets."
    return Section("Coverage", tables=(coverage_table(found, caption),))


def _seed_view(comparison: Json) -> Section:
    view = comparison["seed_view"]
    present = [arm for arm in ("full", "clipped") if view.get(arm)]
    if not present:
        return Section("The seed experiment's normalised view")
    ranges = tuple(
        f"{arm}: redshifts scaled from {view[arm]['z_low']:.4f} to {view[arm]['z_high']:.4f},"
        f" {view[arm]['n_own_test']:,} own test galaxies."
        for arm in present
    )
    return Section(
        "The seed experiment's normalised view",
        paragraphs=(str(view["note"]),),
        items=ranges,
        tables=(seed_view_table(comparison),),
    )


def _all_metrics(comparison: Json) -> tuple[Table, ...]:
    captions = {"inside": "Inside the clip window.", "whole": "Whole test set."}
    return tuple(all_metrics_table(comparison, subset, text) for subset, text in captions.items())


def _how_to_read(comparison: Json, n_bootstrap: int) -> Section:
    items = (
        f"Intervals: {n_bootstrap} resamples of groups (stamps of one parent galaxy stay together),"
        " the same resamples for every arm, so that differences are paired. Intervals and p-values"
        " of contrasts also hold the scatter of training seeds, where an arm has several; those of"
        " a single arm cover the choice of test galaxies only.",
        "An arm is judged by its pool, the mean PDF of its seeds.",
        "Not significant means that this test set cannot tell the arms apart, not that they are"
        " equal: the interval says how large a difference is still possible.",
        f"CRPS ({METRICS['crps'].formula}) and CDE loss judge the whole PDF. PIT and coverage alone"
        f" prove nothing: the right n(z) for every galaxy passes both.{_trainz_pit(comparison)}",
        "Points in figures along redshift, magnitude or extinction stand at bin centres.",
        "Every number, and all contrasts in words, are in reports/compare.json; each arm by itself"
        " is in reports/metrics.",
    )
    return Section("How to read this", items=items)


def _trainz_pit(comparison: Json) -> str:
    """Whether the control that knows nothing has a uniform PIT here: a sentence, or nothing."""
    if "trainz" not in comparison["controls"]:
        return ""
    distance = comparison["controls"]["trainz"]["whole"]["pit_ks"]["value"]
    n = comparison["test"]["n"]
    critical = KS_CRITICAL / n**0.5
    return (
        f" Here trainz {'passes' if distance < critical else 'fails'} the test of a uniform PIT:"
        f" KS distance {distance:.4f}, 5 % critical value {critical:.4f}, n = {n:,}."
    )
