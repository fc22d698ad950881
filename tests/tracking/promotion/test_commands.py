"""`pix2z promote`, `rollback`, `history` and `models`, on trained networks."""

import json
import shutil
import sys

import pytest

from pix2z.evaluation.metric_names import format_value
from pix2z.tracking.promotion.trail import FILE, read_trail
from pix2z.tracking.store import open_store
from pix2z.tracking.versions import CHAMPION, read_versions, with_alias
from tests.tracking.conftest import git
from tests.tracking.promotion.conftest import lines, set_promotion

KEEP = 'git add promotions.json && git commit -m "Promotion"\n'


def champion():
    version = with_alias(read_versions(open_store().client), CHAMPION)
    return version and version.source


def test_the_better_arm_is_promoted_and_the_command_says_why(world, run, dump):
    code, out, err = run("promote")
    assert (code, err) == (0, "")
    assert "full has the lowest CRPS on 200 validation and calibration galaxies." in out
    assert "beyond chance" in lines(out)["clipped"]
    assert "those of galaxies alone; other trainings may differ by more." in out
    assert "\npix2z-full/1:\n" in out
    assert "answers as predicted, whole and in order" in lines(out)["Served model"]
    assert "Promoted: pix2z-full/1 is now the champion, as pix2z/1." in out
    assert f"after: export MLFLOW_TRACKING_URI=sqlite:///{world}/mlflow.db\n" in out
    assert champion() == "pix2z-full/1"
    (event,) = read_trail(open_store().client, world)
    assert event.reason == "lowest CRPS of 2 arms"

    before = dump()
    code, out, err = run("promote")
    assert (code, err) == (0, "")
    assert out.rstrip().endswith("pix2z-full/1 is the champion already (pix2z/1).")
    assert dump() == before
    (world / FILE).unlink()
    assert run("promote", "full", "--dry-run")[0] == 0
    assert not (world / FILE).exists()
    code, out, err = run("promote", "full")
    assert (code, out, err) == (0, "pix2z-full/1 is the champion already (pix2z/1).\n", "")
    assert dump() == before  # the file is there again


@pytest.mark.usefixtures("unserved")
def test_a_dry_run_changes_nothing(world, run, dump):
    before = dump()
    code, out, err = run("promote", "clipped", "--dry-run")
    assert (code, err) == (0, "")
    assert out.rstrip().endswith("pix2z-clipped/1 would be promoted. This is a dry run.")
    set_promotion(world, limits={"crps": 0.001})
    assert run("promote", "clipped", "--dry-run")[0] == 3
    assert dump() == before


@pytest.mark.usefixtures("unserved")
def test_a_significant_loss_is_refused_in_one_line_and_changes_nothing(world, run, dump):
    assert run("promote", "full", "--reason", "the first")[0] == 0
    before = dump()
    for flags in ((), ("--new-test-set",)):  # no way round a comparison that can be made
        code, out, err = run("promote", "clipped", *flags)
        assert code == 3
        assert err.count("\n") == 1
        assert err.startswith("error: pix2z-clipped/1 is refused: CRPS minus the champion's: 0.")
        assert "FAILED" in lines(out)["CRPS minus the champion's"]
        assert "pix2z-clipped/1 against the champion pix2z/1 (pix2z-full/1):" in out
    assert dump() == before


@pytest.mark.usefixtures("unserved")
def test_what_is_not_significantly_worse_is_promoted_and_can_be_rolled_back(
    world, run, monkeypatch
):
    """The better one follows the worse one."""
    git(world, "init")
    monkeypatch.chdir(world)
    assert run("promote", "clipped")[0] == 0
    code, out, _ = run("promote", "full", "--reason", "[bold]better[/bold] \x1b[31mcalibrated")
    assert code == 0
    assert "Promoted: pix2z-full/1 is now the champion, as pix2z/2; pix2z/1 is now the prev" in out
    code, out, err = run("rollback", "--reason", "it drifts")
    assert (code, err) == (0, "")
    assert out == (
        "Rolled back: pix2z/1 (pix2z-clipped/1) is the champion again; pix2z/2 is now the previous "
        f"one.\nKeep it:  {KEEP}"
    )
    code, out, _ = run("history")
    assert code == 0
    _, first, second, third = out.splitlines()
    assert "promote" in first
    assert "replaced" in first
    assert "[bold]better[/bold] [31mcalibrated" in second  # as it was written, without escapes
    assert "rollback" in third
    assert "champion" in third
    events = json.loads(run("history", "--json")[1])
    assert [event["outcome"] for event in events] == ["replaced", "replaced", "champion"]
    assert events[2]["metrics"]["crps"] == events[0]["metrics"]["crps"] > 0
    listed = json.loads(run("models", "--json")[1])
    assert {v["uri"]: v["aliases"] for v in listed} == {
        "models:/pix2z/2": ["previous"],
        "models:/pix2z/1": ["champion"],
        "models:/pix2z-clipped/1": [],
        "models:/pix2z-full/1": [],
    }
    crps = [format_value("crps", version["metrics"]["crps"]) for version in listed]
    names = [f"{version['model']}/{version['version']}" for version in listed]
    told = [event[name] for event in events for name in ("to_version", "action")]
    told += events[2]["reason"].split()
    monkeypatch.setenv("TERM", "dumb")  # which has 80 columns
    for command, cells in {"models": [*names, *crps], "history": told}.items():
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        code, out, _ = run(command)
        assert code == 0
        assert max(map(len, out.splitlines())) <= 80
        assert [cell for cell in cells if cell not in out.split()] == []
        assert "Left out for want of width: " in out


