"""The stage on a small workspace, end to end, and what it must write."""

import json
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from PIL import Image

from pix2z.errors import InputError
from pix2z.evaluation.coverage import VARIABLES, bins_outside
from pix2z.evaluation.metric_names import METRICS
from pix2z.redshift_pdf.predictions import select
from pix2z.stages import evaluate
from tests.evaluation.conftest import ARMS, make_workspace
from tests.prediction_files import read_predictions, write_predictions

CONTROLS_FOLLOWED = ("trainz", "knn", "trees", "parameters_noisy", "parameters")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    root = tmp_path_factory.mktemp("outputs") / "work"
    make_workspace(root, n=120, n_bootstrap=60)
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


def test_every_figure_is_of_print_size_with_something_on_it(reports):
    names = [path.stem for path in sorted((reports / "figures").iterdir())]
    assert names == [
        *("binned_metrics", "contact_sheet", "contrasts", "coverage", "errors_clipped"),
        *("errors_full", "pit", "redshift_density", "redshift_histogram", "training_curves"),
    ]
    for path in (reports / "figures").iterdir():
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
            assert 300 <= image.width <= 1400, path  # at most the 9 inches of a page
            assert "Software" not in image.info
            colours = np.asarray(image.convert("RGB")) @ np.array([1 << 16, 1 << 8, 1])
        assert len(np.unique(colours)) > 20, path


def test_every_arm_and_control_is_compared_and_measured_by_itself(reports, comparison):
    assert list(comparison["arms"]) == list(ARMS)
    told = ["full_told_window", "subsample_told_window"]
    assert list(comparison["controls"]) == [*CONTROLS_FOLLOWED, *told]
    assert comparison["arms"]["full"]["cpu_seconds"] == 48.0
    assert len({(entry["a"], entry["b"]) for entry in comparison["contrasts"]}) == 13
    assert {path.stem for path in (reports / "metrics").iterdir()} == set(ARMS)
    report = json.loads((reports / "metrics/clipped.json").read_text())
    for metric in METRICS:
        assert report["pool"]["inside"][metric] == comparison["arms"]["clipped"]["inside"][metric]


def test_git_keeps_five_numbers_of_every_arm_and_of_controls_that_know_no_more(reports, comparison):
    kept = json.loads((reports / "metrics.json").read_text())
    assert len(kept) == 5 * (len(ARMS) + 3)
    for name, of in (comparison["arms"] | comparison["controls"]).items():
        if f"{name}.crps" in kept:
            assert kept[f"{name}.crps"] == round(of["whole"]["crps"]["value"], 6)
    assert {"trees.nmad", "knn.mae", "trainz.coverage_95", "full.outlier_005"} <= set(kept)


def test_coverage_is_followed_for_every_arm_that_knows_no_more_than_the_others(comparison, page):
    assert list(comparison["coverage"]) == [*ARMS, *CONTROLS_FOLLOWED]
    for along in comparison["coverage"].values():
        assert list(along) == list(VARIABLES)
        assert sum(of_bin["n"] for of_bin in along["z_phot"]["bins"]) == comparison["test"]["n"]
    clipped = bins_outside(comparison["coverage"]["clipped"])
    shown = " ".join(unescape(re.sub("<[^>]*>", "", page)).split())
    assert f"clipped: {len(clipped)} of" in shown or "clipped: all" in shown
    for share in clipped:
        assert f"{VARIABLES[share['variable']].label} " in shown


def test_the_published_view_shows_the_artefact_of_scaling_by_the_range(comparison):
    view = comparison["published_view"]
    assert view["clipped"]["n_own_test"] == comparison["test"]["n_inside"]
    assert view["full"]["n_own_test"] == comparison["test"]["n"] == 120
    assert view["clipped"]["z_high"] <= 0.224 < view["full"]["z_high"]
    assert view["clipped"]["normalised"]["mae"] > view["full"]["normalised"]["mae"]
    assert view["full"]["published"]["mae"] == 0.0304
    for arm in (view["full"], view["clipped"]):
        span = arm["z_high"] - arm["z_low"]
        for metric in ("mae", "rmse", "bias", "precision"):
            assert arm["normalised"][metric] * span == pytest.approx(arm["redshift"][metric])
        assert arm["normalised"]["r2"] == pytest.approx(arm["redshift"]["r2"])
        for reading, of in arm["intervals"].items():
            for metric, limits in of.items():
                assert limits["low"] <= arm[reading][metric] <= limits["high"]
        error = arm["intervals"]["normalised"]["mae"]["low"] * span
        assert error == pytest.approx(arm["intervals"]["redshift"]["mae"]["low"])


