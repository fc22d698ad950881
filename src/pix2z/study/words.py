"""The sentence that answers each question of the study, made of its numbers and nothing else.

What an interval shows is `side`; no sentence says that two things are equal.
"""

from collections.abc import Mapping
from typing import Any

from pix2z.evaluation import report
from pix2z.evaluation.report import listed

__all__ = ["answers_in_words", "ranged", "would_meet"]

Json = Mapping[str, Any]


def side(entry: Json, edge: float = 0.0) -> int:
    """1 where a 95 % interval lies above an edge, -1 below; 0 where it holds it or is unknown."""
    if entry["low"] is None:
        return 0
    return int(entry["low"] > edge) - int(entry["high"] < edge)


def would_meet(tomographic_bin: Json) -> str:
    """Say whether the mean of a bin would meet the need; open where its interval holds an edge."""
    bias, need = tomographic_bin["bias_mean"], tomographic_bin["need"]
    below, above = side(bias, -need), side(bias, need)
    return {(1, -1): "yes", (1, 1): "no", (-1, -1): "no"}.get((below, above), "open")


def ranged(entry: Json | None, digits: int = 5) -> str:
    """``value (low to high)``; a dash where there is none."""
    return "–" if entry is None else report.ranged(entry, f"{{:.{digits}f}}")


def answers_in_words(found: Json) -> dict[str, str]:
    """Answer each question that has been asked: name in study.json -> sentence, maybe empty."""
    rules = {
        "tomography": _tomography,
        "pit": _pit,
        "attenuation": _attenuation,
        "bands": _bands,
        "learning_curves": _learning_curves,
        "sizes": _sizes,
    }
    return {name: rule(found) for name, rule in rules.items() if found.get(name)}


def _tomography(found: Json) -> str:
    said = {name: [would_meet(b) for b in bins] for name, bins in found["tomography"].items()}
    n_bins = len(said["full"])
    met = listed(f"{verdicts.count('yes')} of `{name}`" for name, verdicts in said.items())
    missed = sum(verdicts.count("no") for verdicts in said.values())
    every = {
        f"{words} of `{name}` in bin {number}": side(b[key])
        for name, bins in found["tomography"].items()
        for key, words in (("bias_mean", "mean"), ("bias_width", "width"))
        for number, b in enumerate(bins, 1)
    }
    off = [words for words, sign in every.items() if sign]
    return (
        f"Of {n_bins} bins the mean would meet the need in {met}; it would miss it in "
        f"{missed or 'none'} of all {n_bins * len(said)}, the others are open. Of the "
        f"{len(every)} intervals of means and widths, {0.05 * len(every):g} would exclude 0 by "
        f"chance; {len(off) or 'none'} {'does' if len(off) == 1 else 'do'}"
        f"{': ' + listed(off) if off else ''}."
    )


def _pit(found: Json) -> str:
    labels = {"pit_rmse": "PIT-RMSE", "pit_kl": "PIT-KL"}
    off = [
        f"`{name}` ({label})"
        for name, of in found["pit"].items()
        for key, label in labels.items()
        if of[key]["value"] > of[key]["calibrated_95"]
    ]
    if off:
        return f"A departure from uniform is seen for {listed(off)}."
    return "No departure from uniform is seen for any estimator, by either distance."


def _attenuation(found: Json) -> str:
    less = {name: of["along_z_spec"] for name, of in found["attenuation_of_full_less"].items()}
    ways = ("more than {}", "less than {}", "an amount not shown to differ from {}")
    pooled = found["attenuation"]
    off = [f"`{name}`" for name, of in pooled.items() if side(of["pooled"]["along_z_phot"], 1.0)]
    words = f"is not 1 for {listed(off)}" if off else "is not shown to differ from 1 for any"
    seen = _parts(less, ways)
    first = f"Of the differences in redshift at one colour `full` sees {seen}. " if seen else ""
    return f"{first}The slope of z_spec on z_phot {words}."


def _bands(found: Json) -> str:
    percent = found["bands"]["whole"]["percent"]
    top = max(percent, key=lambda band: percent[band]["value"])
    rivals = [b for b, of in percent.items() if b != top and of["high"] >= percent[top]["low"]]
    share = f"{ranged(percent[top], 0)} % of what all bands gain"
    if rivals:
        return f"{top} has the largest share, {share}; {listed(rivals)} may be worth as much."
    return f"{top} is worth most, {share}."


def _learning_curves(found: Json) -> str:
    curves = found["learning_curves"]
    *before, last = (point["n_groups"] for point in curves["full"]["points"])
    ways = ("is higher for {}", "is lower for {}", "is not shown to change for {}")
    said = [
        f"from {n:,} to {last:,} groups the CRPS "
        + _parts({name: of["change_from"][n] for name, of in curves.items()}, ways)
        for n in dict.fromkeys(before[:1] + before[-1:])
    ]
    return f"F{'; '.join(said)[1:]}." if said else ""


def _sizes(found: Json) -> str:
    sizes = found["sizes"]
    ways = ("is better than {}", "is worse than {}", "is not shown to differ from {}")
    gains = _parts(sizes["sizes_do_not"]["gain"], ways)
    ways = ("smaller over {}", "larger over {}", "not shown to differ over {}")
    changes = _parts(sizes["difference_of_gains"], ways)
    rise = sizes["rise"].get("catalogue")
    more = (
        " The CRPS of `catalogue`, which is given no size, rises too: the two skies differ in "
        "more than what a size tells, such as how much of the light is inside an aperture."
    )
    return (
        f"Where sizes are independent of redshift, `full` {gains}; against the sky as rendered, "
        f"its gain is {changes}.{more if rise and side(rise) > 0 else ''}"
    )


def _parts(entries: Json, ways: tuple[str, str, str]) -> str:
    """Say which entries lie above 0, below and on both sides, in the words for each."""
    parts = []
    for sign, words in zip((1, -1, 0), ways, strict=True):
        there = [f"`{name}`" for name, entry in entries.items() if side(entry) == sign]
        parts += [words.format(listed(there))] if there else []
    return listed(parts)
