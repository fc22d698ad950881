"""Promotions and rollbacks killed after each kind of write, and two at once: real processes."""

import os
import runpy
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pix2z.errors import RefusedError
from pix2z.tracking.promotion.audit import outcomes, read_events
from pix2z.tracking.promotion.production import promote, rollback
from pix2z.tracking.promotion.versions import CHAMPION, LOCK, PREVIOUS, read_versions, with_alias

SCRIPT = Path(__file__).with_name("processes.py")
HERE = SimpleNamespace(**runpy.run_path(str(SCRIPT)))

MOST_KINDS = 10


def command(*arguments) -> list[str]:
    return [sys.executable, str(SCRIPT), *map(str, arguments)]


def environment(folder: Path) -> dict[str, str]:
    known = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    return known | {"DVC_ROOT": str(folder)}


def killed(folder: Path, prepared: Path, action: str) -> list[Path]:
    """Databases of which the n-th was left by a process killed after its n-th kind of write."""
    databases = [folder / f"{n}.db" for n in range(1, MOST_KINDS + 1)]
    for database in databases:
        shutil.copy(prepared, database)
    done = subprocess.run(
        command("kill", action, *databases),
        env=environment(folder),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return databases[: int(done.stdout)]


@pytest.fixture(scope="module")
def prepared(registered, tmp_path_factory):
    """Databases by the number of promotions made in them: of full, then of published_full."""
    folder = tmp_path_factory.mktemp("prepared")
    found = {0: registered / "mlflow.db"}
    for n, model in ((1, "full"), (2, "published_full")):
        found[n] = folder / f"{n}.db"
        shutil.copy(found[n - 1], found[n])
        store = HERE.opened(found[n])
        promote(store, HERE.proposed(store, model), reason="")
    return found


def served(store) -> str | None:
    """The version of an arm that is the champion."""
    champion = with_alias(read_versions(store.client), CHAMPION)
    return champion and champion.source


def aliases(store):
    versions = read_versions(store.client)
    return tuple(with_alias(versions, alias).source for alias in (CHAMPION, PREVIOUS))


FULL, SEED = "pix2z-full/1", "pix2z-published_full/1"


@pytest.mark.parametrize(
    ("made", "action", "before", "after"),
    [(0, "full", None, FULL), (1, "published_full", FULL, SEED), (2, "rollback", SEED, FULL)],
)
def test_after_a_kill_the_champion_stands_and_the_next_one_works(
    prepared, tmp_path, made, action, before, after
):
    stores = [HERE.opened(database) for database in killed(tmp_path, prepared[made], action)]
    champions = [served(store) for store in stores]
    # The last write but one moves the champion, the last one removes the lock.
    assert len(stores) == {"full": 6, "published_full": 7, "rollback": 5}[action]
    assert champions == [before] * (len(stores) - 2) + [after] * 2
    for store, champion in zip(stores, champions, strict=True):
        goes_on(store, action, done=champion == after)


def goes_on(store, action, *, done):
    """Whatever a kill left, the same action completes, and the trail tells which one counted."""
    if not done:
        assert store.client.get_registered_model(LOCK)
        with pytest.raises(RefusedError, match="another promotion is under way"):
            HERE.act(store, action)
        if action == "rollback":
            rollback(store, reason="again", break_lock=True)
        else:
            promote(store, HERE.proposed(store, action), reason="again", break_lock=True)
    champion = with_alias(read_versions(store.client), CHAMPION)
    assert champion.source == (FULL if action in ("full", "rollback") else SEED)
    if action != "full":
        assert aliases(store) == ((FULL, SEED) if action == "rollback" else (SEED, FULL))
    copies = [v.source for v in read_versions(store.client) if v.name == "pix2z"]
    assert len(copies) == len(set(copies))  # no pool was copied twice
    events = read_events(store.client)
    became = outcomes(events, champion.label)
    assert became[-1] == "champion"
    counted = [e for e, outcome in zip(events, became, strict=True) if outcome != "no effect"]
    assert len(counted) == {"full": 1, "published_full": 2, "rollback": 3}[action]


def test_of_two_promotions_at_once_one_wins_and_the_other_says_so(prepared, tmp_path):
    database, go = tmp_path / "mlflow.db", tmp_path / "go"
    shutil.copy(prepared[0], database)
    both = [
        subprocess.Popen(
            command("race", database, model, tmp_path / model, go),
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for model in ("full", "published_full")
    ]
    while not all((tmp_path / model).exists() for model in ("full", "published_full")):
        assert all(process.poll() is None for process in both), both[0].communicate()
        time.sleep(0.05)
    go.touch()
    said = [process.communicate(timeout=300) for process in both]
    codes = [process.returncode for process in both]
    assert sorted(codes) == [0, 3], said
    winner, loser = codes.index(0), codes.index(3)
    store = HERE.opened(database)
    assert served(store) == said[winner][0].strip()
    assert "another promotion" in said[loser][1] or "somebody else was first" in said[loser][1]
    assert len(read_events(store.client)) == 1
    assert not store.client.search_registered_models(f"name = '{LOCK}'")
