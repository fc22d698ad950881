"""All of the study's files, from scores that are made up: no network is trained here."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from pix2z.config.networks import PublishedCnnConfig
from pix2z.config.study import StudyConfig
from pix2z.errors import InputError
from pix2z.study import attenuation, outputs
from pix2z.study.from_predictions import read_estimators
from pix2z.study.outputs import Study, write_study
from tests.evaluation.conftest import GRID, make_predictions
from tests.prediction_files import write_predictions
from tests.study.conftest import HYBRID

CONFIG = StudyConfig(
    seed=1,
    n_tomographic_bins=3,
    n_colour_cells=2,
    n_redshift_bins=2,
    n_groups=(50, 100, 9999),
    seeds=(1, 2),
    published_seeds=(1, 2),
)
CNN = PublishedCnnConfig(
    precision="float32",
    batch_size=156,
    batch_size_clipped=256,
    epochs=1,
    patience=1,
    n_phot_bins=2,
)
GAIN = np.array([0.001, 0.004, 0.003, 0.002, 0.0])
"""What each band gains, whatever the others."""


def made_up_scores(folder, training):
    rng = np.random.default_rng(training.seed)
    n = len(training.split.test)
    noise = rng.normal(0, 1e-4, n)
    if training.every_subset:
        shown = (np.arange(32)[:, None] >> np.arange(5)) % 2
        return 0.03 - (shown @ GAIN)[:, None] + noise
    size = len(np.unique(training.split.train))
    arm = {"published_full": 0.004, "apertures": 0.001}.get(training.name.split()[0], 0.0)
    return (0.02 * (size / 100) ** -0.3 + arm + noise)[None]


@pytest.fixture
def study(sample, study_split):
    ids = sample.column("object_id", study_split.test)
    other = (sample.path, study_split, ids[::-1].copy())
    arms = {
        "full": HYBRID.model_copy(update={"trunk_filters": (4,)}),
        "apertures": HYBRID,
        "published_full": CNN,
    }
    return Study(CONFIG, sample, study_split, GRID, arms, other)


@pytest.fixture
def finished(tmp_path, sample, study_split):
    rows, folder = study_split.test, tmp_path / "finished"
    z_spec = sample.column("specz_redshift", rows).astype(float)
    for place, sigma in (("predictions/full/pool", 0.01), ("controls/trees", 0.02)):
        made = make_predictions(len(rows), sigma=sigma, z_spec=z_spec, row=rows)
        ids = sample.column("object_id", rows)
        write_predictions(folder / f"{place}.hdf5", replace(made, object_id=ids))
    return folder


def test_each_question_has_numbers_figures_and_words(study, finished, tmp_path, monkeypatch):
    run, answered = [], []

    def not_run(trainings, *_, **__):
        run.extend(trainings)
        answered.append(set(json.loads((tmp_path / "study.json").read_text())))
        assert "tomographic bins" in (tmp_path / "study.md").read_text()

    monkeypatch.setattr(outputs, "read_scores", made_up_scores)
    monkeypatch.setattr(outputs, "run_trainings", not_run)
    settings = {"n_bootstrap": 100, "seed": 1, "processes": 1}
    write_study(study, tmp_path, run=finished, scores=tmp_path / "none", **settings)

    report = json.loads((tmp_path / "study.json").read_text())
    # each answer is there before the trainings of the next question
    later = {"learning_curves", "bands", "sizes"}
    there = [len(answers & later) for answers in (*answered, set(report))]
    assert there == [0, 1, 2, 3]
    assert "tomography" in answered[0]
    shares = [of["value"] for of in report["bands"]["whole"]["shapley"].values()]
    np.testing.assert_allclose(shares, GAIN, atol=1e-9)
    percent = [of["value"] for of in report["bands"]["whole"]["percent"].values()]
    np.testing.assert_allclose(percent, 100 * np.array(GAIN) / np.sum(GAIN), atol=1e-6)
    assert len(report["bands"]["subsets"]) == 32
    assert set(report["learning_curves"]) == {"full", "published_full", "apertures"}
    sizes = [point["n_groups"] for point in report["learning_curves"]["full"]["points"]]
    assert sizes == [50, 100, 400]
    law = report["learning_curves"]["full"]["power_law"]
    assert law["exponent"]["value"] == pytest.approx(0.3, abs=0.01)
    gain = report["sizes"]["sizes_know_redshift"]["gain"]["apertures"]
    assert gain["value"] == pytest.approx(0.001, abs=1e-5)

    # a network that two questions ask for is trained once
    keys = [training.key() for training in run]
    assert len(keys) == len(run) > len(set(keys))
    # small samples see as many stamps as the whole
    assert {len(training.split.train) for training in run} == {400}

    text = (tmp_path / "study.md").read_text()
    drawn = {path.name for path in (tmp_path / "study").iterdir()}
    assert {
        name.removeprefix("study/") for name in re.findall(r"\((study/.*?\.png)\)", text)
    } == drawn
    assert len(drawn) == 7
    assert all(path.stat().st_size > 5000 for path in (tmp_path / "study").iterdir())
    assert "a = 0.3" in " ".join(text.split())
    # each question begins with its answer, and no table is wider than a terminal
    for section in text.split("\n## ")[1:]:
        assert re.match(r".*\?\n\n[A-Zg`]", section), section[:80]
    assert max(len(line) for line in text.splitlines() if line.startswith("|")) <= 80
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    for table in tables:
        assert len({row.count("|") for row in table.splitlines()}) == 1


def test_what_cannot_be_told_is_said(study, finished, tmp_path, monkeypatch):
    """No galaxy has a colour, one size is left, and each network has one seed."""

    def unknown(galaxies, rows):
        return np.full((len(rows), 5), np.nan)

    monkeypatch.setattr(attenuation, "measured_features", unknown)
    monkeypatch.setattr(outputs, "read_scores", made_up_scores)
    monkeypatch.setattr(outputs, "run_trainings", lambda *_, **__: None)
    config = CONFIG.model_copy(update={"n_groups": (9999,), "seeds": (1,), "published_seeds": (1,)})
    poor = replace(study, config=config, other_sky=None)
    settings = {"n_bootstrap": 50, "seed": 1, "processes": 1}
    write_study(poor, tmp_path, run=finished, scores=tmp_path / "none", **settings)
    text = " ".join((tmp_path / "study.md").read_text().split())
    assert "Not measured: too few training or test galaxies have colours." in text
    assert "full: too few sizes, or trainings at each, to tell." in text
    assert not (tmp_path / "study" / "attenuation.png").exists()
    assert "do not lie on one power law" not in text


def test_predictions_of_other_galaxies_are_refused(finished, study_split):
    with pytest.raises(InputError, match="199 test rows of the split"):
        read_estimators(finished, study_split.test[:-1])
    with pytest.raises(InputError, match="dvc repro"):
        read_estimators(finished / "none", study_split.test)
