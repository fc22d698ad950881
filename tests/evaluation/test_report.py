"""What the report says of given numbers, and the page that is made of it."""

import re
from dataclasses import replace

import numpy as np
import pytest

from pix2z.evaluation.contrasts import TOLD_WINDOW
from pix2z.evaluation.coverage import coverage_along
from pix2z.evaluation.metric_names import METRICS
from pix2z.evaluation.page import html_page
from pix2z.evaluation.report import answer, report_text
from tests.evaluation.conftest import make_terms

WAY_METRICS = ("crps", "mae", "nmad", "bias_mean", "outlier_005")

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)


def contrast(a, b, subset, metric, difference, p_holm=None):
    primary = subset == "inside" and p_holm is not None
    return {
        **{"a": a, "b": b, "subset": subset, "metric": metric, "difference": difference},
        **{"low": difference - 0.0002, "high": difference + 0.0002, "primary": primary},
        **{"p_holm": p_holm, "verdict": f"{a} and {b} in {metric}."},
    }


def comparison(difference=0.0, p_holm=0.9, *others, controls=(), n=2000, pit_ks=0.02):
    """The content of reports/compare.json, every value being 0.012."""
    ranged = {name: {"value": 0.012, "low": 0.011, "high": 0.013} for name in METRICS}
    ranged["pit_ks"] = {"value": pit_ks, "low": None, "high": None}
    arm = {subset: ranged for subset in ("whole", "inside", "outside")}
    arm |= {"seeds": [1, 2], "seed_sd": {}, "n_train": 1200, "cpu_seconds": None}
    return {
        "test": {"n": n, "n_inside": n - 80, "clip_window": [0.0, 0.2], "outside_is_high": True},
        "arms": dict.fromkeys(("full", "clipped", "subsample"), arm),
        "controls": dict.fromkeys(controls, arm),
        "contrasts": [
            contrast("full", "clipped", "inside", "crps", difference, p_holm),
            contrast("full", "clipped", "inside", "mae", difference, p_holm),
            contrast("clipped", "subsample", "inside", "mae", -0.002, 0.001),
            contrast("full", "clipped", "outside", "mae", -0.03),
            *others,
        ],
        "published_view": {"full": None, "clipped": None, "note": ""},
    }


def text_of(found, **options):
    given = {"source": "rendered blobs", "ingest": None, "spectrum": None, **options}
    pool = make_terms(60)
    unknown = {"g_r": np.full(60, np.nan), "seeing": np.full(60, np.nan)}
    followed = {
        "full": coverage_along(pool, unknown),
        "clipped": coverage_along(replace(pool, pit=np.ones(60)), unknown),
    }
    found = {"coverage": followed, **found}
    return report_text(
        found, pools={"full": pool}, bins={}, with_histories=False, n_bootstrap=100, **given
    )


NONE, LITTLE, MUCH = (0.0, 0.9), (0.003, 0.2), (0.003, 0.01)
"""Differences of full and clipped, with their p-values."""


def with_others(inside, mae=None, *, whole=None, told=None, size=None, n=2000):
    """A comparison with primary differences inside the window, and exploratory ones in CRPS."""
    others = {
        ("full", "clipped", "whole"): whole,
        (TOLD_WINDOW, "clipped", "inside"): told,
        ("full", "subsample", "whole"): size,
    }
    entries = [contrast(*pair, "crps", d) for pair, d in others.items() if d is not None]
    found = comparison(*inside, *entries, controls=(TOLD_WINDOW,), n=n)
    found["contrasts"][1]["difference"] = inside[0] if mae is None else mae
    return found


