"""What the miniature pipeline leaves, in one file: one process runs it once for all tests."""

import json
import os
import pty
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path

import h5py
import nbformat
import numpy as np
import pytest
import yaml
from nbclient import NotebookClient

from pix2z.cli.workspace import make_workspace, merge, preset_params
from pix2z.dataset.splits import read_split
from pix2z.dataset.store import open_galaxies

from .conftest import ARMS, ROOT, SPECTRUM_ARMS, Workspace

METRICS = """
mae rmse r2 adjusted_r2 bias_mean bias_median seed_precision nmad sigma_iqr outlier_005 outlier_010
outlier_015 outlier_rail crps cde_loss pit_ks coverage_68 coverage_95
"""
CONTROLS = ["trainz", "knn", "trees", "parameters", "parameters_noisy"]
NOTEBOOK = ROOT / "docs/examples/walkthrough.ipynb"


def stages_run(output: str) -> list[str]:
    return re.findall(r"Running stage '([^']+)'", output)


@pytest.fixture(scope="session")
def compare(finished) -> dict:
    return json.loads((finished.folder / "reports/compare.json").read_text())


def test_nothing_half_written_is_left(finished):
    left = [p for p in finished.folder.rglob("*partial-*") if ".dvc" not in p.parts]
    assert left == []


def test_git_is_told_of_the_lock_and_of_one_flat_file_of_metrics(finished, compare, tmp_path):
    """All else that a run writes is in DVC's cache."""
    git = ("git", f"--git-dir={tmp_path / 'git'}", f"--work-tree={finished.folder}")
    finished.run(*git, "init", "-q")
    ignoring = ("-c", f"core.excludesFile={ROOT / '.gitignore'}")
    seen = finished.run(*git, *ignoring, "status", "--porcelain", "-uall").splitlines()
    copied = ("src/", ".dvc", ".pix2z-workspace", "dvc.yaml", "params.yaml", "killed.log")
    written = {line[3:] for line in seen if not line[3:].startswith(copied)}
    assert written == {"dvc.lock", "reports/metrics.json"}

    shown = json.loads(finished.run("dvc", "metrics", "show", "--json"))[""]["data"]
    assert list(shown) == ["reports/metrics.json"]
    values = shown["reports/metrics.json"]["data"]
    arms = [*ARMS, "trees", "knn", "trainz"]
    metrics = ("crps", "mae", "nmad", "outlier_005", "coverage_95")
    bands = ("mae", "coverage_68", "coverage_95")
    no_bands = dict.fromkeys(("kcorrect", "kcorrect_at_true_z", "colour_means"), ("mae",))
    of_spectra = dict.fromkeys(SPECTRUM_ARMS, bands) | no_bands | {"mean_spectrum": bands}
    assert list(values) == [
        *(f"{arm}.{metric}" for arm in arms for metric in metrics),
        *(f"spectrum.{arm}.{m}" for arm, shown_of in of_spectra.items() for m in shown_of),
    ]
    for arm in ARMS:
        for metric in metrics:
            value = compare["arms"][arm]["whole"][metric]["value"]
            assert values[f"{arm}.{metric}"] == pytest.approx(value, abs=1e-6)


