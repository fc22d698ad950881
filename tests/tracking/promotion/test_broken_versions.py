"""Versions whose artifacts are gone or altered are refused, by the line of the served model."""

import shutil
from pathlib import Path

import pytest


def lines(text):
    """Lines of a table by their first cell."""
    return {line.split("  ")[0]: line for line in text.splitlines() if line.strip()}


def gone(model: Path, _: Path) -> None:
    shutil.rmtree(model)


def altered_weights(model: Path, _: Path) -> None:
    weights = model / "artifacts/pool/seed-1/weights.weights.h5"
    content = bytearray(weights.read_bytes())
    content[-100] ^= 1
    weights.write_bytes(content)


def altered_json(model: Path, _: Path) -> None:
    path = model / "artifacts/pool/pool.json"
    path.write_text(path.read_text().replace("1.0", "1.5"))


def another_pool(model: Path, made: Path) -> None:
    """A whole pool, which loads: only the tag tells that it is not what was registered."""
    shutil.rmtree(model / "artifacts/pool")
    shutil.copytree(made / "models/clipped", model / "artifacts/pool")


def linked_pool(model: Path, made: Path) -> None:
    """The same, behind a link that leads out of the model, which MLflow does not follow."""
    shutil.rmtree(model / "artifacts/pool")
    (model / "artifacts/pool").symlink_to(made / "models/clipped")


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (gone, "its artifacts are gone"),
        (altered_weights, "weights do not match the digest"),
        (altered_json, "content does not match its digest"),
        (another_pool, "its tag pool_digest says"),
        (linked_pool, "resolved path is outside the artifact directory"),
    ],
)
@pytest.mark.usefixtures("unserved")
def test_a_version_whose_artifacts_are_not_its_own_is_refused(
    world, made, run, dump, own_model, alter, words
):
    alter(own_model, made)
    before = dump()
    code, out, err = run("promote", "full")
    assert code == 3
    assert err.startswith("error: pix2z-full/1 is refused: Served model: ")
    assert words in err
    assert err.count("\n") == 1
    assert "not measured" in lines(out)["CRPS"]
    assert dump() == before
    code, out, err = run("promote", "--dry-run")  # the best arm that there is
    assert "Not compared: " in out
    assert words in out
    assert "clipped has the lowest CRPS" in out


def test_a_version_whose_own_code_does_not_run_is_refused(world, run, dump, own_model):
    """The networks are whole, and only loading it as it is served shows that it cannot be."""
    code_of_version = own_model / "code/pix2z/network/estimator.py"
    code_of_version.write_text("raise RuntimeError('written for another numpy')\n")
    before = dump()
    code, out, err = run("promote", "full")
    assert code == 3
    assert err.startswith("error: pix2z-full/1 is refused: Served model: does not load or answer: ")
    assert "written for another numpy" in err
    assert err.count("\n") == 1
    assert "passed" in lines(out)["CRPS"]
    assert dump() == before


def test_a_version_whose_own_code_answers_otherwise_is_refused(world, run, own_model):
    redshifts = own_model / "code/pix2z/network/redshifts.py"
    redshifts.write_text(redshifts.read_text().replace("0.16, 0.84", "0.15, 0.85"))
    code, _, err = run("promote", "full")
    assert code == 3
    assert "Served model: z_err68_low differs from the estimator's by up to" in err
