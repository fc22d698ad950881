from dataclasses import replace

import pytest

from pix2z.files import file_digest
from pix2z.study import trainings
from pix2z.study.trainings import Training, read_scores, run_trainings
from tests.study.conftest import GRID, HYBRID


@pytest.fixture
def training(sample, study_split):
    return Training(
        name="bands",
        galaxies=sample.path,
        galaxies_sha256=file_digest(sample.path),
        split=study_split,
        settings=HYBRID.model_copy(update={"subset_dropout": 0.5}),
        grid=GRID,
        seed=1,
        every_subset=True,
    )


def test_every_subset_is_scored_and_a_finished_training_is_not_made_again(
    training, tmp_path, monkeypatch
):
    run_trainings([training, training], tmp_path, processes=1)
    crps = read_scores(tmp_path, training)
    assert crps.shape == (32, len(training.split.test))
    mean = crps.mean(axis=1)
    # g - r tells the redshift of the artificial galaxies, z and E(B-V) do not
    assert mean[-1] < 0.7 * mean[0]
    assert mean[0b00110] < 0.8 * mean[0b10000]
    # only the scores are left
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["crps.npy"]

    def trained_again(*_):
        raise AssertionError

    monkeypatch.setattr(trainings, "_train_and_score", trained_again)
    run_trainings([training], tmp_path, processes=1)
    with pytest.raises(AssertionError):
        run_trainings([replace(training, seed=2)], tmp_path, processes=1)


def test_a_training_is_known_by_all_that_its_scores_depend_on(training):
    fewer = replace(training.split, train=training.split.train[:-1])
    others = [
        replace(training, seed=2),
        replace(training, every_subset=False),
        replace(training, galaxies_sha256="another"),
        replace(training, split=fewer),
        replace(training, settings=HYBRID),
    ]
    assert len({other.key() for other in (training, *others)}) == 6
    assert replace(training, name="another").key() == training.key()
