from dataclasses import replace

import pytest

from pix2z.tracking.records import RunRecord, as_params, content_digest, numbers


def test_settings_become_flat_text():
    nested = {"grid": {"n_bins": 180}, "widths": [1, 2], "name": "hybrid", "on": True}
    assert as_params(nested) == {
        "grid.n_bins": "180",
        "widths": "[1, 2]",
        "name": "hybrid",
        "on": "true",
    }


def test_only_numbers_become_metrics():
    mixed = {"mae": {"value": 0.1, "low": None}, "r2": None, "n": 3, "on": True, "words": "no"}
    assert numbers(mixed) == {"mae": 0.1, "n": 3.0}


@pytest.fixture
def record(tmp_path):
    figure = tmp_path / "figure.png"
    figure.write_bytes(b"one")
    metrics = {"mae": 0.1}
    return RunRecord(
        key="k",
        name="a run",
        description="",
        started=0.0,
        seconds=1.0,
        metrics=metrics,
        artifacts={figure: "figures"},
    )


@pytest.mark.parametrize("change", [{"metrics": {"mae": 0.2}}, {"name": "b"}, {"tags": {"a": "b"}}])
def test_the_content_digest_follows_what_may_change(record, change):
    assert content_digest(replace(record, **change)) != content_digest(record)


def test_the_content_digest_follows_the_content_of_artifacts(record):
    before = content_digest(record)
    (figure,) = record.artifacts
    figure.write_bytes(b"one")
    assert content_digest(record) == before
    figure.write_bytes(b"two")
    assert content_digest(record) != before


def test_the_content_digest_does_not_follow_the_clock(record):
    assert content_digest(replace(record, started=5.0, seconds=9.0)) == content_digest(record)
