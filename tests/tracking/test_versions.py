"""Versions of the registry: what they are called, and what is listed of them."""

import pytest

from pix2z.errors import InputError
from pix2z.tracking import versions as versions_module
from pix2z.tracking.versions import SHOWN, Version, find_version, listed_versions, read_versions


def version(name, number, *aliases, **tags):
    return Version(name, number, "run", 0.0, {"pool_digest": f"{name}{number}", **tags}, aliases)


KNOWN = [
    version("pix2z", 2, "champion", source="pix2z-full/2"),
    version("pix2z", 1, "previous"),
    version("pix2z-clipped", 1),
    version("pix2z-field", 1),
    version("pix2z-full", 10),
    version("pix2z-full", 2),
]


@pytest.mark.parametrize(
    ("spec", "label"),
    [
        ("full", "pix2z-full/10"),
        ("pix2z-full", "pix2z-full/10"),
        ("finetuned/field", "pix2z-field/1"),
        ("pix2z-full/2", "pix2z-full/2"),
        ("full/2", "pix2z-full/2"),
        ("models:/pix2z-full/2", "pix2z-full/2"),
        ("models:/pix2z-full/latest", "pix2z-full/10"),
        ("models:/pix2z@previous", "pix2z/1"),
        ("pix2z@champion", "pix2z/2"),
        ("pix2z/2", "pix2z/2"),
    ],
)
def test_a_version_is_found_as_people_name_it(spec, label):
    assert find_version(KNOWN, spec).label == label


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("fulll", "not registered; expected one of clipped, field, full, or a version as pix2z-"),
        ("", "not registered"),
        ("full/3", "no such version; expected one of pix2z-clipped/1, pix2z-field/1, pix2z-full/1"),
        ("full/", "no such version"),
        ("full/two", "no such version"),
        ("models:/pix2z@challenger", "no such version; .*pix2z@champion, pix2z@previous"),
        ("models:/other@champion", "not registered"),
    ],
)
def test_an_unknown_one_names_what_there_is(spec, message):
    with pytest.raises(InputError, match=message) as caught:
        find_version(KNOWN, spec)
    assert "\n" not in str(caught.value)


def test_without_a_champion_the_command_that_makes_one_is_named():
    with pytest.raises(InputError, match="no champion yet; `pix2z promote` makes one"):
        find_version(KNOWN[2:], "models:/pix2z@champion")


@pytest.mark.parametrize("page", [1000, 1])
def test_versions_are_read_with_their_aliases_whatever_else_is_registered(
    both, client, monkeypatch, page
):
    """Page by page."""
    monkeypatch.setattr(versions_module, "_PAGE", page)
    for name in ("pix2z-of-a-stranger", "other"):
        client.create_registered_model(name)
        client.create_model_version(name, str(both))
    versions = read_versions(client)
    assert [v.label for v in versions] == ["pix2z-full/1", "pix2z-published_full/1"]
    assert versions[0].aliases == ("champion",)
    assert versions[0].test_digest == "test"
    assert versions[0].created > 1e9


@pytest.mark.parametrize("at_once", [100, 1])
def test_versions_are_listed_with_the_metrics_of_their_runs(both, client, monkeypatch, at_once):
    """Also those of a run that was deleted; a version whose run says nothing has none."""
    monkeypatch.setattr(versions_module, "_RUNS_AT_ONCE", at_once)
    client.delete_run(client.get_model_version("pix2z-full", "1").run_id)
    client.create_registered_model("pix2z-other")
    client.create_model_version("pix2z-other", "somewhere", tags={"pool_digest": "other"})
    listed = {of_one["uri"]: of_one for of_one in listed_versions(client)}
    full, other = listed["models:/pix2z-full/1"], listed["models:/pix2z-other/1"]
    run = client.get_run(full["run_id"])
    assert full["metrics"]["mae"] == run.data.metrics["test/mae"] == 0.1
    assert set(full["metrics"]) == set(SHOWN)
    assert full["digests"]["test_digest"] == "test"
    assert {"pool_digest", "split_digest", "galaxies_digest"} <= full["digests"].keys()
    assert (full["aliases"], full["source"], full["promoted_at"]) == (["champion"], None, None)
    assert full["registered_at"].endswith("+00:00")
    assert set(other["metrics"].values()) == {None}
    assert (other["run_id"], other["digests"], other["git_commit"]) == (
        None,
        {"pool_digest": "other"},
        None,
    )
