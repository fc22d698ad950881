"""What the report says of given numbers, and the page that is made of it."""

import re

import pytest

from pix2z.evaluation.contrasts import TOLD_WINDOW
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
        "test": {"n": n, "n_inside": n - 80, "clip_window": [0.0, 0.2]},
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
    return report_text(
        found, pools={"full": pool}, bins={}, with_histories=False, n_bootstrap=100, **given
    )


@pytest.mark.parametrize(
    ("crps", "mae", "p_holm", "beginning"),
    [
        (0.0, 0.0, 0.9, "Inside the clip window, where both were trained, networks trained on"),
        (0.003, 0.003, 0.2, "Inside the clip window, where both were trained, networks trained on"),
        (0.003, 0.003, 0.01, "Inside the clip window, training on the clipped sample improves CR"),
        (-0.003, -0.003, 0.01, "Even inside the clip window, training on the clipped sample wor"),
        (0.003, -0.003, 0.01, "The primary metrics disagree: inside the clip window, clipping imp"),
    ],
)
def test_the_answer_follows_sign_and_significance(crps, mae, p_holm, beginning):
    given = comparison(crps, p_holm)
    given["contrasts"][1]["difference"] = mae
    assert answer(given).startswith(beginning)


def test_the_answer_gives_numbers_equal_n_and_limits():
    text = answer(comparison())
    assert (
        "On the same 1,920 test galaxies, in redshift units: CRPS is 0.01200 (full) against 0.01200"
        " (clipped), a difference of 0.00000 with 95 % interval -0.00020 to 0.00020 and"
        " Holm-corrected p = 0.9; MAE is"
    ) in text
    assert "clipped sample's size, clipping improves MAE." in text
    assert "Outside the window (n = 80)" in text
    assert "too small" not in text
    assert "too small for a conclusion" in answer(comparison(n=180))
    assert "\n" not in text
    assert "  " not in text
    assert "does not answer" in answer(comparison() | {"contrasts": []})


@pytest.mark.parametrize(
    ("pair", "difference", "words"),
    [
        (("full", "clipped", "whole"), -0.001, "(exploratory): full is better (CRPS"),
        (("full", "clipped", "whole"), 0.001, "(exploratory): clipped is better (CRPS"),
        (("full", "clipped", "whole"), 0.0001, "(exploratory): no significant difference (CRPS"),
        ((TOLD_WINDOW, "clipped", "inside"), 0.001, ", so clipping keeps an advantage"),
        ((TOLD_WINDOW, "clipped", "inside"), -0.001, "(exploratory), better than clipped"),
        ((TOLD_WINDOW, "clipped", "inside"), 0.0001, "no significant difference is left"),
    ],
)
def test_the_whole_test_set_and_what_knowing_the_window_is_worth_are_told(pair, difference, words):
    entry = contrast(*pair, "crps", difference)
    assert words in answer(comparison(0.0, 0.9, entry, controls=(TOLD_WINDOW,)))


@pytest.mark.parametrize(("distance", "words"), [(0.0339, "passes"), (0.0341, "fails")])
def test_trainz_passes_only_where_its_pit_is_uniform(distance, words):
    text = text_of(comparison(controls=("trainz",), n=1600, pit_ks=distance))
    assert f"Here trainz {words} the test of a uniform PIT: KS distance {distance}," in text
    assert "5 % critical value 0.0340, n = 1,600." in text
    assert "Here trainz" not in text_of(comparison(controls=("knn",)))


def test_tables_have_as_many_cells_in_every_row_and_lines_are_whole_paragraphs():
    ingest = {"n_raw": 9, "n_good": 7, "n_bad": 2, "bad": {"too | red": {"count": 2, "rows": []}}}
    text = text_of(comparison(), ingest=ingest, spectrum=spectrum_report())
    blocks = text.split("\n\n")
    tables = [block.splitlines() for block in blocks if block.startswith("|")]
    assert len(tables) == 12
    for rows in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1, rows[0]
    for block in blocks:
        if block[0] not in "|-":
            assert "\n" not in block
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
        (0.002, 0.001, "worse by 0.00200 in redshift (difference 0.00200,"),
        (-0.002, 0.001, "better by 0.00200 in redshift"),
        (0.002, 0.005, "not significantly different"),
    ],
)
def test_the_better_way_over_a_spectrum_is_named(difference, spread, said):
    text = text_of(comparison(), spectrum=spectrum_report(difference, spread))
    sentence = text[text.index("The best way over a spectrum") :].split("\n")[0]
    assert sentence.startswith("The best way over a spectrum (templates, chi-square of a basis")
    assert said in sentence
    assert "100 test galaxies, against 0.01200 of the direct network" in sentence
    assert sentence.endswith("The others: network 0.01600.")


def test_networks_of_spectra_are_compared_on_all_and_where_both_were_trained():
    text = text_of(comparison(), spectrum=spectrum_report())
    said = re.findall(r"^.* of the flux in r \(95 % interval.*$", text, re.M)
    assert said == [
        "On all test galaxies, physical decoder, full sample is better than plain CNN, full sample:"
        " MAE -0.0040 of the flux in r (95 % interval -0.0050 to -0.0030).",
        "Inside the clip window, where both were trained, physical decoder, clipped sample is"
        " better than physical decoder, full sample: MAE +0.0040 of the flux in r (95 % interval"
        " +0.0030 to +0.0050).",
    ]
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
