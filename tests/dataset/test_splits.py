from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pix2z.dataset.splits import (
    SELECTIONS,
    check_split,
    drawn_for,
    ids_digest,
    make_splits,
    read_split,
    split_report,
    write_split,
)
from pix2z.errors import InputError
from pix2z.partition import partition

FRACTIONS = {"train": 0.55, "validation": 0.12, "calibration": 0.13, "test": 0.20}


def sample(n_parents=600, n_moved=300, seed=1):
    """Columns of a sample whose moved stamps are of training parents only."""
    rng = np.random.default_rng(seed)
    training = np.flatnonzero(partition(np.arange(n_parents), seed=seed, fractions=FRACTIONS) == 0)
    group_id = np.concatenate([np.arange(n_parents), rng.choice(training, n_moved)])
    shuffled = rng.permutation(len(group_id))
    return {
        "group_id": group_id[shuffled],
        "object_id": 10 * shuffled,
        "z_spec": np.abs(rng.normal(0.11, 0.06, len(group_id))).astype(np.float32),
        "moved": (shuffled >= n_parents).astype(np.uint8),
    }


def split_all(columns, seed=1, clip_sigma=2.0):
    return make_splits(**columns, seed=seed, fractions=FRACTIONS, clip_sigma=clip_sigma)


def check(split, columns, test_rows):
    check_split(
        split,
        group_id=columns["group_id"],
        object_id=columns["object_id"],
        moved=columns["moved"],
        test_rows=test_rows,
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), clip_sigma=st.floats(0.5, 4.0))
def test_every_split_of_every_seed_is_valid(seed, clip_sigma):
    columns = sample(seed=seed)
    splits = split_all(columns, seed=seed, clip_sigma=clip_sigma)
    assert tuple(splits) == SELECTIONS
    assert len({split.test_digest for split in splits.values()}) == 1
    for split in splits.values():
        check(split, columns, splits["full"].test)
        groups = [set(columns["group_id"][rows]) for rows in split.parts().values()]
        assert sum(map(len, groups)) == len(set().union(*groups))
        assert not columns["moved"][np.concatenate([*split.parts().values()][1:])].any()


def test_window_is_that_of_the_unmoved_training_rows():
    columns = sample()
    full = split_all(columns)["full"]
    used = [row for row in full.train if not columns["moved"][row]]
    z_spec = columns["z_spec"][used].astype(float)
    expected = (z_spec.mean() - 2 * z_spec.std(), z_spec.mean() + 2 * z_spec.std())
    assert full.clip_window == pytest.approx(expected, rel=1e-6)

    columns["z_spec"][columns["moved"] == 1] += 1.0
    columns["z_spec"][full.test] += 1.0
    assert split_all(columns)["full"].clip_window == full.clip_window


def test_clipping_drops_what_is_outside_from_all_parts_but_the_test_set():
    columns = sample()
    splits = split_all(columns, clip_sigma=1.0)
    full, clipped = splits["full"], splits["clipped"]
    low, high = full.clip_window
    for part in ("train", "validation", "calibration"):
        rows = full.parts()[part]
        inside = [row for row in rows if low <= columns["z_spec"][row] <= high]
        assert 0 < len(inside) < len(rows)
        np.testing.assert_array_equal(clipped.parts()[part], inside)
    np.testing.assert_array_equal(clipped.test, full.test)
    z_test = columns["z_spec"][clipped.test]
    assert ((z_test < low) | (z_test > high)).any()


def test_equal_n_holds_whole_groups_and_as_many_rows_as_clipped():
    columns = sample()
    splits = split_all(columns, clip_sigma=1.0)
    full, clipped, equal_n = (splits[name] for name in SELECTIONS)
    for part in ("train", "validation", "calibration"):
        rows, whole = equal_n.parts()[part], full.parts()[part]
        groups = columns["group_id"]
        np.testing.assert_array_equal(rows, whole[np.isin(groups[whole], groups[rows])])
        largest_group = np.bincount(groups[whole]).max()
        assert abs(len(rows) - len(clipped.parts()[part])) <= largest_group
    outside = (columns["z_spec"] < full.clip_window[0]) | (columns["z_spec"] > full.clip_window[1])
    assert outside[equal_n.train].mean() == pytest.approx(outside[full.train].mean(), abs=0.05)


