"""A verdict does not change with the processor: scores by galaxy of runs on several of them."""

from pathlib import Path

import numpy as np
import pytest

from pix2z.config.evaluate import EvaluateConfig
from pix2z.evaluation.arm_files import read_arm
from pix2z.evaluation.contrasts import PRIMARY, told
from tests.evaluation.conftest import WINDOW, make_workspace
from tests.evaluation.galaxy_scores import judge, read_scores, write_scores

FILES = sorted((Path(__file__).parent / "processors").glob("*.h5"))
SETTINGS = EvaluateConfig.read(Path(__file__).parents[2] / "params.yaml")


def outcomes(path, seed=SETTINGS.seed):
    """Outcomes of the primary contrasts, by arms and subset."""
    margin, n_bootstrap = SETTINGS.margin, SETTINGS.n_bootstrap
    judged = judge(path, margin=margin, n_bootstrap=n_bootstrap, seed=seed)
    return {(c["a"], c["b"], c["subset"]): c["outcome"] for c in judged if c["primary"]}


@pytest.fixture(scope="module")
def reference():
    """The verdict of the first file."""
    return outcomes(FILES[0])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_processor_gives_the_same_verdict(path, reference):
    assert set(reference) == set(PRIMARY)
    assert outcomes(path) == reference


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_are_of_the_same_galaxies_and_not_the_same_run(path):
    arms, window = read_scores(path)
    first, first_window = read_scores(FILES[0])
    assert window == first_window
    for name, arm in arms.items():
        np.testing.assert_array_equal(arm.pool.object_id, first[name].pool.object_id)
        assert len(arm.seeds) == len(first[name].seeds) > 1
        same = np.array_equal(arm.pool.crps, first[name].pool.crps)
        assert same == (path == FILES[0])


def test_a_file_holds_the_scores_of_the_run_it_was_made_from(tmp_path):
    make_workspace(tmp_path, n=120, controls=())
    write_scores(tmp_path, tmp_path / "scores.h5")
    arms, _ = read_scores(tmp_path / "scores.h5")
    assert set(arms) == {*("full", "clipped", "subsample"), told("full"), told("subsample")}
    for name in ("full", "clipped", "subsample"):
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
