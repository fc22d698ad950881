"""What ``pix2z -h`` says, in a terminal of 80 columns, and commands that the documents show."""

import inspect
import json
import re
import shlex
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pix2z.cli import app

GROUP = typer.main.get_command(app)
ROOT = Path(__file__).parents[2]
NOTEBOOK = json.loads((ROOT / "docs/examples/walkthrough.ipynb").read_text())
COMMANDS = [*GROUP.commands, "fetch sdss", "fetch nersc"]


def shown(*words):
    result = CliRunner().invoke(app, words, env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert result.exit_code == 0, result.output
    return result.output


def command_named(name):
    found = GROUP
    for word in name.split():
        found = found.commands[word]
    return found


def parse(line):
    """Read a line as the shell and the command would; what is unknown or too much raises."""
    _, *words = shlex.split(line, comments=True)
    found = GROUP
    while hasattr(found, "commands"):
        found = found.commands[words.pop(0)]
    found.make_context(found.name, words)


def test_commands_are_listed_in_groups_with_a_first_step():
    text = shown("-h")
    assert text == shown("--help")
    panels = ["Your files: look, estimate, fetch", "Train", "Models that are registered"]
    assert [text.index(panel) for panel in panels] == sorted(text.index(p) for p in panels)
    assert "Begin with: pix2z inspect FILE, then pix2z predict FILE --out z.parquet" in text


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"fetch"}))
def test_each_command_has_an_example_that_can_be_typed_and_fits(command):
    text = shown(*command.split(), "-h")
    (example,) = [line.strip() for line in text.splitlines() if "Example: " in line]
    assert example.startswith(f"Example: pix2z {command} ")
    assert max(map(len, text.splitlines())) <= 80
    for line in inspect.cleandoc(command_named(command).callback.__doc__).splitlines()[1:]:
        assert len(line) <= 76, "or its last word gets a line of its own"
    parse(example.removeprefix("Example: "))


def test_the_shell_can_complete_commands_and_names_of_models(tmp_path, monkeypatch):
    assert "--install-completion" in shown("-h")
    (tmp_path / "models/fuller").mkdir(parents=True)
    (tmp_path / "models/fuller/pool.json").touch()
    monkeypatch.chdir(tmp_path)
    environment = {
        "_PIX2Z_COMPLETE": "complete_bash",
        "COMP_WORDS": "pix2z predict a.h5 --model fu",
        "COMP_CWORD": "4",
    }
    done = CliRunner().invoke(app, [], prog_name="pix2z", env=environment)
    assert done.output.split() == ["fuller"]


def test_the_version_is_that_of_the_installed_package():
    assert shown("--version") == f"{version('pix2z')}\n"


def test_what_an_extra_is_called_is_not_taken_for_markup():
    for command in ("predict", "spectrum"):
        assert 'pip install "pix2z[survey]"' in shown(command, "-h")


@pytest.mark.parametrize("command", ["serve", "promote"])
def test_what_takes_registered_models_alone_offers_no_other(command):
    text = shown(command, "-h")
    assert "registered model" in text
    assert "student" not in text


def documented():
    """Every line with a command of pix2z in a block of README, of the documents or the notebook."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    texts = [page.read_text() for page in pages]
    texts += ["".join(cell["source"]) for cell in NOTEBOOK["cells"]]
    blocks = re.findall(r"^```(.*?)\n(.*?)^```", "\n".join(texts), flags=re.MULTILINE | re.DOTALL)
    whole = "".join(lines for language, lines in blocks if not language).replace("\\\n", " ")
    return re.findall(r"^(?:\$ )?(pix2z .*)", whole, flags=re.MULTILINE)


@pytest.mark.parametrize("line", documented())
def test_each_command_of_the_documents_can_be_typed(line):
    parse(line)
