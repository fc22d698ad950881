"""Parts of a user's own galaxies; the fixture file has 50 rows in 40 groups, 10 of them moved."""

import numpy as np
import pytest

from pix2z.dataset.store import open_galaxies
from pix2z.errors import InputError
from pix2z.finetune.sample import user_split
from pix2z.partition import PARTS

FRACTIONS = {"train": 0.55, "validation": 0.12, "calibration": 0.13, "test": 0.20}
NONE = dict.fromkeys(PARTS, 1)


@pytest.fixture
def galaxies(raw, write_raw, run_ingest):
    raw["truth/moved"] = np.zeros_like(raw["truth/moved"])
    with open_galaxies(run_ingest(write_raw(raw))[0]) as opened:
        yield opened


def split_of(galaxies, *, seen=None, fewest=NONE, fractions=FRACTIONS):
    seen = np.zeros(len(galaxies), bool) if seen is None else seen
    return user_split(
        galaxies, seen=seen, seed=3, fractions=fractions, fewest_rows=fewest, path="mine.h5"
    )


def test_every_galaxy_is_in_one_part_and_every_group_too(galaxies):
    parts = split_of(galaxies).parts()
    np.testing.assert_array_equal(np.sort(np.concatenate([*parts.values()])), np.arange(50))
    group_id = galaxies.column("group_id")
    groups = [set(group_id[rows]) for rows in parts.values()]
    assert sum(len(found) for found in groups) == len(set.union(*groups)) == 40


def test_galaxies_that_the_base_has_seen_train_and_nothing_else(galaxies):
    seen = np.arange(50) % 2 == 0
    free, held = split_of(galaxies), split_of(galaxies, seen=seen)
    np.testing.assert_array_equal(held.train, free.train)
    for part in PARTS[1:]:
        rows = getattr(free, part)
        np.testing.assert_array_equal(getattr(held, part), rows[~seen[rows]])
    assert held.test_digest != free.test_digest


def test_a_part_that_is_too_small_is_one_line_with_the_numbers_needed(galaxies):
    n_test = len(split_of(galaxies).test)
    with pytest.raises(InputError) as caught:
        split_of(galaxies, fewest={"train": 1, "validation": 1, "calibration": 1, "test": 60})
    assert str(caught.value) == (
        f"mine.h5: too few galaxies to fine-tune: test {n_test} of at least 60; expected about 300 "
        "good ones or more; received 50, in 40 groups (one group_id, or one place on the sky), "
        "never cut in two"
    )


def test_chance_is_named_where_it_alone_leaves_too_few(galaxies):
    with pytest.raises(InputError) as caught:
        split_of(galaxies, fewest=NONE | {"validation": 4})
    assert str(caught.value) == (
        "mine.h5: too few galaxies to fine-tune: validation 3 of at least 4; expected more good "
        "ones: about 34 are enough on average, but chance put too few of these there; received 50, "
        "in 40 groups (one group_id, or one place on the sky), never cut in two"
    )


def test_seen_galaxies_and_groups_are_named_where_they_leave_too_few(galaxies):
    words = (
        "validation 0 .*, test 0 .*; expected about 9 .*; received 50, of which 50 may have trained"
        r" the base, .*, in 40 groups \(one group_id, or one place on the sky\), never cut in two"
    )
    with pytest.raises(InputError, match=words):
        split_of(galaxies, seen=np.ones(50, bool))


def test_moved_stamps_outside_the_training_part_are_refused(galaxies_path):
    with open_galaxies(galaxies_path) as galaxies:
        few = {"train": 0.1, "validation": 0.1, "calibration": 0.1, "test": 0.7}
        with pytest.raises(InputError, match="moved stamps fall into"):
            split_of(galaxies, fractions=few)
