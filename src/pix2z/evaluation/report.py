"""The report in words and tables: reports/report.md from the numbers of the comparison.

What is said, and in which order, is in the templates beside this module; here is what they are
given: numbers in their own digits, and the outcomes of contrasts. `page` makes
reports/report.html of the Markdown.
"""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from scipy.stats import chi2, kstwo

from pix2z.evaluation.arm_galaxies import GalaxyTerms
from pix2z.evaluation.arm_metrics import coverage
from pix2z.evaluation.bootstrap import MIN_GROUPS, independent
from pix2z.evaluation.contrasts import GOAL, PAIRS, TOLD, family, finding, subset_phrase
from pix2z.evaluation.coverage import (
    VARIABLES,
    bins_outside,
    chance,
    known_variables,
    n_shares,
    trend_limit,
)
from pix2z.evaluation.metric_names import METRICS, format_value
from pix2z.evaluation.page import html_page
from pix2z.files import atomic_path

__all__ = [
    "answer",
    "laid_out",
    "listed",
    "markdown_templates",
    "narrow_tables",
    "ranged",
    "report_text",
    "spread",
    "write_report",
]

Json = Mapping[str, Any]

FEWEST_GALAXIES = 500
"""A test set that is smaller shows how a run works, not whether clipping helps."""

JOINED = re.compile(r"(?<=[^\n|])\n *(?=[^\s|#!-]|-\d)")
"""A line break within a paragraph or an item, not one before a table, a heading or an image."""

TERMINAL = 80
"""Columns of a terminal, to which prose is wrapped, and a table of report.md is cut."""

TABLE = re.compile(r"(?:^\|.*\n)+", re.M)


def answer(comparison: Json) -> str:
    """Answer "does clipping help?" in plain words, from the content of reports/compare.json."""
    template = _environment(comparison).get_template("answer.md.j2")
    text = template.render(
        test=comparison["test"],
        arms=comparison["arms"],
        equal_in=listed(
            METRICS[entry["metric"]].label
            for entry in comparison["contrasts"]
            if (entry["a"], entry["b"], entry["subset"]) == ("full", "clipped", "inside")
            and entry["outcome"] == "equivalent"
        ),
    )
    return " ".join(text.split())


def listed(names: Iterable[str]) -> str:
    """Write names as ``a, b and c``."""
    *first, last = [*names] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def report_text(
    comparison: Json,
    *,
    pools: Mapping[str, GalaxyTerms],
    bins: Mapping[str, Mapping[str, Sequence[Json]]],
    source: str,
    ingest: Json | None,
    spectrum: Json | None,
    with_histories: bool,
    n_bootstrap: int,
) -> str:
    """Write the whole report in Markdown, figures linked as it lies beside their folders.

    Parameters
    ----------
    comparison : the content of reports/compare.json.
    pools : terms of arms and controls, for the coverage table.
    bins : arm -> variable -> bins of `binned_reports`.
    source : what is real and what is rendered; the attribute of galaxies.h5.
    ingest, spectrum : the content of reports/ingest.json and reports/spectrum.json, where there.
    with_histories : whether training curves were drawn.
    n_bootstrap : resamples behind the intervals.
    """
    test, view = comparison["test"], comparison["published_view"]
    known = known_variables(comparison["coverage"])
    n_independent = independent(next(iter(pools.values())).group_id)
    text = (
        _environment(comparison)
        .get_template("report.md.j2")
        .render(
            comparison=comparison,
            test=test,
            answer=answer(comparison),
            source=source,
            outside=subset_phrase(
                "outside", test["n"] - test["n_inside"], high_only=test["outside_is_high"]
            ),
            bins={arm: bins[arm]["z_spec"] for arm in ("full", "clipped") if arm in bins},
            variables=known,
            unknown=[v.label for name, v in VARIABLES.items() if name not in known],
            outside_somewhere=f"{100 * (1 - 0.95 ** len(known)):.0f} %",
            trend_limit=trend_limit(len(known)),
            coverage={arm: coverage(pool.pit, pool.group_id) for arm, pool in pools.items()},
            n_independent=n_independent,
            ks_critical=float(kstwo.isf(0.05, n_independent)),
            viewed=[arm for arm in ("full", "clipped") if view.get(arm)],
            ingest=ingest,
            spectrum=spectrum,
            with_histories=with_histories,
            n_bootstrap=n_bootstrap,
        )
    )
    return laid_out(text)


def laid_out(text: str) -> str:
    """Lay out what a template made: paragraphs joined and wrapped, at most one empty line."""
    joined = re.sub(r"\n{3,}", "\n\n", JOINED.sub(" ", text)).strip()
    return "".join(f"{_wrapped(line)}\n" for line in joined.split("\n"))


def _wrapped(line: str) -> str:
    """Wrap a paragraph or an item to a terminal's 80 columns; tables, titles, pictures stay.

    A sign that would make a list or a quotation of a line does not begin one.
    """
    if line.startswith(("|", "#", "!")):
        return line
    kept = re.sub(r" ([-+=>]) ", "\0\\1\0", line)
    indent = "  " * line.startswith("- ")
    options: Json = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.fill(kept, TERMINAL, subsequent_indent=indent, **options).replace("\0", " ")


def narrow_tables(text: str) -> str:
    """Cut tables that are wider than a terminal into several, of as many columns as fit.

    Each begins with the columns that name its rows: those to the left of the first number.
    """
    return TABLE.sub(lambda found: _narrowed(found[0]), text)


