"""The preset for the real SDSS set, as far as the split, on a file in that set's exact layout."""

import json
from pathlib import Path

import h5py
import numpy as np
import yaml

from pix2z.cli.workspace import make_workspace, merge, preset_params

from .conftest import ROOT, Workspace


def write_nersc_file(path: Path, raw: Path) -> None:
    """Semi-real stamps in the middle of 107 x 107 pixels of sky, with the keys of NERSC's file."""
    rng = np.random.default_rng(7)
    with h5py.File(raw) as real, h5py.File(path, "w") as file:
        unmoved = np.flatnonzero(real["truth/moved"][...] == 0)
        stamps = real["images"][...][unmoved]
        sky = np.array([0.043, 0.017, 0.027, 0.044, 0.175], np.float32)[None, :, None, None]
        images = (rng.normal(size=(len(unmoved), 5, 107, 107)) * sky).astype(np.float32)
        images[:, :, 37:69, 37:69] = np.nan_to_num(stamps)
        file["images"] = images
        for key in ("ObjID", "ra", "dec", "specz_redshift", "specz_redshift_err"):
            file[key] = real[key][...][unmoved]
        file["specObjID"] = np.arange(len(unmoved))
        extinction = np.array([5.155, 3.793, 2.751, 2.086, 1.479], np.float32)
        file["e_bv"] = real["e_bv"][...][unmoved][:, None] * extinction


def test_the_pipeline_runs_on_a_file_in_the_layout_of_nersc(finished, tmp_path):
    folder = tmp_path / "nersc"
    make_workspace(ROOT, folder, preset="nersc")
    small = yaml.safe_load((ROOT / "presets/miniature.yaml").read_text())
    params = merge(preset_params(ROOT, "nersc"), small, path="miniature")
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    raw = folder / params["ingest"]["source"]
    raw.parent.mkdir(parents=True)
    write_nersc_file(raw, finished.folder / "data/raw/semireal.h5")

    output = Workspace(folder).repro("split")

    assert "semireal" not in output.replace(str(finished.folder), "")
    report = json.loads((folder / "reports/ingest.json").read_text())
    assert report["raw"]["layout"] == "nersc"
    assert "A_ugriz" in report["columns_from"]["ebv"]
    assert report["n_good"] == report["n_raw"] > 300
    split = json.loads((folder / "reports/split.json").read_text())
    full, clipped = (split["selections"][name]["train"]["rows"] for name in ("full", "clipped"))
    assert 0 < clipped < full