@pytest.mark.usefixtures("unserved")
def test_git_is_named_only_where_it_would_take_the_trail(world, run):
    """In a workspace, a folder that git ignores, `git add` would fail."""
    assert "Keep it" not in run("promote", "clipped")[1]
    git(world, "init")
    assert run("promote", "full")[1].endswith(f"\nKeep it:  cd {world} && {KEEP}")
    (world / ".gitignore").write_text(FILE)
    assert "Keep it" not in run("rollback")[1]


@pytest.mark.usefixtures("unserved")
def test_history_says_who_was_champion_then(world, run):
    run("promote", "full", "--reason", "the first")
    assert run("history", "--at", "2020-02-29") == (
        0, "There was no champion at 2020-02-29 23:59 UTC.\n", "",
    )  # fmt: skip
    code, out, _ = run("history", "--at", "2999-01-01T10:00")
    assert code == 0
    assert out.startswith("pix2z/1 was champion at 2999-01-01 10:00 UTC, a copy of pix2z-full/1, p")
    assert out.endswith(": the first).\n")
    _, out, _ = run("history", "--at", "2999-01-01T01:00+02:00")
    assert out.startswith("pix2z/1 was champion at 2998-12-31 23:00 UTC, ")
    assert json.loads(run("history", "--at", "2999-01-01", "--json")[1])["to_version"] == "pix2z/1"
    assert run("history", "--at", "2020-02-29", "--json")[1] == "null\n"
    for text in ("yesterday", "0001-01-01T00:00+02:00"):
        code, _, err = run("history", "--at", text)
        assert code == 2
        assert err.startswith("error: --at: expected a date as 2026-11-27")


@pytest.mark.usefixtures("unserved")
def test_a_limit_that_is_exceeded_is_named(world, run, dump):
    set_promotion(world, limits={"crps": 0.001})
    before = dump()
    code, _, err = run("promote")
    assert code == 3
    assert err.startswith("error: pix2z-full/1 is refused: CRPS: ")
    assert err.count("\n") == 1
    assert dump() == before


@pytest.mark.parametrize(
    ("name", "arguments"), [("data/galaxies.h5", ()), ("data/splits/full.h5", ("full",))]
)
def test_missing_galaxies_are_one_line_and_exit_code_2(world, run, name, arguments):
    (world / name).unlink()
    code, out, err = run("promote", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {world / name}: no such file")
    assert "`dvc repro`" in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("unserved")
def test_nothing_registered_and_unknown_models_are_one_line(world, run, empty_database):
    code, _, err = run("promote", "fulll")
    assert code == 2
    assert err.startswith("error: model 'fulll': not registered; expected one of clipped, full")
    shutil.copy(empty_database, world / "mlflow.db")
    for command in ("promote", "models"):
        assert run(command)[::2] == (
            2,
            "error: no models are registered yet; run `dvc repro`\n",
        )
    (world / "mlflow.db").unlink()
    for command in ("promote", "models", "history", "rollback"):
        code, out, err = run(command)
        assert (code, out) == (2, "")
        assert err.startswith(f"error: {world}/mlflow.db: no such store of MLflow; run `dvc repro`")
        assert err.count("\n") == 1
    assert not (world / "mlflow.db").exists()


def test_models_are_listed(made, world, run):
    code, out, err = run("models")
    assert (code, err) == (0, "")
    heading, _, second = out.splitlines()
    assert heading.split()[:4] == ["version", "alias", "CRPS", "MAE"]
    digest = json.loads((made / "models/full/pool.json").read_text())["digest"]
    assert second.split()[0] == "pix2z-full/1"
    assert digest[:8] in second
