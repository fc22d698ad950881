"""What becomes of verdicts on another processor and with another split: scores of such runs."""

from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np

from pix2z.config.arms import read_arms
from pix2z.config.evaluate import EvaluateConfig
from pix2z.evaluation.arm_files import read_arm
from pix2z.evaluation.contrasts import PRIMARY, told
from tests.evaluation.conftest import WINDOW, make_workspace
from tests.evaluation.galaxy_scores import ARMS, judge, read_scores, write_scores
from tests.evaluation.test_reference import ranged

RUNS = Path(__file__).parent / "runs"
PROCESSORS = sorted(RUNS.glob("avx*.h5"))
SPLITS = sorted(RUNS.glob("split_*.h5"))
PARAMS = Path(__file__).parents[2] / "params.yaml"
SETTINGS = EvaluateConfig.read(PARAMS)


WORDS = {"better": "better", "equivalent": "equal within 2 %", "undecided": "no verdict"}


@cache
def primary(path):
    """Judge the primary contrasts, by arms and subset."""
    margin, n_bootstrap = SETTINGS.margin, SETTINGS.n_bootstrap
    judged = judge(path, margin=margin, n_bootstrap=n_bootstrap, seed=SETTINGS.seed)
    return {(c["a"], c["b"], c["subset"]): c for c in judged if c["primary"]}


def outcomes(path):
    return {contrast: found["outcome"] for contrast, found in primary(path).items()}


def test_there_are_runs_of_several_processors_which_give_the_same_verdict():
    """No two are the same run: their numbers differ, their galaxies and settings do not."""
    assert len(PROCESSORS) >= 2, "make them with python -m tests.evaluation.galaxy_scores"
    verdicts = [outcomes(path) for path in PROCESSORS]
    assert set(verdicts[0]) == set(PRIMARY["clipping"]) | set(PRIMARY["pixels"])
    assert all(verdict == verdicts[0] for verdict in verdicts)
    runs = [read_scores(path) for path in PROCESSORS]
    first, window = runs[0]
    seeds = {name: list(arm.seeds) for name, arm in read_arms(PARAMS).items()}
    for arms, its_window in runs:
        assert its_window == window
        for name, arm in arms.items():
            np.testing.assert_array_equal(arm.pool.object_id, first[name].pool.object_id)
            assert list(arm.seeds) == seeds[name.removesuffix("_told_window")]
    for one, other in combinations(runs, 2):
        for name in first:
            assert not np.array_equal(one[0][name].pool.crps, other[0][name].pool.crps)


def test_other_splits_reverse_no_verdict_and_keep_the_main_ones():
    """Other galaxies are tested, others train: the windows and most galaxies differ."""
    assert len(SPLITS) >= 2
    reference, _ = read_scores(PROCESSORS[-1])
    for path in SPLITS:
        found = outcomes(path)
        assert "worse" not in found.values()
        assert found["full", "clipped", "whole"] == found["full", "catalogue", "whole"] == "better"
        arms, _ = read_scores(path)
        same = np.isin(arms["full"].pool.object_id, reference["full"].pool.object_id)
        assert same.mean() < 0.25


def test_the_design_page_shows_these_verdicts():
    page = (Path(__file__).parents[2] / "docs/design.md").read_text()
    files = (RUNS / "avx512.h5", *(path for path in PROCESSORS if path.stem != "avx512"), *SPLITS)
    for a, b, subset in outcomes(files[0]):
        judged = [primary(path)[a, b, subset] for path in files]
        cells = [f"{ranged(found['ratio'], 3)}: {WORDS[found['outcome']]}" for found in judged]
        assert f"| `{a}` / `{b}`, {subset} | {' | '.join(cells)} |" in page


def test_a_file_holds_the_scores_of_the_run_it_was_made_from(tmp_path):
    make_workspace(tmp_path, n=120, arms=ARMS, controls=())
    write_scores(tmp_path, tmp_path / "scores.h5")
    arms, _ = read_scores(tmp_path / "scores.h5")
    assert set(arms) == {*ARMS, told("full"), told("subsample")}
    for name in ARMS:
        run = read_arm(
            name,
            clip_window=WINDOW,
            predictions=tmp_path / "predictions",
            models=tmp_path / "models",
        )
        for column in ("crps", "pit", "z_phot", "group_id"):
            expected = getattr(run.pool, column)
            np.testing.assert_allclose(getattr(arms[name].pool, column), expected, atol=3e-4)
        crps = [of["inside"]["crps"] for of in run.seeds.values()]
        read = [of["inside"]["crps"] for of in arms[name].seeds.values()]
        np.testing.assert_allclose(read, crps, rtol=1e-4)
        np.testing.assert_allclose(
            arms[name].of_networks["crps"], run.of_networks["crps"], rtol=2e-3
        )
        assert list(arms[name].seeds) == list(run.seeds)
