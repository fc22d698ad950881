import json
import re
import shutil
import sqlite3
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies
from pix2z.network.estimator import load_pool

METRICS = """
mae rmse r2 adjusted_r2 bias_mean bias_median seed_precision nmad sigma_iqr outlier_005 outlier_010
outlier_015 outlier_rail crps cde_loss pit_ks coverage_68 coverage_95
"""
SPECTRUM_ARMS = ("full", "clipped", "plain")
ARMS = ["full", "clipped", "subsample", "published_full", "published_clipped"]
CONTROLS = ["trainz", "knn", "trees", "parameters", "parameters_noisy"]


def stages_run(output: str) -> list[str]:
    return re.findall(r"Running stage '([^']+)'", output)


@pytest.fixture(scope="session")
def compare(finished) -> dict:
    return json.loads((finished.folder / "reports/compare.json").read_text())


def test_every_kill_struck_its_stage(finished):
    for name, log in finished.killed.items():
        assert stages_run("\n".join(log))[-1].startswith(name), log[-5:]
    assert list(finished.killed) == ["semireal", "ingest", "train", "compare"]


def test_nothing_half_written_is_left(finished):
    left = [p for p in finished.folder.rglob("*partial-*") if ".dvc" not in p.parts]
    assert left == []


def test_the_killed_training_has_the_weights_of_an_uninterrupted_one(finished, tmp_path):
    copy = tmp_path / "again"
    shutil.copytree(
        finished.folder, copy, ignore=shutil.ignore_patterns(".checkpoints", "models", ".dvc")
    )
    again = type(finished)(copy)
    again.run(sys.executable, "-m", "pix2z.stages.train", "full")
    weights = Path("models/full/seed-1/weights.weights.h5")
    assert (copy / weights).read_bytes() == (finished.folder / weights).read_bytes()


def test_the_comparison_has_the_documented_form(compare):
    assert list(compare["arms"]) == ARMS
    assert set(compare["controls"]) == {*CONTROLS, "full_told_window"}
    for entry in [*compare["arms"].values(), *compare["controls"].values()]:
        assert {"whole", "inside", "outside", "seeds", "seed_sd", "n_train", "cpu_seconds"} <= set(
            entry
        )
        assert set(METRICS.split()) <= set(entry["whole"])
        for metric in METRICS.split():
            limits = entry["whole"][metric]
            assert limits["low"] <= limits["high"]
    primary = [contrast for contrast in compare["contrasts"] if contrast["primary"]]
    assert primary
    for contrast in primary:
        assert 0 <= contrast["p_holm"] <= 1
        assert contrast["subset"] == "inside"
        assert contrast["metric"] in ("crps", "mae")
    assert all("p_holm" not in c for c in compare["contrasts"] if not c["primary"])
    assert all(contrast["verdict"] for contrast in compare["contrasts"])
    assert {"full", "clipped", "note"} <= set(compare["seed_view"])


def test_all_arms_and_controls_predict_the_same_unclipped_test_galaxies(finished, compare):
    folder = finished.folder
    names = ("full", "clipped", "equal_n")
    splits = {name: read_split(folder / f"data/splits/{name}.h5") for name in names}
    test = splits["full"].test
    with open_galaxies(folder / "data/galaxies.h5") as galaxies:
        ids = galaxies.column("object_id", test)
        z_spec = galaxies.column("specz_redshift", test)
        moved = galaxies.column("moved")
        group = galaxies.column("group_id")
    low, high = compare["test"]["clip_window"]
    assert compare["test"]["n"] == len(test)
    assert compare["test"]["n_inside"] == ((z_spec >= low) & (z_spec <= high)).sum()
    files = sorted((folder / "predictions").glob("*/*.hdf5"))
    assert len(files) == 2 * len(ARMS) + len(CONTROLS)
    for path in files:
        with h5py.File(path, "r") as file:
            np.testing.assert_array_equal(np.ravel(file["ancil/object_id"]), ids)
    for split in splits.values():
        np.testing.assert_array_equal(split.test, test)
        fitted = np.concatenate([split.train, split.validation, split.calibration])
        assert not np.intersect1d(group[fitted], group[test]).size
        assert not moved[np.concatenate([split.validation, split.calibration, test])].any()


def test_the_report_is_self_contained(finished):
    html = (finished.folder / "reports/report.html").read_text()
    assert "<img" in html
    assert re.findall(r'(?:src|href)="(?!data:|#)([^"]+)"', html) == []
    assert "semi-real" in html
    assert "semi-real" in (finished.folder / "reports/report.md").read_text()


def test_a_second_repro_runs_register_alone_and_adds_nothing(finished):
    before = counts(finished.folder)
    assert stages_run(finished.repro()) == ["register"]
    assert counts(finished.folder) == before
    # A model per arm, and one whose versions are the spectrum arms.
    assert before["registered_models"] == len(ARMS) + 1
    assert before["model_versions"] == len(ARMS) + len(SPECTRUM_ARMS)


def counts(folder: Path) -> dict[str, int]:
    with sqlite3.connect(folder / "mlflow.db") as store:
        tables = ("experiments", "runs", "registered_models", "model_versions", "latest_metrics")
        return {t: store.execute(f"SELECT COUNT(*) FROM {t}").fetchone()[0] for t in tables}


def test_an_edit_under_evaluation_retrains_nothing(finished):
    path = finished.folder / "src/pix2z/evaluation/point_metrics.py"
    text = path.read_text()
    path.write_text(text + "\n# another comment\n")
    try:
        status = json.loads(finished.run(sys.executable, "-m", "dvc", "status", "--json"))
    finally:
        path.write_text(text)
    measured = {*(f"evaluate@{arm}" for arm in ARMS), "evaluate_spectrum", "compare"}
    assert set(status) - {"register"} == measured


def test_changing_the_seeds_of_one_arm_retrains_that_arm_only(finished):
    path = finished.folder / "params.yaml"
    text = path.read_text()
    changed = re.sub(r"(  subsample:.*?seeds:\n    - )1", r"\g<1>9", text, flags=re.DOTALL)
    assert changed != text
    path.write_text(changed)
    try:
        status = json.loads(finished.run(sys.executable, "-m", "dvc", "status", "--json"))
    finally:
        path.write_text(text)
    assert {name for name in status if name.startswith("train")} == {"train@subsample"}


def test_the_pool_reads_redshifts_from_images(finished):
    pool = load_pool(finished.folder / "models/full")
    with open_galaxies(finished.folder / "data/galaxies.h5") as galaxies:
        estimate = pool.estimate(galaxies.images([0, 1, 2]), galaxies.column("ebv", [0, 1, 2]))
    assert (estimate.err95_low < estimate.err95_high).all()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("missing", "data/galaxies.h5"),
        ("text", "data/galaxies.h5"),
    ],
)
def test_a_damaged_input_is_one_line_and_exit_code_2(finished, tmp_path, damage, message):
    copy = tmp_path / "damaged"
    shutil.copytree(
        finished.folder,
        copy,
        ignore=shutil.ignore_patterns("models", ".dvc", "*.h5", "mlruns", "predictions"),
    )
    if damage == "text":
        (copy / "data/galaxies.h5").write_text("not an HDF5 file")
    output = type(finished)(copy).run(sys.executable, "-m", "pix2z.stages.split", code=2)
    assert message in output
    assert len(output.strip().splitlines()) == 1
