import pytest

from pix2z.errors import InputError
from pix2z.tracking.promotion.versions import (
    LOCK,
    Version,
    find_version,
    newest,
    read_versions,
    with_alias,
)
from pix2z.tracking.register import register


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
        (
            "full/3",
            "no such version; expected one of pix2z-clipped/1, pix2z-field/1, pix2z-full/10",
        ),
        ("full/", "no such version"),
        ("full/two", "no such version"),
        ("models:/pix2z@challenger", "no such version"),
        ("models:/other@champion", "not registered"),
    ],
)
def test_an_unknown_one_names_what_there_is(spec, message):
    with pytest.raises(InputError, match=message) as caught:
        find_version(KNOWN, spec)
    assert "\n" not in str(caught.value)


def test_a_version_that_is_no_pool_is_refused():
    stranger = Version("pix2z-full", 1, "", 0.0, {})
    with pytest.raises(InputError, match="pix2z-full/1 has no tag pool_digest"):
        find_version([stranger], "full")


def test_newest_and_aliases():
    assert newest(KNOWN, "pix2z-full").number == 10
    assert newest(KNOWN, "pix2z-published_full") is None
    assert with_alias(KNOWN, "champion").label == "pix2z/2"
    assert with_alias(KNOWN, "champion", "pix2z-full") is None
    assert with_alias(KNOWN, "champion").source == "pix2z-full/2"
    assert newest(KNOWN, "pix2z-full").source == "pix2z-full/10"


def test_versions_are_read_with_their_aliases_whatever_else_is_registered(root, arms, client):
    register(root, arms)
    client.set_registered_model_alias("pix2z-full", "favourite", "1")
    for name in (LOCK, "pix2zoo", "other"):
        client.create_registered_model(name)
        client.create_model_version(name, str(root))
    found = read_versions(client)
    assert [v.label for v in found] == ["pix2z-full/1", "pix2z-published_full/1"]
    assert found[0].aliases == ("favourite",)
    assert found[0].test_digest == "test"
    assert found[0].created > 1e9


def test_every_page_is_read(root, arms, client, monkeypatch):
    monkeypatch.setattr("pix2z.tracking.promotion.versions._PAGE", 1)
    register(root, arms)
    assert len(read_versions(client)) == 2
