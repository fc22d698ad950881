import pytest

from pix2z.tracking.promotion import listing
from pix2z.tracking.promotion.listing import listed_versions
from pix2z.tracking.promotion.production import promote


def by_uri(store):
    return {version["uri"]: version for version in listed_versions(store.client)}


def test_versions_have_the_metrics_of_their_runs_digests_and_aliases(store, propose_it):
    promote(store, propose_it("full"), reason="")
    found = by_uri(store)
    assert list(found) == [
        "models:/pix2z/1",
        "models:/pix2z-full/1",
        "models:/pix2z-published_full/1",
    ]
    arm, copy = found["models:/pix2z-full/1"], found["models:/pix2z/1"]
    run = store.client.get_run(arm["run_id"])
    assert arm["metrics"]["mae"] == run.data.metrics["test/mae"] == 0.1
    assert set(arm["metrics"]) == set(listing.SHOWN)
    assert copy["metrics"] == arm["metrics"]
    assert copy["digests"] == arm["digests"]
    assert arm["digests"]["test_digest"] == "test"
    assert {"pool_digest", "split_digest", "galaxies_digest"} <= arm["digests"].keys()
    assert (copy["aliases"], copy["source"]) == (["champion"], "pix2z-full/1")
    assert (arm["aliases"], arm["source"], arm["promoted_at"]) == ([], None, None)
    assert copy["promoted_at"].endswith("+00:00")
    assert arm["registered_at"].endswith("+00:00")


def test_a_version_whose_run_says_nothing_has_no_metrics(store):
    client = store.client
    client.create_registered_model("pix2z-other")
    client.create_model_version("pix2z-other", "somewhere")
    found = by_uri(store)["models:/pix2z-other/1"]
    assert set(found["metrics"].values()) == {None}
    assert (found["run_id"], found["digests"], found["git_commit"]) == (None, {}, None)


def test_a_deleted_run_still_says_its_metrics(store):
    version = store.client.get_model_version("pix2z-full", "1")
    store.client.delete_run(version.run_id)
    assert by_uri(store)["models:/pix2z-full/1"]["metrics"]["mae"] == 0.1


def test_runs_are_asked_for_in_pages(store, monkeypatch):
    before = listed_versions(store.client)
    monkeypatch.setattr(listing, "_PAGE", 1)
    assert listed_versions(store.client) == before


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_lists_them(store, propose_it, run, as_json):
    promote(store, propose_it("full"), reason="")
    code, out, err = run("models", *(["--json"] if as_json else []))
    assert (code, err) == (0, "")
    if as_json:
        assert '"uri": "models:/pix2z-full/1"' in out
        return
    heading, first, second, _ = out.splitlines()
    assert heading.split()[:4] == ["version", "alias", "CRPS", "MAE"]
    digest = store.client.get_model_version("pix2z-full", "1").tags["pool_digest"][:8]
    assert first.split()[:2] == ["pix2z/1", "champion"]
    assert first.split()[-1] == "pix2z-full/1"
    assert "0.10000" in second  # MAE
    assert digest in second