def _narrowed(table: str) -> str:
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
    columns = list(zip(*rows, strict=True))
    names = list(takewhile(lambda column: column[1] == " --- ", columns))
    tables = [names]
    for column in columns[len(names) :]:
        lines = zip(*tables[-1], column, strict=True)
        if len(tables[-1]) > len(names) and max(map(len, map(_line, lines))) > TERMINAL:
            tables.append(names)
        tables[-1] = [*tables[-1], column]
    return "\n".join("".join(f"{_line(c)}\n" for c in zip(*t, strict=True)) for t in tables)


def _line(cells: Sequence[str]) -> str:
    return f"|{'|'.join(cells)}|"


def write_report(text: str, folder: Path) -> None:
    """Write report.md, and report.html with its figures inside, into the folder of figures.

    Tables of the page can be scrolled sideways; those of report.md are narrow.
    """
    pages = {"report.md": narrow_tables(text), "report.html": html_page(text, folder)}
    for name, content in pages.items():
        with atomic_path(folder / name) as partial:
            partial.write_text(content, encoding="utf-8")


def markdown_templates(package: str) -> Environment:
    """Templates of Markdown in a package, where a name that is not given is an error."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=False,  # the page escapes what it shows
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _environment(comparison: Json) -> Environment:
    """Templates with the filters and functions that they share."""
    made = markdown_templates("pix2z.evaluation")
    margin = comparison["margin"]
    defined = {
        (entry["a"], entry["b"], entry["subset"], entry["metric"]): entry
        for entry in comparison["contrasts"]
        if entry["outcome"] is not None
    }

    def contrast(a: str, b: str, subset: str, metric: str) -> Json | None:
        """One contrast; None where it was not made or is not judged."""
        return defined.get((a, b, subset, metric))

    made.filters.update(
        cell=lambda text: str(text).replace("|", "\\|"),
        count=lambda n: f"{n:,}",
        label=lambda metric: METRICS[metric].label,
        plain=_plain,
        ranged=ranged,
        shown=lambda value, metric: format_value(metric, value),
        spread=spread,
    )
    made.globals.update(
        FEWEST_GALAXIES=FEWEST_GALAXIES,
        GOAL=GOAL,
        METRICS=METRICS,
        MIN_GROUPS=MIN_GROUPS,
        PAIRS=PAIRS,
        TOLD=TOLD,
        VARIABLES=VARIABLES,
        bins_outside=bins_outside,
        chance=chance,
        changed=_changed,
        contrast=contrast,
        demonstration=_demonstration(comparison),
        equal=f"equal within {100 * margin:g} %",
        finding=partial(finding, margin=margin),
        margin=f"{100 * margin:g} %",
        n_shares=n_shares,
        runs_along=_runs_along,
        trained_once=_trained_once,
        way_contrast=_way_contrast,
        zip=zip,
    )
    return made


def _plain(value: float | None, form: str) -> str:
    """Write a number in a form of `str.format`, per cent set apart; a dash where undefined."""
    return "–" if value is None else form.format(value).replace("%", " %")


def _written(value: float | None, metric: str) -> str:
    """Write a value in a metric's own digits, or in a form of `str.format` (with braces)."""
    return _plain(value, metric) if "{" in metric else format_value(metric, value)


def ranged(entry: Json, metric: str, key: str = "value") -> str:
    """``value (low to high)`` of an entry, by a metric or a form; a dash for what is undefined."""
    if entry[key] is None:
        return "–"
    value, low, high = (_written(entry[name], metric) for name in (key, "low", "high"))
    if entry["low"] is None:
        return f"{value} (–)"
    return f"{value} ({low.removesuffix(' %')} to {high.removesuffix(' %')})"


def spread(sd: float | None, n: int) -> Json:
    """Give a standard deviation of n normal values its 95 % interval, by chi-square."""
    if sd is None:
        return dict.fromkeys(("value", "low", "high"))
    low, high = sd * ((n - 1) / chi2.isf([0.025, 0.975], n - 1)) ** 0.5
    return {"value": sd, "low": low, "high": high}


def _changed(ratio: Json) -> str:
    """Say by how much what `full` has lowers or raises the CRPS to a `ratio` of it, in per cent."""
    sign = -1 if ratio["value"] > 1 else 1
    value, *ends = (100 * sign * (1 - ratio[key]) for key in ("value", "low", "high"))
    low, high = sorted(ends)
    return (
        f"{'raise' if sign < 0 else 'lower'} the CRPS by {value:.1f} % ({low:.1f} to {high:.1f} %)"
    )


def _demonstration(comparison: Json) -> str:
    """Say why a run allows no conclusion on clipping; nothing where it does."""
    reasons = []
    if comparison["test"]["n"] < FEWEST_GALAXIES:
        reasons.append(f"{comparison['test']['n']:,} test galaxies are too few for a conclusion")
    arms = {
        arm: arm in entry["single_seed"]
        for entry in comparison["contrasts"]
        for arm in (entry["a"], entry["b"])
        if family(*(entry[key] for key in ("a", "b", "subset", "metric"))) == "clipping"
    }
    if arms and all(arms.values()):
        reasons.append("one training of each network does not show how trainings scatter")
    return ", and ".join(reasons)


def _trained_once(entries: Sequence[Json | None]) -> list[str]:
    """Name the arms of contrasts, where made, that were trained only once."""
    return sorted({arm for entry in entries if entry for arm in entry["single_seed"]})


def _runs_along(followed: Mapping[str, Json], limit: float) -> list[str]:
    """Name the variables that the coverage runs with, at either level, beyond a limit of trends."""
    return [
        VARIABLES[name].label
        for name, along in followed.items()
        if any(abs(round(z, 1)) > limit for z in along["trend"].values() if z is not None)
    ]


def _way_contrast(read: Json, way: str, metric: str) -> Json:
    wanted = (way, metric, "whole")
    return next(c for c in read["contrasts"] if (c["a"], c["metric"], c["subset"]) == wanted)
