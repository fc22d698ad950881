from dataclasses import replace

import pytest

from pix2z.tracking.records import TUNING, RunRecord, as_params, content_digest, numbers


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


@pytest.mark.parametrize(
    "change", [{"metrics": {"mae": 0.2}}, {"name": "b"}, {"tags": {"a": "b"}}, "figure"]
)
def test_the_content_digest_follows_what_may_change_but_not_the_clock(tmp_path, change):
    figure = tmp_path / "figure.png"
    figure.write_bytes(b"one")
    artifacts = {figure: "figures"}
    record = RunRecord("key", TUNING, "a run", "", 0.0, metrics={"mae": 0.1}, artifacts=artifacts)
    before = content_digest(record)
    assert content_digest(replace(record, started=5.0, seconds=9.0)) == before
    if change == "figure":
        figure.write_bytes(b"two")
    else:
        record = replace(record, **change)
    assert content_digest(record) != before
