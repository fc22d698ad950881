"""What the stage gives to other processes; the miniature trains in one."""

import pickle
import sys
from contextlib import nullcontext
from pathlib import Path

import yaml

from pix2z.dataset.splits import write_split
from pix2z.stages import train_spectrum
from tests.spectrum_network.spectra import SETTINGS

ROOT = Path(__file__).parents[2]


def test_trainings_and_what_follows_travel_to_other_processes(
    sample_path, sample_spectra_path, sample_split, tmp_path, monkeypatch
):
    """Nothing is trained: what would run there is pickled, as it would be on the way."""
    sent = []

    def run(function, arguments):
        sent.append(pickle.loads(pickle.dumps((function, list(arguments)))))
        return []

    monkeypatch.chdir(tmp_path)
    write_split("data/splits/full.h5", sample_split, seed=1, n_galaxies=800)
    Path("data/galaxies.h5").symlink_to(sample_path)
    Path("data/spectra.h5").symlink_to(sample_spectra_path)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["spectrum"] = SETTINGS.model_dump(mode="json")
    Path("params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.setattr(sys, "argv", ["train_spectrum", "full"])
    monkeypatch.setattr(train_spectrum, "side_by_side", lambda _processes: nullcontext(run))
    monkeypatch.setattr(
        train_spectrum, "train_spectrum_arms", lambda trainings, run: run(id, trainings)
    )
    train_spectrum.main()
    ((_, (training,)), (reconstruct, (same,))) = sent
    assert (reconstruct, same.folder) == (train_spectrum.reconstruct, training.folder)
    assert training.learn_basis.func is train_spectrum.learned