def test_the_answer_is_in_plain_words_and_its_numbers_are_in_the_table_below_it():
    found = with_others(LITTLE, whole=-0.001, told=0.0001, size=0.0)
    assert answer(found) == (
        "No. Clipping is training on galaxies inside a window of redshifts only, here 0.0000 to"
        " 0.2000. Inside it, the networks `full` and `clipped` cannot be told apart. The clipped"
        " network knows that its galaxies are at low redshift; told the same, the full one cannot"
        " be told apart from it. On new galaxies you lack that knowledge: use `full`. That the"
        " clipped sample is smaller is not the reason: on all galaxies, a network trained on a"
        " random sample of its size cannot be told apart from the full one."
    )
    first, numbers, table = text_of(found).split("\n\n")[2:5]
    assert first.replace("\n", " ") == answer(found)
    assert numbers.startswith("The same in numbers")
    assert table.splitlines()[2:] == [
        "| inside, n = 1,920 | CRPS | full 0.01200 | clipped 0.01200 | 0.00300 (0.00280 to 0.00320)"
        " | 0.2 | no significant difference |",
        "| inside, n = 1,920 | MAE | full 0.01200 | clipped 0.01200 | 0.00300 (0.00280 to 0.00320)"
        " | 0.2 | no significant difference |",
        "| inside, n = 1,920 | MAE | clipped 0.01200 | subsample 0.01200 | -0.00200 (-0.00220 to"
        " -0.00180) | 0.001 | clipped is better |",
        "| inside, n = 1,920 | CRPS | full_told_window 0.01200 | clipped 0.01200 | 0.00010"
        " (-0.00010 to 0.00030) | – | no significant difference |",
        "| all, n = 2,000 | CRPS | full 0.01200 | clipped 0.01200 | -0.00100 (-0.00120 to -0.00080)"
        " | – | full is better |",
        "| all, n = 2,000 | CRPS | full 0.01200 | subsample 0.01200 | 0.00000 (-0.00020 to 0.00020)"
        " | – | no significant difference |",
        "| outside, n = 80 | MAE | full 0.01200 | clipped 0.01200 | -0.03000 (-0.03020 to -0.02980)"
        " | – | full is better |",
    ]


@pytest.mark.parametrize(
    ("given", "beginning", "said"),
    [
        ({"inside": NONE}, "It makes no difference", "`full` and `clipped` cannot be told apart."),
        ({"inside": NONE, "whole": 0.0}, "It makes no difference", "neither is clearly better."),
        ({"inside": NONE, "whole": -0.001}, "No. ", "Of all galaxies the full one is better: use"),
        ({"inside": NONE, "whole": 0.001}, "Yes. ", "the clipped one is better: use `clipped`."),
        ({"inside": MUCH}, "Only for galaxies", "Inside it, the clipped network is better in CRPS"),
        ({"inside": MUCH, "whole": 0.0}, "Only for galaxies", "galaxies, neither is clearly"),
        ({"inside": MUCH, "whole": -0.001}, "Only for galaxies that are known to", "use `full`."),
        ({"inside": (-0.003, 0.01)}, "No. ", "Even inside it, the clipped network is worse in"),
        ({"inside": (-0.003, 0.01), "whole": 0.001}, "It depends. ", "worse in CRPS and MAE."),
        ({"inside": MUCH, "mae": -0.003}, "It depends. ", "better in CRPS and worse in MAE."),
        ({"inside": NONE, "told": 0.001}, "It makes", "told the same, the full one is worse."),
        ({"inside": NONE, "told": -0.001}, "It makes", "told the same, the full one is better."),
        ({"inside": NONE, "whole": -0.001, "size": -0.001}, "No. ", "is a part of the reason: on"),
        ({"inside": NONE, "n": 180}, "This run is a demonstration: 180 test galaxies are too", ""),
    ],
)
def test_each_outcome_has_its_sentence(given, beginning, said):
    text = answer(with_others(**given))
    assert text.startswith(beginning)
    assert said in text
    assert "  " not in text
    assert not re.search(r"[\n{]|p =|interval|CRPS is", text)


def test_only_a_window_that_cuts_high_redshifts_alone_is_said_to_be_low():
    found = with_others(NONE, told=0.0)
    found["test"]["outside_is_high"] = False
    assert "knows that its galaxies are inside; told the same" in answer(found)
    assert "does not answer" in answer(found | {"contrasts": []})


def test_prose_fits_a_terminal_and_its_sentences_are_short():
    given = {"source": "x" * 73 + " - y", "spectrum": spectrum_report()}
    text = text_of(comparison(controls=("trainz",)), **given)
    prose = [line for line in text.splitlines() if not line.startswith(("|", "!"))]
    assert max(map(len, prose)) <= 80
    assert "\n- y" not in text  # which would be an item of a list
    for sentence in re.split(r"[.:;]\s|\n\n|\n- ", "\n".join(prose)):
        assert len(sentence.split()) <= 36, sentence


@pytest.mark.parametrize(("distance", "words"), [(0.0339, "passes"), (0.0341, "fails")])
def test_trainz_passes_only_where_its_pit_is_uniform(distance, words):
    text = text_of(comparison(controls=("trainz",), n=1600, pit_ks=distance))
    text = " ".join(text.split())
    assert f"Here trainz {words} the test of a uniform PIT. Its KS distance is {distance}," in text
    assert "the 5 % critical value 0.0340, n = 1,600." in text
    assert "Here trainz" not in text_of(comparison(controls=("knn",)))


