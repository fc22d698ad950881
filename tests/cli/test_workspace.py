import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pix2z.cli import app
from pix2z.cli.workspace import MARKER, make_workspace, merge
from pix2z.errors import InputError, ParamsError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path):
    """Make a checkout with one source file and two presets."""
    folder = tmp_path / "checkout"
    for name in (".dvc", "presets", "src/pix2z"):
        (folder / name).mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml", ".dvcignore", ".dvc/config"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "src/pix2z/code.py").write_text("VERSION = 1\n")
    (folder / "presets/small.yaml").write_text("sky: {n_stamps: 480}\n")
    (folder / "presets/large.yaml").write_text("sky: {n_stamps: 48000}\n")
    return folder


def tree(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def test_a_new_folder_becomes_a_dvc_project(root, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    folder = tmp_path / "new" / "small"
    done = CliRunner().invoke(app, ["workspace", str(folder), "--preset", "small"])
    assert done.exit_code == 0, done.output
    assert done.output == (
        f"{folder} is a workspace with the preset small.\nNext: cd {folder} && dvc repro\n"
    )
    assert (folder / MARKER).read_text() == "small\n"
    params = yaml.safe_load((folder / "params.yaml").read_text())
    shipped = yaml.safe_load((root / "params.yaml").read_text())
    assert params == shipped | {"sky": shipped["sky"] | {"n_stamps": 480}}
    assert list(params) == list(shipped)
    assert (folder / "src/pix2z/code.py").read_text() == "VERSION = 1\n"
    assert "no_scm = true" in (folder / ".dvc/config").read_text()
    assert not list(folder.rglob(".partial-*"))
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "stage", "list", "--name-only"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.split()[:2] == ["semireal", "ingest"]


def test_a_second_run_renews_code_and_parameters_and_keeps_results(root, tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    make_workspace(root, folder, preset="small")
    (folder / "models").mkdir()
    (folder / "models/weights").write_text("trained")
    (root / "src/pix2z/code.py").rename(root / "src/pix2z/renamed.py")
    make_workspace(root, folder, preset="large")
    assert (folder / MARKER).read_text() == "large\n"
    assert yaml.safe_load((folder / "params.yaml").read_text())["sky"]["n_stamps"] == 48000
    assert [path.name for path in (folder / "src/pix2z").iterdir()] == ["renamed.py"]
    assert (folder / "models/weights").read_text() == "trained"


def test_a_folder_inside_the_repository_may_be_a_workspace(root):
    make_workspace(root, root / "build/small", preset="small")
    assert (root / "build/small" / MARKER).is_file()


@pytest.mark.parametrize("place", [".", "..", "src", "../link"])
def test_the_repository_its_parents_and_its_own_folders_are_refused(root, place):
    (root.parent / "link").symlink_to(root)
    before = tree(root.parent)
    with pytest.raises(InputError, match="holds the repository itself|neither empty nor"):
        make_workspace(root, root / place, preset="small")
    assert tree(root.parent) == before


def test_a_folder_of_something_else_is_refused_and_kept(root, tmp_path):
    folder = tmp_path / "thesis"
    (folder / "src").mkdir(parents=True)
    (folder / "src/chapter.tex").write_text("irreplaceable")
    before = tree(folder)
    with pytest.raises(InputError, match=f"thesis: neither empty nor a workspace.* no {MARKER}"):
        make_workspace(root, folder, preset="small")
    assert tree(folder) == before
    with pytest.raises(InputError, match=r"chapter\.tex: expected a folder"):
        make_workspace(root, folder / "src/chapter.tex", preset="small")


def test_a_preset_with_a_key_twice_is_refused(root, tmp_path):
    (root / "presets/small.yaml").write_text("sky: {n_stamps: 480}\nsky: {n_stamps: 960}\n")
    with pytest.raises(ParamsError, match=r"small\.yaml: not valid YAML \(.*duplicate key .sky"):
        make_workspace(root, tmp_path / "new", preset="small")


def test_an_unknown_preset_is_named_and_makes_nothing(root, tmp_path):
    with pytest.raises(InputError, match=r"huge\.yaml: no such preset; .* large, small"):
        make_workspace(root, tmp_path / "new", preset="huge")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("dvc.yaml", r"new/dvc\.yaml: cannot be written \(No space left on device\)$"),
        ("code.py", r"new/src/pix2z/code\.py: cannot be copied \(.*No space left on device.*\)$"),
    ],
)
def test_a_copy_that_finds_no_room_is_one_line_that_names_it(
    root, tmp_path, monkeypatch, file, words
):
    def full(source, copy, **_):
        if Path(source).name == file:
            raise OSError(28, "No space left on device", str(source), None, str(copy))

    monkeypatch.setattr("shutil.copystat", full)
    with pytest.raises(InputError, match=words):
        make_workspace(root, tmp_path / "new", preset="small")
    monkeypatch.undo()
    make_workspace(root, tmp_path / "new", preset="small")
    assert (tmp_path / "new/src/pix2z/code.py").is_file()


def test_a_workspace_makes_no_workspaces(root, tmp_path):
    make_workspace(root, tmp_path / "small", preset="small")
    with pytest.raises(InputError, match="small: is a workspace itself; make another in its check"):
        make_workspace(tmp_path / "small", tmp_path / "other", preset="small")


def test_a_killed_run_leaves_nothing_that_dvc_takes_for_a_project(root, tmp_path, monkeypatch):
    write = Path.write_text

    def killed_at_the_end(path, *content, **options):
        if path.name.endswith("config"):
            raise KeyboardInterrupt
        return write(path, *content, **options)

    monkeypatch.setattr(Path, "write_text", killed_at_the_end)
    with pytest.raises(KeyboardInterrupt):
        make_workspace(root, tmp_path / "small", preset="small")
    assert not (tmp_path / "small/.dvc/config").exists()


@pytest.mark.parametrize("half_made", [(), ("config",), ("config", "tmp/lock", "cache/files")])
def test_a_half_made_dvc_project_is_made_whole_and_keeps_its_cache(root, tmp_path, half_made):
    folder = tmp_path / "small"
    (folder / ".dvc").mkdir(parents=True)
    (folder / MARKER).write_text("small\n")
    for name in half_made:
        (folder / ".dvc" / name).parent.mkdir(exist_ok=True)
        (folder / ".dvc" / name).write_text("")
    make_workspace(root, folder, preset="small")
    assert "no_scm = true" in (folder / ".dvc/config").read_text()
    assert all((folder / ".dvc" / name).exists() for name in half_made)
    again = tree(folder)
    make_workspace(root, folder, preset="small")
    assert tree(folder) == again


def test_an_overlay_changes_what_it_names_alone_and_null_leaves_an_arm_out():
    base = {"sky": {"seed": 1, "n": 2}, "arms": {"full": {"seeds": [1]}, "clipped": {}}}
    merged = merge(base, {"sky": {"n": None}, "arms": {"clipped": None}}, path="p")
    assert merged == {"sky": {"seed": 1, "n": None}, "arms": {"full": {"seeds": [1]}}}
    assert base["sky"]["n"] == 2
    with pytest.raises(ParamsError, match=r"p: key 'surprise' is not in params\.yaml"):
        merge(base, {"sky": {"surprise": 3}}, path="p")
