"""How lineage is shown; tests/tracking/test_version_lineage.py has what it says."""

from pix2z.cli.lineage import _back_text, _forward_text
from pix2z.tracking.digest_lineage import DigestLineage, MadeRun, Match
from pix2z.tracking.version_lineage import RunSummary, VersionLineage

RUN = RunSummary(
    run_id="abc",
    name="full, seed 1",
    experiment="pix2z-train",
    status="FINISHED",
    started=0.0,
    params={"settings.dropout": "0.2"},
    curves={"curves/val_loss": 20},
    artifacts=("history.json",),
)
KNOWN = VersionLineage(
    version="pix2z-full/2",
    aliases=("champion",),
    copy_of="pix2z-full/1",
    registered=0.0,
    arm="full",
    architecture="hybrid",
    selection="full",
    pool_digest="1234",
    base_pool_digest="5678",
    weights={"seed-1": "9abc"},
    test_digest="def0",
    data={"data/galaxies.h5": ("md5:1", "sha256:2")},
    raw={"name": "raw.h5", "source": "made-up galaxies"},
    commit="c0ffee",
    dirty=True,
    preset="quick",
    stage="train@full",
    lock_digest="10cc",
    stages={"train@full": {"params": {"params.yaml": {"hybrid": {"dropout": 0.1}}}}},
    runs={"training": (RUN,)},
)


def test_a_version_is_shown_with_all_that_is_known_of_it():
    said = "\n".join(_back_text(KNOWN))
    for words in (
        "pix2z-full/2 (champion), registered 1970-01-01 00:00 UTC",
        "a copy of pix2z-full/1",
        "went on from the pool 5678",
        "data/galaxies.h5  md5:1 sha256:2",
        "raw.h5 is made-up galaxies",
        "commit c0ffee, and changes that were not committed",
        "in a workspace of the preset quick",
        "dvc.lock train@full  10cc",
        'hybrid: {"dropout": 0.1}',
        "settings.dropout = 0.2",
        "seed-1  sha256:9abc",
        "training  abc  full, seed 1  FINISHED",
        "curves: curves/val_loss (20 points)",
        "artifacts: history.json",
    ):
        assert words in said, words


def test_what_was_not_recorded_is_said_to_be():
    empty = {"commit": None, "dirty": None, "stage": None, "lock_digest": None, "test_digest": None}
    bare = VersionLineage(**{**vars(KNOWN), **empty, "stages": {}, "runs": {}})
    said = "\n".join(_back_text(bare))
    for words in ("commit not recorded", "dvc.lock not recorded", "test galaxies  not recorded"):
        assert words in said


def test_versions_and_runs_of_a_digest_are_listed():
    matches = (Match("data/galaxies.h5", ("md5:1",)), Match("weights", ("sha256:1",)))
    runs = (MadeRun("abc", "full, pool", "pix2z-train"),)
    said = "\n".join(_forward_text(DigestLineage("12345678", matches, ("pix2z-full/1",), runs)))
    assert "data/galaxies.h5: md5:1" in said
    assert "12345678 fits each of these 2; more digits choose one" in said
    assert "  pix2z-full/1" in said
    assert "pix2z-train  abc  full, pool" in said
    assert "  none" in list(_forward_text(DigestLineage("1", matches[:1], (), runs)))