def test_every_estimator_that_knows_no_more_has_its_distances_of_pit_from_uniform(comparison):
    assert list(comparison["pit_uniformity"]) == [*ARMS, *CONTROLS_FOLLOWED]
    for of in comparison["pit_uniformity"].values():
        assert set(of) == {"pit_rmse", "pit_kl"}
        for entry in of.values():
            assert entry["low"] < entry["value"] < entry["high"]
            assert 0 < entry["calibrated_median"] < entry["calibrated_95"]


def test_tables_with_numbers_have_intervals_and_fit_a_terminal(reports):
    markdown = (reports / "report.md").read_text(encoding="utf-8")
    tables = re.findall(r"(?:^\|.*\n)+", markdown, re.M)
    assert max(len(line) for table in tables for line in table.splitlines()) <= 80
    uncounted = ("| metric | convention", "| | training stamps", "| | rows", "| | r magnitude")
    for table in tables:
        if table.startswith(uncounted):
            continue
        for line in table.splitlines()[2:]:
            bare = re.findall(r"(?<![\w.-])-?\d+\.\d{4,}(?: \|)", line)
            assert not bare or re.search("margin|published, real", table), line


def test_the_report_answers_first_and_says_what_is_real(page):
    start = page.index('class="answer"')
    assert start < page.index("What was compared") < page.index("Results")
    assert "too few for a conclusion" in page[start : start + 2500]
    assert "semi-real: redshifts as drawn for a test" in page
    assert "until real images confirm it" in " ".join(page.split())
    assert "trainz: the training n(z) for every galaxy" in page


def test_both_reports_say_the_same_and_hold_what_they_promise(reports, page, comparison):
    markdown = (reports / "report.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", markdown, re.M) == [
        unescape(title) for title in re.findall(r"<h2 id=.*>(.*)</h2>", page)
    ]
    for link in re.findall(r"\]\((.*\.png)\)", markdown):
        assert (reports / link).is_file()
    assert page.count("data:image/png;base64,") == 10
    n_outside = comparison["test"]["n"] - comparison["test"]["n_inside"]
    said = [
        f"Outside the clip window, all at higher redshift, n = {n_outside}.",
        "redshift outside the range",
    ]
    said += [known.label for known in METRICS.values()]
    said += [entry["verdict"] for entry in comparison["contrasts"][:3]]
    shown = " ".join(unescape(page).split())
    for words in said:
        assert words in shown


def test_two_arms_are_enough_and_other_rows_than_the_splits_are_refused(tmp_path, monkeypatch):
    make_workspace(tmp_path, n=12, arms=("full", "clipped"), controls=(), n_bootstrap=10)
    monkeypatch.chdir(tmp_path)
    evaluate.main()
    comparison = json.loads((tmp_path / "reports/compare.json").read_text())
    assert list(comparison["controls"]) == ["full_told_window"]  # there is no subsample to tell
    assert comparison["published_view"]["full"] is None
    assert "normalised view" not in (tmp_path / "reports/report.md").read_text(encoding="utf-8")
    clipped = {
        path: read_predictions(path) for path in (tmp_path / "predictions/clipped").glob("*.hdf5")
    }
    for column, change in {
        "row": lambda made: select(made, np.arange(10)),
        "object_id": lambda made: replace(made, object_id=made.object_id + 1),
        "group_id": lambda made: replace(made, group_id=made.group_id // 2),
        "z_spec": lambda made: replace(made, z_spec=made.z_spec + 0.01),
    }.items():
        for path, made in clipped.items():
            write_predictions(path, change(made))
        said = f"predictions/clipped: expected the 12 test rows .* of another {column}"
        with pytest.raises(InputError, match=said):
            evaluate.main()


def test_controls_alone_are_no_comparison(tmp_path, monkeypatch):
    make_workspace(tmp_path, n=12, arms=(), controls=("knn",), n_bootstrap=10)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="at least one arm; received none"):
        evaluate.main()
