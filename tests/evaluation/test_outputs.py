"""The stage on a small workspace, end to end, and what it must write."""

import json
import re
from html import unescape

import numpy as np
import pytest
from PIL import Image

from pix2z.errors import InputError
from pix2z.evaluation.metric_names import METRICS
from pix2z.redshift_pdf.predictions import select
from pix2z.stages import evaluate
from tests.prediction_files import read_predictions, write_predictions


@pytest.fixture(scope="module")
def reports(workspace, tmp_path_factory):
    root = tmp_path_factory.mktemp("outputs") / "work"
    workspace(root, n=120, n_bootstrap=60)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        evaluate.main()
    return root / "reports"


@pytest.fixture(scope="module")
def comparison(reports):
    return json.loads((reports / "compare.json").read_text())


@pytest.fixture(scope="module")
def page(reports):
    return (reports / "report.html").read_text(encoding="utf-8")


def test_all_files_are_written_and_no_temporary_is_left(reports):
    names = {path.name for path in reports.iterdir()}
    assert {"compare.json", "report.md", "report.html", "figures", "metrics"} <= names
    figures = sorted(path.name for path in (reports / "figures").iterdir())
    assert figures == [
        "binned_metrics.png",
        "contact_sheet.png",
        "contrasts.png",
        "errors_clipped.png",
        "errors_full.png",
        "pit.png",
        "redshift_density.png",
        "redshift_histogram.png",
        "training_curves.png",
    ]


def test_every_figure_is_of_print_size_with_something_on_it(reports):
    for path in (reports / "figures").iterdir():
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
            assert 300 <= image.width <= 1400, path  # at most the 9 inches of a page
            assert "Software" not in image.info
            colours = np.asarray(image.convert("RGB")) @ np.array([1 << 16, 1 << 8, 1])
        assert len(np.unique(colours)) > 20, path


def test_every_arm_and_control_is_compared(comparison):
    assert list(comparison["arms"]) == [
        "full",
        "clipped",
        "subsample",
        "published_full",
        "published_clipped",
    ]
    assert list(comparison["controls"])[0] == "trainz"
    assert len(comparison["controls"]) == 6
    assert comparison["arms"]["full"]["cpu_seconds"] == 48.0
    assert comparison["test"]["n"] == 120
    pairs = {(entry["a"], entry["b"]) for entry in comparison["contrasts"]}
    assert len(pairs) == 12


def test_the_seed_view_shows_the_artefact(comparison):
    view = comparison["seed_view"]
    assert view["clipped"]["n_own_test"] == comparison["test"]["n_inside"]
    assert view["full"]["n_own_test"] == 120
    assert view["clipped"]["z_high"] <= 0.224 < view["full"]["z_high"]
    assert view["clipped"]["normalised"]["mae"] > view["full"]["normalised"]["mae"]
    assert view["full"]["published"]["mae"] == 0.0304


def test_the_report_answers_first_and_says_what_is_real(page):
    start = page.index('class="answer"')
    assert start < page.index("What was compared") < page.index("Results")
    assert "too small for a conclusion" in page[start : start + 2500]
    assert "semi-real: redshifts as drawn for a test" in page
    assert "until real images confirm it" in page
    assert "trainz: the training n(z) for every galaxy" in page


def test_the_report_holds_every_number_it_promises(page, comparison):
    for known in METRICS.values():
        assert known.label.replace(">", "&gt;") in page
    for entry in comparison["contrasts"][:4]:
        assert entry["verdict"].replace(">", "&gt;") in page
    n_outside = comparison["test"]["n"] - comparison["test"]["n_inside"]
    assert f"High z only, n = {n_outside}." in page
    assert page.count("data:image/png;base64,") == 9
    assert "redshift outside the range" in page


def test_both_reports_say_the_same(reports, page):
    markdown = (reports / "report.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", markdown, re.M) == [
        unescape(title) for title in re.findall(r"<h2 id=.*>(.*)</h2>", page)
    ]
    for link in re.findall(r"\]\((.*\.png)\)", markdown):
        assert (reports / link).is_file()


def test_every_arm_is_measured_by_itself_with_the_same_numbers(reports, comparison):
    names = [path.stem for path in sorted((reports / "metrics").glob("*.json"))]
    assert names == sorted(comparison["arms"])
    report = json.loads((reports / "metrics/clipped.json").read_text())
    for metric in METRICS:
        assert report["pool"]["inside"][metric] == comparison["arms"]["clipped"]["inside"][metric]


def test_other_test_rows_than_the_splits_are_refused(reports, monkeypatch):
    paths = sorted((reports.parent / "predictions/subsample").glob("*.hdf5"))
    original = {path: path.read_bytes() for path in paths}
    for path in paths:
        write_predictions(path, select(read_predictions(path), np.arange(100)))
    monkeypatch.chdir(reports.parent)
    with pytest.raises(InputError, match="predictions/subsample: expected the 120 test rows"):
        evaluate.main()
    for path, content in original.items():
        path.write_bytes(content)


def test_two_arms_are_enough(workspace, tmp_path, monkeypatch):
    root = tmp_path / "small"
    workspace(root, n=12, arms=("full", "clipped"), controls=(), n_bootstrap=10)
    monkeypatch.chdir(root)
    evaluate.main()
    comparison = json.loads((root / "reports/compare.json").read_text())
    assert list(comparison["controls"]) == ["full_told_window"]
    assert comparison["seed_view"]["full"] is None
    assert "normalised view" not in (root / "reports/report.md").read_text(encoding="utf-8")