def test_what_the_guide_says_to_compare_with_fits_a_terminal(tmp_path):
    """`dvc metrics show --json` has a number per line on a terminal, and one line in a pipe."""
    for name in ("params.yaml", "dvc.yaml", "dvc.lock", "reports/metrics.json", ".dvc/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    here = Workspace(tmp_path)
    author = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (("init", "-q"), ("add", "-A"), (*author, "commit", "-qm", "A run")):
        here.run("git", *words)
    params = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(params.replace("dropout:", "dropout: 0.123 #"))
    assert "0.123" in (changed := here.run("dvc", "params", "diff"))

    screen, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    environment = here.environment() | {"TERM": "dumb"}
    process = subprocess.Popen(
        ["dvc", "metrics", "show", "--json"],
        cwd=tmp_path,
        env=environment,
        stdout=terminal,
        stderr=subprocess.STDOUT,
    )
    os.close(terminal)
    shown = b""
    with suppress(OSError):  # Linux says so where the other end is closed
        while part := os.read(screen, 4096):
            shown += part
    os.close(screen)
    assert process.wait() == 0
    metrics = shown.decode().splitlines()
    assert len(metrics) > 50
    assert max(map(len, [*metrics, *changed.splitlines()])) <= 80


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
    assert list(compare["arms"]) == list(ARMS)
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
        assert contrast["metric"] == "crps"
    assert all("p_holm" not in c for c in compare["contrasts"] if not c["primary"])
    assert all(contrast["verdict"] for contrast in compare["contrasts"])
    assert {"full", "clipped", "note"} <= set(compare["published_view"])


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
    others = ("validation.hdf5", "calibration.hdf5")
    files = [f for f in (folder / "predictions").glob("*/*.hdf5") if f.name not in others]
    files += (folder / "controls").glob("*.hdf5")
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


def test_an_edit_of_figures_retrains_nothing_and_other_seeds_do(finished):
    figures = finished.folder / "src/pix2z/evaluation/figures/style.py"
    params = finished.folder / "params.yaml"
    before = {path: path.read_text() for path in (figures, params)}
    changed = yaml.safe_load(before[params])
    changed["arms"]["clipped"]["seeds"] = [9]
    figures.write_text(before[figures] + "\n# another comment\n")
    params.write_text(yaml.safe_dump(changed, sort_keys=False))
    try:
        status = json.loads(finished.run(sys.executable, "-m", "dvc", "status", "--json"))
    finally:
        for path, text in before.items():
            path.write_text(text)
    assert set(status) - {"register"} == {"train", "evaluate", "evaluate_spectrum"}


def production(folder: Path) -> dict[str, list[tuple]]:
    """Aliases with the pools that they are on, and the audit trail, as the store has them."""
    pool = "model_version_tags AS tag USING (name, version) WHERE tag.key = 'pool_digest'"
    tables = {
        "aliases": f"name, alias, value FROM registered_model_aliases JOIN {pool}",
        "trail": "key, value FROM registered_model_tags WHERE key LIKE 'event.%'",
    }
    with sqlite3.connect(folder / "mlflow.db") as store:
        return {t: sorted(store.execute(f"SELECT {what}")) for t, what in tables.items()}


@pytest.mark.long
def test_a_lost_store_is_refilled_with_its_aliases_and_history(finished, tmp_path):
    """Promotions are files too: `dvc repro` brings them back, and writes no file of them."""
    copy = tmp_path / "lost"
    shutil.copytree(finished.folder, copy, ignore=shutil.ignore_patterns("mlruns", "mlflow.db*"))
    lost = type(finished)(copy)
    lost.run(sys.executable, "-m", "pix2z.stages.register")
    lost.run("pix2z", "promote", "clipped", "--reason", "first")
    lost.run("pix2z", "promote", "full", "--reason", "second")
    before = production(copy)
    assert {alias for _, alias, _ in before["aliases"]} == {"champion", "previous"}
    assert len(before["trail"]) == 2
    written = (copy / "promotions.json").read_bytes()
    for path in (copy / "mlflow.db", copy / "mlruns"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert stages_run(lost.repro()) == ["register"]
    assert (copy / "promotions.json").read_bytes() == written
    assert production(copy) == before
    assert "pix2z-clipped/1" in lost.run("pix2z", "rollback", "--reason", "back")


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


def test_the_committed_notebook_holds_no_log_in_any_cell_and_its_commands_can_be_pasted():
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    outputs = [out for cell in cells for out in cell.get("outputs", [])]
    assert {out.get("name", "") for out in outputs} == {"", "stdout"}
    said = "".join(out.get("text", "") for out in outputs)
    assert "galaxies: mean |dz|" in said
    assert not re.search("tensorflow|oneDNN|cuda|warning", said, re.IGNORECASE)
    words = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    commands = re.findall(r"^```\n(.*?)^```$", words, re.MULTILINE | re.DOTALL)
    typed = [shlex.split(command.replace("\\\n", " ")) for command in commands]
    assert [words[:2] for words in typed] == [["pix2z", "predict"]]
    assert not [word for words in typed for word in words if not word.strip("\\\n ")]


def test_the_committed_notebook_shows_the_reference_run():
    compare = json.loads((ROOT / "docs/reference/compare.json").read_text())
    shown = NOTEBOOK.read_text()
    for name, arm in (compare["arms"] | compare["controls"]).items():
        if f">{name}</th>" in shown:
            row = shown.partition(f">{name}</th>")[2].partition("</tr>")[0]
            assert f">{arm['whole']['crps']['value']:.4f}</td>" in row


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_the_notebook_runs_on_the_outputs_of_the_pipeline(finished, monkeypatch):
    monkeypatch.setenv("PATH", finished.environment()["PATH"])
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")  # the notebook is silent by itself
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        cell.outputs = []
    client = NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(finished.folder)}}
    )
    client.execute()

    pictures = [out for cell in code for out in cell.outputs if "image/png" in out.get("data", {})]
    assert len(pictures) == 2
    said = "".join(out.get("text", "") for cell in code for out in cell.outputs)
    assert "galaxies: mean |dz|" in said
    assert "uJy" in said
    assert [out for cell in code for out in cell.outputs if out.get("name") == "stderr"] == []


def write_nersc_file(path: Path, raw: Path) -> None:
    """Semi-real stamps in 107 x 107 pixels of sky, masked ones 0, with the keys of NERSC's file."""
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
