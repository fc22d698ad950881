"""README, the guide and the report show the run in docs/reference, to the digit."""

import json
import re
from pathlib import Path

from pix2z.evaluation.report import answer
from pix2z.injection.words import by_magnitude, summary

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs/reference"
SHOWN = {"crps": (5, 1), "mae": (4, 1), "nmad": (4, 1), "outlier_005": (1, 100)}
"""Metric -> digits and factor."""

COVERAGE = {"coverage_95": (1, 100)}
"""The last column of arms and controls."""


def ranged(entry: dict, digits: int, factor: int = 1) -> str:
    value, low, high = (f"{factor * entry[k]:.{digits}f}" for k in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def row(metrics: dict, shown: dict) -> str:
    return " | ".join(ranged(metrics[metric], *form) for metric, form in shown.items())


def rows_of_readme() -> dict[str, str]:
    cells = r"^\| `(\w+)`: [^|]*\| (\d.*\)) \|$"
    return dict(re.findall(cells, (ROOT / "README.md").read_text(), re.M))


def test_readme_shows_the_numbers_of_the_reference_run():
    compared = json.loads((REFERENCE / "compare.json").read_text())
    arms = compared["arms"] | {
        name: compared["controls"][name] for name in ("trees", "knn", "trainz")
    }
    spectrum = json.loads((REFERENCE / "spectrum.json").read_text())
    ways = spectrum["redshifts"]["full"]["ways"]
    expected = {name: row(of["whole"], SHOWN | COVERAGE) for name, of in arms.items()}
    expected |= {name: row(of["whole"], SHOWN) for name, of in ways.items()}
    shown = rows_of_readme()
    assert set(arms) < set(shown)
    assert shown == {name: expected[name] for name in shown}


def test_readme_shows_the_errors_and_bands_of_spectra_of_the_reference_run():
    arms = json.loads((REFERENCE / "spectrum.json").read_text())["arms"]
    readme = (ROOT / "README.md").read_text()
    expected = {}
    for name, of in arms.items():
        band = of["bands"]["continuum"]["coverage_95"]
        held = ranged(band, 1, 100) if of["coverage_95"]["value"] is not None else ""
        expected[name] = [ranged(of["mae"], 4), held, ranged(of["h_alpha"]["found"], 1, 100)]
    found = re.findall(r"^\| `(\w+)`, [^|]*\| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", readme, re.M)
    assert {name: [cell.strip() for cell in cells] for name, *cells in found} == expected
    for of in arms["full"]["bands"]["lines"].values():
        own, other = (ranged(of[k], 1, 100) for k in ("coverage_95", "in_continuum_95"))
        assert readme.count(f"| {own} | {of['half_width_95']:.2f} | {other} |") == 1


def test_readme_shows_what_became_of_rendered_galaxies_in_real_sky():
    report = json.loads((REFERENCE / "real.json").read_text())
    readme = (ROOT / "README.md").read_text()
    assert summary(report) in readme
    assert by_magnitude(report) in (ROOT / "docs/guide.md").read_text()
    (one,) = report["spectra"]
    z, low, high = (f"{one[name]:.3f}" for name in ("z_phot", "low", "high"))
    said = " ".join(readme.split())
    assert f"reads z = {z} (95 %: {low} to {high}) off the real SDSS frames" in said
    assert f"spectrum says {one['z_spec']:.4f}" in said


def test_readme_and_guide_say_how_the_student_fares_in_real_sky():
    overall = json.loads((REFERENCE / "real_student.json").read_text())["overall"]
    readme, guide = (
        " ".join((ROOT / page).read_text().split()) for page in ("README.md", "docs/guide.md")
    )
    against, rendered = (overall[f"real / {name}"]["crps"] for name in ("against", "clean"))
    assert f"the student's CRPS is {ranged(against, 3)} times that of `full`" in readme
    assert f"its CRPS is {ranged(against, 3)} times that of `full` on the same stamps" in guide
    assert f"and {ranged(rendered, 3)} times its own as rendered" in guide


def test_the_guide_says_what_tuning_on_rendered_galaxies_in_two_fields_gained_in_each():
    report = json.loads((REFERENCE / "real_finetuned.json").read_text())
    fields, real = report["fields"], report["overall"]["real"]
    guide = (ROOT / "docs/guide.md").read_text()
    shown = dict(re.findall(r"^\| ([\d-]{13}) \|[^|]*\| (\S+ \(.*?\)) \|$", guide, re.M))
    ratios = {name: field["real / against"]["crps"] for name, field in fields.items()}
    assert shown == {name: ranged(ratio, 3) for name, ratio in ratios.items()}
    inside = (f"{100 * real[f'coverage_{level}']['value']:.1f}" for level in (68, 95))
    said = " ".join(guide.split())
    assert f"{' and '.join(inside)} % of the redshifts lie inside the 68 and 95 % intervals" in said
    tuned = report["overall"]["clean"]["crps"]["value"]
    assert f"is worse than `full` (CRPS {tuned:.5f} against" in said


def test_the_report_answers_what_its_template_makes_of_the_reference_run():
    compared = json.loads((REFERENCE / "compare.json").read_text())
    report = (REFERENCE / "report.md").read_text()
    (said,) = re.findall(r"^## Answer\n\n(.*?)\n\n", report, re.M | re.S)
    assert " ".join(said.split()) == answer(compared)


def test_the_guide_says_how_many_redshifts_of_spectra_of_the_reference_run_are_doubtful():
    spectrum = json.loads((REFERENCE / "spectrum.json").read_text())
    flagged = spectrum["redshifts"]["full"]["templates_flagged"]
    digits = {"doubtful": 0, "outlier_005_of_doubtful": 0, "outlier_005_of_others": 1}
    shares = tuple(f"{100 * flagged[name]:.{n}f}" for name, n in digits.items())
    share = r"([\d.]+) %"
    said = f"{share} have flag 32; {share} of these are off .{{1,40}}, and {share} of the others"
    words = " ".join((ROOT / "docs/guide.md").read_text().split())
    assert re.findall(said, words) == [shares]


def test_the_pages_show_pictures_that_are_there():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    pictures = [
        page.parent / picture
        for page in pages
        for picture in re.findall(r"\]\(([\w/.-]+\.(?:png|md))[)#]", page.read_text())
    ]
    assert len(pictures) > 20
    assert [str(path) for path in pictures if not path.is_file()] == []