def test_every_training_of_equal_n_draws_whole_groups_of_its_own(tmp_path):
    columns = sample()
    splits = split_all(columns, clip_sigma=1.0)
    write_split(tmp_path / "equal_n.h5", splits["equal_n"], seed=1, n_galaxies=900)
    equal_n, groups = read_split(tmp_path / "equal_n.h5"), columns["group_id"]
    first, other, again = (drawn_for(equal_n, groups, training_seed=seed) for seed in (1, 2, 1))
    np.testing.assert_array_equal(first.train, again.train)
    assert len(np.intersect1d(first.train, other.train)) < len(first.train)
    whole = splits["full"].train
    for drawn in (first, other):
        check(drawn, columns, splits["full"].test)
        np.testing.assert_array_equal(
            drawn.train, whole[np.isin(groups[whole], groups[drawn.train])]
        )
        assert abs(len(drawn.train) - len(equal_n.train)) <= np.bincount(groups[whole]).max()
        np.testing.assert_array_equal(drawn.validation, equal_n.validation)
    # the seed of the split is in the draw as well
    others = replace(equal_n, draws=replace(equal_n.draws, seed=2))
    drawn_of_others = drawn_for(others, groups, training_seed=1)
    assert len(np.intersect1d(first.train, drawn_of_others.train)) < len(first.train)
    with pytest.raises(InputError, match="no drawn_from: `dvc repro split` writes it anew"):
        drawn_for(replace(equal_n, draws=None), groups, training_seed=1)
    for selection in ("full", "clipped"):
        assert drawn_for(splits[selection], groups, training_seed=2) is splits[selection]


def test_stamps_rendered_for_another_split_seed_are_caught():
    with pytest.raises(InputError, match="another split seed"):
        split_all(sample(seed=1), seed=2)


def test_too_small_a_sample_is_caught():
    columns = {key: values[:2] for key, values in sample(n_moved=0).items()}
    with pytest.raises(InputError, match=r"part is empty; 2 rows are too few"):
        split_all(columns)


def with_a_shared_group(columns, splits):
    """One row of a training group lies in another part."""
    full = splits["full"]
    row = np.flatnonzero(columns["moved"])[0]
    columns["moved"][:] = 0  # so that only the shared group can be found
    train = np.setdiff1d(full.train, [row])
    return replace(full, train=train, validation=np.union1d(full.validation, [row]))


def with_a_moved_test_stamp(columns, splits):
    columns["moved"][splits["full"].test[3]] = 1
    return splits["full"]


def with_a_clipped_test_set(columns, splits):
    clipped, z_spec = splits["clipped"], columns["z_spec"][splits["clipped"].test]
    low, high = clipped.clip_window
    test = clipped.test[(z_spec >= low) & (z_spec <= high)]
    return replace(clipped, test=test, test_digest=ids_digest(columns["object_id"][test]))


def with_a_test_group_to_draw_from(columns, splits):
    draws = splits["equal_n"].draws
    rows = np.union1d(draws.rows, splits["full"].test[:1])
    return replace(splits["equal_n"], draws=replace(draws, rows=rows))


FAULTS = {
    "is in train and in test": with_a_test_group_to_draw_from,
    "is in train and in validation": with_a_shared_group,
    "moved stamps fall into test": with_a_moved_test_stamp,
    "never clipped": with_a_clipped_test_set,
    "test_digest is not": lambda _, splits: replace(splits["full"], test_digest="0" * 64),
    "rows of train are not sorted": lambda _, splits: replace(
        splits["full"], train=splits["full"].train[::-1]
    ),
    "expected train rows from 0 to 899": lambda _, splits: replace(
        splits["full"], train=np.append(splits["full"].train, 900)
    ),
}


@pytest.mark.parametrize("message", FAULTS)
def test_a_planted_fault_is_caught(message):
    columns = sample()
    splits = split_all(columns)
    faulty = FAULTS[message](columns, splits)
    with pytest.raises(InputError, match=message):
        check(faulty, columns, splits["full"].test)


def test_written_split_reads_back_with_the_same_bytes(tmp_path):
    split = split_all(sample())["clipped"]
    for name in ("a.h5", "b.h5"):
        write_split(tmp_path / name, split, seed=1, n_galaxies=900)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    found = read_split(tmp_path / "a.h5")
    for part, rows in split.parts().items():
        np.testing.assert_array_equal(found.parts()[part], rows)
        assert found.parts()[part].dtype == np.int64
    assert (found.selection, found.clip_window, found.test_digest) == (
        split.selection, split.clip_window, split.test_digest,
    )  # fmt: skip
    with h5py.File(tmp_path / "a.h5") as file:
        assert (file.attrs["seed"], file.attrs["n_galaxies"]) == (1, 900)


def test_what_is_no_split_is_named(tmp_path):
    path = tmp_path / "full.h5"
    with pytest.raises(InputError, match=r"full\.h5: cannot be read as a split"):
        read_split(path)
    with h5py.File(path, "w") as file:
        file.attrs["selection"] = "full"
    with pytest.raises(InputError, match=r"full\.h5: not a split"):
        read_split(path)


def test_report_counts_rows_and_groups():
    columns = sample()
    splits = split_all(columns)
    report = split_report(splits, group_id=columns["group_id"])
    counts = report["selections"]["full"]
    assert sum(part["rows"] for part in counts.values()) == 900
    assert sum(part["groups"] for part in counts.values()) == 600
    assert report["test_digest"] == splits["full"].test_digest
