from pathlib import Path

import h5py
import pytest
import yaml

from pix2z.stages import semireal


def test_stage_reads_sky_and_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    params["sky"] |= {"n_parents": 60, "n_stamps": 70, "seed": 5}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    semireal.main()
    with h5py.File("data/raw/semireal.h5", "r") as raw:
        assert raw["images"].shape == (70, 5, 32, 32)
        assert raw.attrs["seed"] == 5
        assert raw["truth/moved"][:].sum() == 10
