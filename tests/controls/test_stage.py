"""The stage reads the raw file, which may be large, only for the controls that need it."""

from pathlib import Path

import pytest
import yaml

from pix2z.dataset.splits import write_split
from pix2z.stages import controls
from tests.prediction_files import read_predictions

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("wanted", [None, {"seeds": [1], "epochs": 1}])
def test_the_raw_file_is_read_for_parameters_only(
    sample_path, sample_split, tmp_path, monkeypatch, wanted
):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["controls"] |= {"tree_iterations": 2, "parameters": wanted}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    (tmp_path / "data/splits").mkdir(parents=True)
    (tmp_path / "data/galaxies.h5").symlink_to(sample_path)
    write_split(tmp_path / "data/splits/full.h5", sample_split, seed=1, n_galaxies=800)
    monkeypatch.chdir(tmp_path)
    read = []
    monkeypatch.setattr(
        controls.parameters, "read_parameters", lambda *path, sha256: read.append(path) or {}
    )
    controls.main()
    assert len(read) == (wanted is not None)
    assert len(read_predictions(tmp_path / "predictions/controls/knn.hdf5").row) == 100
