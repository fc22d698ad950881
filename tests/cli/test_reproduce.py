"""How a recipe is shown; tests/tracking/test_reproduction.py runs what is printed."""

from pix2z.cli.reproduce import _show
from pix2z.tracking.reproduction import Recipe


def test_everything_but_the_commands_is_a_comment(capsys):
    recipe = Recipe("pix2z-full/2", ("it was clean",), ("cd there", "dvc repro"), {"a.h5": "md5:1"})
    _show(recipe)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == list(recipe.commands)
    assert lines[:2] == ["# pix2z-full/2", "# it was clean"]
    assert lines[-1] == "#   a.h5  md5:1"
