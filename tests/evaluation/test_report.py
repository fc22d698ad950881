"""What the report says of given numbers, and the page that is made of it."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pix2z.evaluation.contrasts import TOLD, told
from pix2z.evaluation.coverage import coverage_along
from pix2z.evaluation.metric_names import METRICS
from pix2z.evaluation.page import html_page
from pix2z.evaluation.report import answer, narrow_tables, report_text
from tests.evaluation.conftest import make_terms

ROOT = Path(__file__).parents[2]

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)


SPREAD = {"better": -0.002, "worse": 0.002, "equivalent": 0.0, "undecided": 0.0005}
"""Outcome -> a difference that goes with it."""


def contrast(a, b, subset, metric, said, *, p_holm=None, once=()):
    difference = SPREAD[said]
    return {
        **{"a": a, "b": b, "subset": subset, "metric": metric, "difference": difference},
        **{"low": difference - 0.0002, "high": difference + 0.0002, "margin": 0.00024},
        **{"value_a": 0.012, "value_b": 0.012 - difference},
        **{"single_seed": list(once), "outcome": said, "primary": p_holm is not None},
        **({} if p_holm is None else {"p_holm": p_holm}),
        **({"ratio": {"value": 0.94, "low": 0.92, "high": 0.96}} if metric == "crps" else {}),
        "verdict": f"{a} and {b} in {metric}.",
    }


QUESTIONS = {
    "whole": ("full", "clipped", "whole"),
    "inside": ("full", "clipped", "inside"),
    "outside": ("full", "clipped", "outside"),
    "told": (told("full"), "clipped", "inside"),
    "which": ("clipped", told("subsample"), "inside"),
    "number": ("full", "subsample", "whole"),
    "catalogue": ("full", "catalogue", "whole"),
    "apertures": ("full", "apertures", "whole"),
}
USUAL = {
    **{"whole": "better", "inside": "equivalent", "outside": "better", "told": "equivalent"},
    **{"which": "equivalent", "number": "equivalent"},
}


def comparison(*, controls=(), n=2000, pit_ks=0.02, once=(), **outcomes):
    """The content of reports/compare.json, every value being 0.012; outcomes in CRPS."""
    ranged = {name: {"value": 0.012, "low": 0.011, "high": 0.013} for name in METRICS}
    ranged["pit_ks"] = {"value": pit_ks, "low": 0.01, "high": 0.3}
    chance = {"value": 0.009, "low": 0.003, "high": 0.015}
    chance |= {"calibrated_median": 0.008, "calibrated_95": 0.016}
    arm = {subset: ranged for subset in ("whole", "inside", "outside")}
    arm |= {"seeds": [1, 2], "seed_sd": {}, "n_train": 1200, "cpu_seconds": None}
    primary = {"whole": 0.001, "inside": 0.2, "which": 0.3}
    contrasts = [
        contrast(*QUESTIONS[name], "crps", said, p_holm=primary.get(name), once=once)
        for name, said in (outcomes or USUAL).items()
        if said
    ]
    contrasts += [contrast("full", "clipped", "whole", "mae", "better", once=once)] * bool(
        contrasts
    )
    arms = ("full", "clipped", "subsample", "catalogue", "apertures")
    distances = {"pit_rmse": chance, "pit_kl": chance}
    return {
        "test": {"n": n, "n_inside": n - 80, "clip_window": [0.0, 0.2], "outside_is_high": True},
        "arms": dict.fromkeys(arms, arm) | {"clipped": arm | {"n_train": 1148}},
        "controls": dict.fromkeys((*controls, *sorted(TOLD)), arm),
        "margin": 0.02,
        "pit_uniformity": dict.fromkeys((*arms, *controls), distances),
        "contrasts": contrasts,
        "published_view": {"full": None, "clipped": None, "note": ""},
    }


UNKNOWN = {"g_r": np.full(60, np.nan), "seeing": np.full(60, np.nan)}


def text_of(found, *, stamps=1, **options):
    """The report of made-up numbers; `stamps` of every galaxy."""
    given = {"source": "rendered blobs", "ingest": None, "spectrum": None, **options}
    pool = replace(make_terms(60), group_id=np.arange(60) // stamps)
    followed = {
        "full": coverage_along(pool, UNKNOWN),
        "clipped": coverage_along(replace(pool, pit=np.ones(60)), UNKNOWN),
    }
    found = {"coverage": followed, **found}
    return report_text(
        found, pools={"full": pool}, bins={}, with_histories=False, n_bootstrap=100, **given
    )


def test_the_answer_is_in_plain_words_and_its_numbers_are_in_the_table_below_it():
    found = comparison()
    assert answer(found) == (
        "No: inside the clip window nothing changes that matters by CRPS, and outside it, where the"
        " clipped network has seen no galaxy, redshifts get worse. Clipping is training on galaxies"
        " inside a window of redshifts only, here 0.0000 to 0.2000. Inside it, the hybrid networks"
        " `full` and `clipped` are equal within 2 %. Inside is by spectroscopic redshift: a galaxy"
        " that the clipped network puts near the edge may lie beyond it. Of all galaxies, the full"
        " one is better, owing to those outside: use `full`. At equal numbers of training stamps it"
        " does not matter inside the window whether 4.3 % of them lie outside: the clipped sample"
        " and a random one as large, told the window, are equal within 2 %. That the"
        " clipped sample is smaller by 4.3 % does no harm by itself that matters: of all galaxies,"
        " a random sample of its size and the full one are equal within 2 %."
    )
    first, numbers, words, table = text_of(found).split("\n\n")[2:6]
    assert first.replace("\n", " ") == answer(found)
    assert numbers.startswith("The same in numbers")
    assert words.startswith("Words: a stamp is")
    assert "Of 2,000 galaxies, 1,920 are inside the window, 80 outside." in " ".join(
        numbers.split()
    )
    large, none = "-0.00200 (-0.00220 to -0.00180)", "0.00000 (-0.00020 to 0.00020)"
    assert table.splitlines()[2:] == [
        f"| all | full - clipped | {large} | 0.00024 | 0.001 | full is better |",
        f"| inside | full - clipped | {none} | 0.00024 | 0.2 | equal within 2 % |",
        f"| inside | clipped - subsample_told_window | {none} | 0.00024 | 0.3 | equal within 2 % |",
        f"| inside | full_told_window - clipped | {none} | 0.00024 | – | equal within 2 % |",
        f"| outside | full - clipped | {large} | 0.00024 | – | full is better |",
        f"| all | full - subsample | {none} | 0.00024 | – | equal within 2 % |",
    ]


@pytest.mark.parametrize(
    ("whole", "inside", "beginning"),
    [
        ("better", "better", "No: even inside the clip window redshifts get worse."),
        ("better", "worse", "Only for galaxies that are known to lie in the window: inside the"),
        ("better", "equivalent", "No: inside the clip window nothing changes that matters by"),
        ("better", "undecided", "No: inside the clip window no change is known."),
        ("worse", "better", "It depends: even inside the clip window redshifts get worse."),
        ("worse", "worse", "Yes: inside the clip window redshifts get better."),
        ("worse", "equivalent", "Yes: inside the clip window nothing changes that matters by"),
        ("worse", "undecided", "Yes: inside the clip window no change is known."),
        ("equivalent", "better", "No: even inside"),
        ("equivalent", "worse", "Only for galaxies that are known"),
        ("equivalent", "equivalent", "Over all galaxies it makes no difference that matters: in"),
        ("equivalent", "undecided", "Over all galaxies it makes no difference that matters: in"),
        ("undecided", "better", "No: even inside"),
        ("undecided", "worse", "Only for galaxies that are known"),
        ("undecided", "equivalent", "This test set cannot tell: inside the clip window nothing"),
        ("undecided", "undecided", "This test set cannot tell: inside the clip window no change"),
    ],
)
def test_every_world_has_an_answer_of_its_own(whole, inside, beginning):
    text = answer(comparison(whole=whole, inside=inside))  # outside there are no galaxies
    assert text.startswith(beginning)
    assert "outside" not in text
    assert ("use `full`" in text) == (whole == "better")
    assert ("use `clipped`" in text) == (whole == "worse")
    check_words(text, [whole, inside])


def check_words(text, outcomes):
    """Words for equal and for undecided are said as often as that is the outcome."""
    assert text.count("equal within 2 %") == outcomes.count("equivalent")
    assert text.count("cannot be told apart") == outcomes.count("undecided")
    assert "  " not in text
    assert not re.search(r"[\n{]|p =|interval", text)
    assert text.count("CRPS") == text.count("that matters by CRPS")


def test_of_all_metrics_only_those_are_named_in_which_nothing_changes_inside():
    found = comparison()
    for metric, said in (("mae", "equivalent"), ("rmse", "equivalent"), ("nmad", "undecided")):
        found["contrasts"].append(contrast("full", "clipped", "inside", metric, said))
    assert "nothing changes that matters by CRPS, MAE and RMSE, and outside" in answer(found)


def test_a_reason_is_said_only_where_it_may_explain_a_difference():
    assert "told the same" not in answer(comparison())
    assert "told the same" in answer(comparison(**USUAL | {"inside": "worse"}))
    assert "told the same" in answer(comparison(**USUAL | {"told": "worse"}))
    assert "owing to" in answer(comparison())
    assert "owing to" not in answer(comparison(**USUAL | {"inside": "better"}))
    assert "owing to" not in answer(comparison(**USUAL | {"outside": "undecided"}))


@pytest.mark.parametrize("said", SPREAD)
def test_every_other_contrast_has_a_sentence_for_each_outcome(said):
    others = ("told", "which", "number", "outside")
    text = answer(comparison(**USUAL | dict.fromkeys(others, said)))
    check_words(text, [said] * (2 if said == "equivalent" else 3) + ["equivalent"])
    for words in {
        "better": ("full one is better.", "is worse, even told", "by 4.3 % does harm by itself:"),
        "worse": ("full one is worse.", "is better, once told", "is better than the full one."),
        "equivalent": ("it does not matter inside", "no harm by"),
        "undecided": ("apart from it.", "Whether at equal numbers", "Whether it does harm by"),
    }[said]:
        assert words in text
    outside = {"better": "redshifts get worse", "worse": "outside it redshifts get better"}
    assert outside.get(said, "outside it no") in text


def test_a_small_test_set_is_a_demonstration_and_gives_no_advice():
    found = comparison(n=180, **USUAL, catalogue="equivalent")
    assert answer(found) == (
        "This run is a demonstration: 180 test galaxies are too few for a conclusion. What it"
        " measures is in the tables."
    )
    pixels = " ".join(text_of(found).split()).split("## What pixels add")[1].split("## ")[0]
    assert "the trunk, which lower the CRPS by 6.0 % (4.0 to 8.0 %). On all 180" in pixels
    assert "aim" not in pixels
    assert "equal within" not in pixels
    assert "demonstration" not in answer(comparison(n=500, **USUAL))


def test_a_run_of_single_trainings_is_a_demonstration_and_gives_no_advice():
    family = {"full", "clipped", told("subsample")}
    text = answer(comparison(once=family, whole="better", inside="undecided", which="undecided"))
    assert text.startswith(
        "This run is a demonstration: one training of each network does not show how trainings"
        " scatter. On its galaxies, inside the clip window no change is known."
    )
    assert "use `" not in text
    once = answer(comparison(once={"full"}, **USUAL))
    assert "demonstration" not in once
    assert once.endswith(" Of full, trained once, the scatter of trainings is not known.")
    assert "scatter" not in answer(comparison())


def test_only_a_window_that_cuts_high_redshifts_alone_is_said_to_be_low():
    found = comparison(**USUAL | {"told": "undecided"})
    found["test"]["outside_is_high"] = False
    assert "knows that its galaxies are inside; told the same" in answer(found)
    assert "does not answer" in answer(found | {"contrasts": []})
    text_of(found | {"contrasts": []})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("better", "So full is better than apertures."),
        ("worse", "So they add nothing: apertures is better than full."),
        ("equivalent", "So they add nothing that matters: full and apertures are equal within"),
        ("undecided", "Whether they add anything is not known: full and apertures cannot be"),
    ],
)
def test_the_report_says_what_pixels_add(said, words):
    text = " ".join(text_of(comparison(**USUAL, apertures=said)).split())
    text = text[text.index("## What pixels add") : text.index("## What was compared")]
    by = "Beyond photometry in seven apertures, full has the layers of the trunk, which lower the"
    by += " CRPS by 6.0 % (4.0 to 8.0 %)."
    assert text.startswith(f"## What pixels add - {by} {words}")
    assert "On all 2,000 galaxies, the CRPS of full is 0.940 (0.920 to 0.960) of that of" in text
    assert "five magnitudes" not in text
    assert "What pixels add" not in text_of(comparison())


def test_what_raises_the_error_is_said_to_raise_it():
    found = comparison(**USUAL, apertures="worse")
    entry = next(entry for entry in found["contrasts"] if entry["b"] == "apertures")
    entry["ratio"] = {"value": 1.01, "low": 0.995, "high": 1.025}
    text = " ".join(text_of(found).split())
    assert "the trunk, which raise the CRPS by 1.0 % (-0.5 to 2.5 %)." in text
    assert "less than that of apertures by more than chance, is not met." in text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.93, "is met by the value, though the interval holds it."),
        (0.95, "is not met by the value, though the interval holds it."),
        (0.97, "is not met by the value."),
    ],
)
def test_the_aim_is_met_or_not_by_the_value(value, words):
    found = comparison(**USUAL, catalogue="better", apertures="better")
    for entry in found["contrasts"]:
        if entry["b"] == "catalogue":
            entry["ratio"] = {"value": value, "low": value - 0.02, "high": value + 0.02}
    text = " ".join(text_of(found).split())
    assert f"The aim, at most 0.94, {words}" in text
    assert "less than that of apertures by more than chance, is met." in text


def test_metrics_that_leave_open_whether_pixels_add_anything_are_named():
    found = comparison(**USUAL, apertures="better")
    for metric, said in (("mae", "better"), ("nmad", "undecided"), ("cde_loss", "undecided")):
        found["contrasts"].append(contrast("full", "apertures", "whole", metric, said))
    assert "Undecided are NMAD, CDE loss. ##" in " ".join(text_of(found).split())


def test_metrics_in_which_the_two_differ_are_not_passed_over():
    found = comparison()
    for metric, said in (("mae", "equivalent"), ("nmad", "undecided"), ("cde_loss", "better")):
        found["contrasts"].append(contrast("full", "clipped", "inside", metric, said))
    text = " ".join(text_of(found).split())
    assert (
        "seems to by chance. - equal within 2 %: MAE. - full is better: CDE loss, a difference of"
        " 0.00 (0.00 to 0.00). - cannot be told apart: NMAD. R², biases"
    ) in text
    assert "That of outliers" not in text
    found["contrasts"].append(contrast("full", "clipped", "inside", "outlier_005", "undecided"))
    assert "That of outliers > 0.05 is 0.5 galaxies." in " ".join(text_of(found).split())


def test_prose_fits_a_terminal_and_its_sentences_are_short():
    given = {"source": "x" * 73 + " - y", "spectrum": spectrum_report()}
    text = text_of(comparison(controls=("trainz",)), **given)
    prose = [line for line in text.splitlines() if not line.startswith(("|", "!"))]
    assert max(map(len, prose)) <= 80
    assert "\n- y" not in text  # which would be an item of a list
    for sentence in re.split(r"[.:;]\s|\n\n|\n- ", "\n".join(prose)):
        assert len(sentence.split()) <= 36, sentence


@pytest.mark.parametrize(("distance", "words"), [(0.24, "passes"), (0.25, "fails")])
def test_trainz_passes_only_where_its_pit_is_uniform(distance, words):
    """60 stamps, two of each galaxy: critical is 0.2417 for 30 galaxies, 0.172 for 60."""
    text = text_of(comparison(controls=("trainz",), pit_ks=distance), stamps=2)
    text = " ".join(text.split())
    assert f"Here trainz {words} the test of a uniform PIT." in text
    assert f"Its KS distance is {distance:.4f}, the 5 % critical value 0.2417" in text
    assert "0.2417 for 30 independent galaxies." in text
    assert "Here trainz" not in text_of(comparison(controls=("knn",)))


def test_pdfs_that_cover_too_few_or_too_many_are_named_with_their_galaxies():
    text = " ".join(text_of(comparison()).split())
    assert "- full: no departure is seen; all 8 shares are inside their bands. - clipped" in text
    assert "- clipped: 8 of 8 shares are outside their bands, the least likely at" in text
    assert re.search(
        r"where the 95 % interval holds 0\.0 % \(band [\d.]+ % to 100\.0 %\)\. Calibrated PDFs have"
        " one of the 8 as unlikely in fewer than",
        text,
    )
    assert "- full: none. - clipped: r magnitude" in text


def test_variables_that_the_coverage_runs_with_are_named():
    pool = make_terms(60)
    wide = replace(pool, pit=np.where(pool.mag_r < np.median(pool.mag_r), 0.5, 1.0))
    text = text_of(comparison() | {"coverage": {"full": coverage_along(wide, UNKNOWN)}})
    words = "By a trend beyond chance, the coverage changes with r magnitude"
    assert words in " ".join(text.split())
    assert "By a trend" not in text_of(comparison())


def test_a_variable_that_is_the_same_for_all_galaxies_has_a_dash():
    same = replace(make_terms(60), z_phot=np.full(60, 0.1))
    text = text_of(comparison() | {"coverage": {"full": coverage_along(same, UNKNOWN)}})
    (row,) = re.findall(r"^\| full \| 2 of 2.*$", text, re.M)
    assert row.split(" | ")[2] == "–"


def test_only_variables_that_are_known_are_counted_and_listed():
    text = " ".join(text_of(comparison()).split())
    assert "Not known of these galaxies: dereddened g - r and seeing in r." in text
    assert "along 4 variables." in text
    assert "In 19 % one is outside along some variable" in text  # 1 - 0.95^4
    assert "beyond 2.7, which chance gives to any of an arm's 8 in 5 %" in text
    assert "| r magnitude | z_phot | E(B-V) | width of the PDF |" in text
    terms = make_terms(60)
    known = {"full": coverage_along(terms, {"g_r": terms.mag_r, "seeing": terms.mag_r})}
    text = " ".join(text_of(comparison() | {"coverage": known}).split())
    assert "Not known" not in text
    assert "In 26 % one is outside" in text  # 1 - 0.95^6
    assert "beyond 2.9, which chance gives to any of an arm's 12 in 5 %" in text


def test_tables_have_as_many_cells_in_every_row():
    ingest = {"n_raw": 9, "n_good": 7, "n_bad": 2, "bad": {"too | red": {"count": 2, "rows": []}}}
    text = text_of(comparison(), ingest=ingest, spectrum=spectrum_report())
    blocks = text.split("\n\n")
    tables = [block.splitlines() for block in blocks if block.startswith("|")]
    assert len(tables) > 18
    for rows in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1, rows[0]
    assert "| left out: too \\| red | 2 |" in text
    assert "{" not in text


def test_wide_tables_are_cut_and_each_part_names_its_rows():
    cells = "0.00895 (0.00857 to 0.00935)"
    rule = "| --- | --- | ---: | ---: |"
    end = "the third of the columns"
    wide = f"| | of | a | b | c |\n{rule} --- |\n| x\\|y | z | {cells} | {cells} | {end} |\n"
    assert narrow_tables(f"Words.\n\n{wide}\nMore.\n") == (
        "Words.\n\n"
        f"| | of | a | b |\n{rule}\n| x\\|y | z | {cells} | {cells} |\n\n"
        f"| | of | c |\n| --- | --- | --- |\n| x\\|y | z | {end} |\n\nMore.\n"
    )
    narrow = wide.replace(cells, "0.1")
    assert narrow_tables(narrow) == narrow


def test_distances_of_pit_from_uniform_stand_beside_what_chance_does():
    text = " ".join(text_of(comparison()).split())
    assert (
        "Of 60 galaxies with calibrated PDFs, half of all samples have a PIT-RMSE below 0.0080, and"
        " 95 % below 0.0160. For PIT-KL it is 0.0080 and 0.0160."
    ) in text
    assert text.count("| PIT-KL | 0.0090 (0.0030 to 0.0150) |") == 1  # whole test set only


def spectrum_report():
    """The content of reports/spectrum.json of the reference run."""
    return json.loads((ROOT / "docs/reference/spectrum.json").read_text())


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("worse", "No: `boosted` is worse than the network that goes from images to redshift"),
        ("better", "Yes: `boosted` is better than the network that goes from images to redshift"),
        ("undecided", "This test set and one training cannot tell: `boosted` and the network"),
        (None, "This test set is too small to tell."),
    ],
)
def test_the_better_way_over_a_spectrum_is_named(said, words):
    spectrum = spectrum_report()
    read = spectrum["redshifts"]["full"] | {"best_over_spectrum": "boosted"}
    read["contrasts"] = [entry | {"outcome": said} for entry in read["contrasts"]]
    spectrum["redshifts"]["full"] = read
    text = text_of(comparison(), spectrum=spectrum)
    text = text[text.index("Is the way over a spectrum better?") :]
    plain, numbers = (" ".join(part.split()) for part in text.split("\n\n")[:2])
    assert plain.startswith(f"Is the way over a spectrum better? {words}")
    assert "Calibration galaxies chose `boosted` among the ways that read a spectrum." in plain
    for of in read["ways"].values():
        assert f" {of['whole']['mae']['value']:.5f} (" in numbers


def test_bands_at_lines_stand_beside_those_of_the_continuum():
    spectrum = spectrum_report()
    lines = spectrum["arms"]["full"]["bands"]["lines"]
    share = {"value": 0.67, "low": 0.66, "high": 0.68}
    unknown = dict.fromkeys(("value", "low", "high"))
    shares = ("coverage_68", "coverage_95", "in_continuum_95")
    lines["H beta"] = dict.fromkeys(shares, share) | {"half_width_95": 0.5984}
    lines["[S II]"] = dict.fromkeys(shares, unknown) | {"half_width_95": None}
    text = text_of(comparison(), spectrum=spectrum)
    assert "| full | away from these lines | " in text
    cell = "67.0 % (66.0 to 68.0)"
    assert f"| full | H beta | {cell} | {cell} | 0.598 | {cell} |" in text
    assert "| full | [S II] | – | – | – | – |" in text
    assert "| clipped | H beta | " in text
    assert "| colour_means | H beta |" not in text  # they have no bands


def test_networks_of_spectra_are_compared_on_all_and_where_both_were_trained():
    spectrum = spectrum_report()
    said = {
        ("plain", "whole"): "better",
        ("clipped", "inside"): "worse",
        ("clipped", "outside"): "undecided",
    }
    for entry in spectrum["contrasts"]:
        entry["outcome"] = said.get((entry["b"], entry["subset"]), entry["outcome"])
        if (entry["b"], entry["subset"]) == ("plain", "whole"):
            entry |= {"difference": -0.004, "low": -0.005, "high": -0.003, "margin": 0.0006}
    text = text_of(comparison(), spectrum=spectrum)
    words = " ".join(text.split())
    assert "On all test galaxies, full is better than plain." in words
    assert "Inside the clip window, where both were trained, clipped is better than full." in words
    assert "where both were trained, full is better than plain" not in words
    assert "Outside the clip window, there is no verdict on full and clipped." in words
    assert "| all | full - plain | -0.0040 (-0.0050 to -0.0030) | 0.0006 |" in text


@pytest.fixture
def page(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/one.png").write_bytes(PNG)
    return html_page(
        '# Title & more\n\n## Answer\n\nIt is <script>alert("x")</script> so.\n\n'
        "## Second part, of three\n\n- one\n\nA <b>caption</b>\n\n"
        "| | \\|dz\\| (seed) |\n| --- | ---: |\n| a\\|b | 0.1 (0.0 to 0.2) * |\n\n"
        '## Figures\n\n![An "alt" text](figures/one.png)\n\nWhat it shows.\n',
        tmp_path,
    )


def test_the_page_begins_with_the_answer_and_escapes_what_comes_from_files(page):
    assert re.findall(r'<a href="(.*?)"', page) == ["#second-part-of-three", "#figures"]
    assert page.index('id="answer"') < page.index("</section>") < page.index('id="second')
    for tag in ("section", "table", "figure", "div", "main"):
        assert len(re.findall(rf"<{tag}[ >]", page)) == page.count(f"</{tag}>"), tag
    assert "<h1>Title &amp; more</h1>" in page
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; so." in page
    assert 'aria-label="A &lt;b&gt;caption&lt;/b&gt;">\n<table>' in page
    assert '<th scope="row">a|b</th>' in page
    assert '0.1 *<span class="range">0.0 to 0.2</span></td>' in page


def test_the_page_needs_nothing_from_elsewhere(page):
    (image,) = re.findall("<img.*?>", page)
    assert 'src="data:image/png;base64,' in image
    assert 'alt="An &quot;alt&quot; text"' in image
    assert "<figcaption>What it shows.</figcaption>\n</figure>" in page
    assert not re.search(r"<link|<script|https?://|url\(|@import", page)
