import json

import matplotlib as mpl

from pix2z.tuning.report import write_study
from pix2z.tuning.trials import StudyResult, Trial

SETTINGS = {"dense_units": (64, 32), "dropout": 0.1}
TRIALS = tuple(
    Trial(number, SETTINGS, {0: 2.0, 1: loss}, loss, state, 3.0)
    for number, loss, state in ((0, 1.5, "complete"), (1, 1.4, "complete"), (2, 1.9, "pruned"))
)


def test_the_settings_stand_alone_so_that_times_retrain_nothing(tmp_path):
    write_study(tmp_path, StudyResult(SETTINGS, 1, TRIALS, {"dropout": 1.0}))
    best = json.loads((tmp_path / "best_params.json").read_text())
    assert best == {"dense_units": [64, 32], "dropout": 0.1}
    trials = json.loads((tmp_path / "trials.json").read_text())
    assert trials["best_trial"] == 1
    assert [trial["curve"]["1"] for trial in trials["trials"]] == [1.5, 1.4, 1.9]
    assert {path.name for path in tmp_path.glob("*.png")} == {"history.png", "importance.png"}


def test_figures_are_byte_stable_and_survive_an_empty_study(tmp_path):
    for name in ("a", "b"):
        write_study(tmp_path / name, StudyResult(SETTINGS, None, (), {}))
        write_study(tmp_path / f"{name}-full", StudyResult(SETTINGS, 1, TRIALS, {"dropout": 1.0}))
    for figure in ("history.png", "importance.png"):
        for kind in ("", "-full"):
            content = [(tmp_path / f"{name}{kind}" / figure).read_bytes() for name in "ab"]
            assert content[0] == content[1]
        assert (tmp_path / "a" / figure).read_bytes() != (tmp_path / "a-full" / figure).read_bytes()


def test_a_users_matplotlibrc_changes_no_figure(tmp_path):
    study = StudyResult(SETTINGS, 1, TRIALS, {"dropout": 1.0})
    write_study(tmp_path / "plain", study)
    with mpl.rc_context({"text.usetex": True, "savefig.bbox": "tight", "lines.linewidth": 5}):
        write_study(tmp_path / "styled", study)
    for figure in ("history.png", "importance.png"):
        plain, styled = (tmp_path / name / figure for name in ("plain", "styled"))
        assert plain.read_bytes() == styled.read_bytes()
