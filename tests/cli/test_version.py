from importlib.metadata import version

from typer.testing import CliRunner

from pix2z.cli import app


def test_the_version_is_that_of_the_installed_package():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"{version('pix2z')}\n")
