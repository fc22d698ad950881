"""The tests of promotion that change a store, on PostgreSQL."""

import subprocess
import sys
import time
from pathlib import Path

from pix2z.tracking.promotion.audit import read_events
from tests.tracking.promotion.test_audit import *  # noqa: F403
from tests.tracking.promotion.test_lock import *  # noqa: F403

from pix2z.tracking.promotion.production import promote
from pix2z.tracking.versions import CHAMPION, LOCK, read_versions, with_alias
from tests.tracking.promotion.test_production import *  # noqa: F403

# It alters artifacts, which are the same in every store.
del test_a_broken_previous_version_is_not_returned_to  # noqa: F821

SCRIPT = Path(__file__).parents[1] / "tracking/promotion/processes.py"


def test_a_stale_lock_is_taken_over_by_the_next_promotion(store, propose_it, server, aliases):
    store.client.create_registered_model(LOCK, {"by": "ann"})
    long_ago = int((time.time() - 16 * 60) * 1000)
    name = store.uri.rpartition("@/")[2].partition("?")[0]
    older = f"UPDATE registered_models SET creation_time = {long_ago}"
    server.run("psql", "-q", "-d", name, "-c", older)
    promote(store, propose_it("full"), reason="")
    assert aliases() == {"champion": 1}


def test_of_two_promotions_at_once_one_wins_and_the_other_says_so(store, tmp_path):
    models, go = ("full", "published_full"), tmp_path / "go"
    both = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), "race", store.uri, model, str(tmp_path / model), str(go)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for model in models
    ]
    while not all((tmp_path / model).exists() for model in models):
        assert all(process.poll() is None for process in both), both[0].communicate()
        time.sleep(0.05)
    go.touch()
    said = [process.communicate(timeout=300) for process in both]
    codes = [process.returncode for process in both]
    assert sorted(codes) == [0, 3], said
    champion = with_alias(read_versions(store.client), CHAMPION)
    assert champion.source == said[codes.index(0)][0].strip()
    assert len(read_events(store.client)) == 1
    assert not store.client.search_registered_models(f"name = '{LOCK}'")