def test_pdfs_that_cover_too_few_or_too_many_are_named_with_their_galaxies():
    text = " ".join(text_of(comparison()).split())
    assert "- full: all 8 shares are inside their bands." in text
    assert "- clipped: 8 of 8 shares are outside their bands, the least likely at" in text
    assert (
        "where the 95 % interval holds 0.0 %. Calibrated PDFs have one as unlikely in fewer" in text
    )
    assert "- full: none. - clipped: r magnitude" in text


def test_tables_have_as_many_cells_in_every_row():
    ingest = {"n_raw": 9, "n_good": 7, "n_bad": 2, "bad": {"too | red": {"count": 2, "rows": []}}}
    text = text_of(comparison(), ingest=ingest, spectrum=spectrum_report())
    blocks = text.split("\n\n")
    tables = [block.splitlines() for block in blocks if block.startswith("|")]
    assert len(tables) == 14
    for rows in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1, rows[0]
    assert "| left out: too \\| red | 2 |" in text
    assert "{" not in text


def ranged(value, name="value", spread=0.001):
    return {name: value, "low": value - spread, "high": value + spread}


def spectrum_report(difference=0.002, spread=0.001):
    """The content of reports/spectrum.json of one arm whose templates differ from the network."""
    values = {
        "direct": 0.012,
        "network": 0.012 + 2 * abs(difference),
        "templates": 0.012 + difference,
    }
    ways = {way: {"whole": {m: ranged(v) for m in WAY_METRICS}} for way, v in values.items()}
    contrasts = [
        {"a": way, "b": "direct", "subset": "whole", "metric": metric}
        | ranged(values[way] - values["direct"], "difference", spread)
        for way in ("network", "templates")
        for metric in WAY_METRICS
    ]
    arm = {
        "mse": ranged(0.006),
        "mae": ranged(0.03),
        "coverage_68": 0.68,
        "coverage_95": 0.95,
        "colours": {
            "g-r": {
                "against_target": {"n": 5, "median": 0.0, "nmad": 0.02},
                "against_measured": {"n": 0, "median": None, "nmad": None},
            }
        },
        "h_alpha": {"n": 3, "found": 0.5, "nmad": 0.004},
    }
    spectra = [
        {"a": "full", "b": b, "subset": subset, "metric": "mae"} | ranged(value, "difference")
        for b, subset, value in (
            ("plain", "whole", -0.004),
            ("clipped", "inside", 0.004),
            ("plain", "inside", -0.004),
            ("clipped", "outside", -0.004),
        )
    ]
    return {
        "targets": {"kind": "parent", "source": "made-up spectra"},
        "test": {"n": 100, "n_inside": 95},
        "wavelength": {"low": 3800.0, "high": 9200.0, "n": 4000},
        "arms": {"full": arm, "plain": arm, "mean_spectrum": arm},
        "contrasts": spectra,
        "redshifts": {"full": {"reference": "direct", "ways": ways, "contrasts": contrasts}},
    }


@pytest.mark.parametrize(
    ("difference", "spread", "said"),
    [
        (0.002, 0.001, "No: even its best way, `templates`, is worse than the network that goes"),
        (-0.002, 0.001, "Yes: `templates` is better than the network that goes from images to"),
        (0.002, 0.005, "It makes no difference that this test set can show: its best way, `temp"),
    ],
)
def test_the_better_way_over_a_spectrum_is_named(difference, spread, said):
    text = text_of(comparison(), spectrum=spectrum_report(difference, spread))
    start = text.index("Is the way over a spectrum better?")
    plain, numbers = (" ".join(part.split()) for part in text[start:].split("\n\n")[:2])
    assert said in plain
    assert "100 test galaxies, templates has a MAE of" in numbers
    assert "the direct network 0.01200. The difference is" in numbers
    assert numbers.endswith("The others: network 0.01600.")


def test_networks_of_spectra_are_compared_on_all_and_where_both_were_trained():
    text = text_of(comparison(), spectrum=spectrum_report())
    assert (
        "On all test galaxies, full is better than plain. Inside the clip window, where both were"
        " trained, clipped is better than full."
    ) in " ".join(text.split())
    assert "| on all test galaxies | full - plain | -0.0040 | -0.0050 to -0.0030 |" in text
    assert "| full - clipped | +0.0040 | +0.0030 to +0.0050 |" in text
    tie = spectrum_report()
    tie["contrasts"][0] |= {"low": -0.009, "high": 0.001}
    told = " ".join(text_of(comparison(), spectrum=tie).split())
    assert "On all test galaxies, full and plain cannot be told apart." in told
    row = "| full | 0.00600 (0.00500 to 0.00700) | 0.0300 (0.0290 to 0.0310) | 68.0 % | 95.0 % |"
    assert f"{row} 0.020 | – | 50.0 % |" in text


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
