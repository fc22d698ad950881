"""Partitions, in this process: what is made, what is left as it is, and what is refused."""

import os
import shutil
from contextlib import ExitStack

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pytest

from pix2z.catalogue.estimator import load_pool
from pix2z.config.ingest import Hdf5Mapping
from pix2z.errors import InputError, IntegrityError
from pix2z.survey_scale import partitions
from pix2z.survey_scale.run import FAILED, LOST, folder_of_one_run, look
from tests.catalogue.conftest import largest_file
from tests.survey_scale.conftest import BLOCK, ROWS, in_turn, small_request, whole_run, write_file

N = sum(ROWS.values())
NAMES = [
    *(f"part-a.h5-{start:010d}-{min(start + 16, 40):010d}.parquet" for start in (0, 16, 32)),
    *(f"part-b.h5-{start:010d}-{min(start + 16, 20):010d}.parquet" for start in (0, 16)),
]


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def made_before(survey_folder, trained_pool, tmp_path_factory):
    """A folder of tables, which no test changes."""
    folder = tmp_path_factory.mktemp("made") / "z"
    whole_run(survey_folder, small_request(trained_pool, folder))
    return folder


@pytest.fixture
def finished(made_before, tmp_path):
    """Tables that an earlier run left in the folder of this test."""
    shutil.copytree(made_before, tmp_path / "z")
    return tmp_path / "z"


def test_the_folder_reads_as_one_table_in_the_order_of_files_and_rows(
    finished, survey_folder, trained_pool
):
    assert [path.name for path in sorted(finished.glob("*.parquet"))] == NAMES
    (finished / FAILED).write_text("file,start,stop,reason\n")
    (finished / ".lock").touch()
    table = pd.read_parquet(finished)
    for name, rows in (("a.h5", slice(0, 40)), ("b.h5", slice(40, 60))):
        with h5py.File(survey_folder / name) as file:
            images, ebv = file["images"][...].transpose(0, 2, 3, 1), file["e_bv"][...]
            object_id = file["ObjID"][...]
        direct = load_pool(trained_pool).estimate(images, ebv).to_pandas(object_id)
        found = table[rows].reset_index(drop=True)
        pd.testing.assert_frame_equal(found, direct, rtol=1e-5)
    dataset = pa.dataset.dataset(finished, format="parquet")
    pd.testing.assert_frame_equal(dataset.to_table().to_pandas(), table)


@pytest.mark.parametrize("partition_rows", [BLOCK, 5 * BLOCK])
def test_values_do_not_depend_on_how_a_file_is_cut(
    request_for, survey_folder, finished, partition_rows
):
    _, summary = whole_run(survey_folder, request_for("other", partition_rows=partition_rows))
    assert summary.n_rows == summary.n_known == N
    other = pd.read_parquet(finished.parent / "other")
    assert other.to_numpy().tobytes() == pd.read_parquet(finished).to_numpy().tobytes()


def test_a_restart_makes_only_what_is_missing_or_cut_off(request_for, survey_folder, finished):
    (finished / NAMES[1]).unlink()
    whole = (finished / NAMES[3]).read_bytes()
    (finished / NAMES[3]).write_bytes(whole[: len(whole) // 2])
    before = {name: (finished / name).stat().st_mtime_ns for name in NAMES if name != NAMES[1]}
    survey, summary = whole_run(survey_folder, request_for())
    assert [f"{part.name}.parquet" for part in survey.to_do] == [NAMES[1], NAMES[3]]
    assert len(survey.finished) == 3
    assert (summary.n_partitions, summary.n_rows) == (2, 32)
    changed = [name for name, then in before.items() if (finished / name).stat().st_mtime_ns > then]
    assert changed == [NAMES[3]]
    assert len(pd.read_parquet(finished)) == N


def test_pdfs_lie_in_a_folder_of_their_own_and_are_made_where_they_are_missing(
    request_for, survey_folder, finished, tmp_path
):
    request = request_for(pdfs=tmp_path / "p")
    survey, _ = whole_run(survey_folder, request)
    assert len(survey.to_do) == len(NAMES)
    assert names_in(tmp_path / "p") == NAMES
    pdfs = pd.read_parquet(tmp_path / "p")
    assert pdfs["object_id"].tolist() == pd.read_parquet(finished)["object_id"].tolist()
    assert not look(survey_folder, request, in_turn, lambda _: None).to_do
    with pytest.raises(InputError, match=r"p/part.*: was made with another --ebv"):
        whole_run(survey_folder, request_for("other", pdfs=tmp_path / "p", ebv=0.1))


def test_neither_tables_nor_pdfs_replace_the_others(request_for, survey_folder, finished, tmp_path):
    before = (finished / NAMES[0]).read_bytes()
    with pytest.raises(InputError, match="0016.parquet: holds redshifts; expected .* PDFs"):
        whole_run(survey_folder, request_for("other", pdfs=finished))
    assert (finished / NAMES[0]).read_bytes() == before
    whole_run(survey_folder, request_for("other", pdfs=tmp_path / "p"))
    with pytest.raises(InputError, match="0016.parquet: holds PDFs; expected .* redshifts"):
        whole_run(survey_folder, request_for("p"))
    with pytest.raises(InputError, match=r"p/part-.* is of no partition .* expected --pdf"):
        whole_run(survey_folder, request_for("new", pdfs=tmp_path / "p", partition_rows=BLOCK))


def test_without_positions_where_they_must_be_nothing_is_made(request_for, survey_folder, tmp_path):
    _, summary = whole_run(survey_folder, request_for(positions=True))
    assert len(summary.failures) == len(NAMES)
    assert "a HATS catalogue needs ra and dec" in str(summary.failures[0])
    assert names_in(tmp_path / "z") == [FAILED]


def test_only_chosen_columns_are_there(request_for, survey_folder, finished):
    columns = ("pix2z_z_best", "object_id")
    whole_run(survey_folder, request_for("few", columns=columns))
    few = pd.read_parquet(finished.parent / "few")
    pd.testing.assert_frame_equal(few, pd.read_parquet(finished)[list(columns)])
    with pytest.raises(InputError, match="with another --columns"):
        whole_run(survey_folder, request_for(columns=columns))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"model_digest": "of another"}, "with another model .* now 'of another'"),
        ({"ebv": 0.1}, "with another --ebv"),
        ({"mapping": Hdf5Mapping(bands="zirgu")}, "with another -m"),
        (
            {"partition_rows": 8},
            "part-a.h5-0000000000-0000000016.parquet: is of no partition of this run",
        ),
    ],
)
def test_tables_of_another_run_are_refused(request_for, survey_folder, finished, other, words):
    before = names_in(finished)
    with pytest.raises(InputError, match=words):
        whole_run(survey_folder, request_for(**other))
    assert names_in(finished) == before


def test_tables_of_other_code_are_refused(request_for, survey_folder, finished, monkeypatch):
    monkeypatch.setattr(partitions, "code_digest", lambda: "f00d")
    with pytest.raises(InputError, match="with another code of pix2z"):
        whole_run(survey_folder, request_for())
    assert names_in(finished) == NAMES


def test_tables_of_another_file_of_the_same_name_are_refused(request_for, tmp_path, finished):
    other = tmp_path / "survey"
    other.mkdir()
    for name, n in ROWS.items():
        write_file(other / name, n, seed=10)
    with pytest.raises(InputError, match="with another (bytes|time) of the input"):
        whole_run(other, request_for())
    assert names_in(finished) == NAMES


def test_what_cannot_be_read_is_listed_and_does_not_stop_the_rest(
    request_for, survey_folder, tmp_path
):
    folder = tmp_path / "survey"
    shutil.copytree(survey_folder, folder)
    whole = (folder / "a.h5").read_bytes()
    (folder / "aa.h5").write_bytes(whole[: len(whole) // 2])
    with h5py.File(folder / "c.h5", "w") as file:  # no ids, where the others have some
        file["images"] = np.ones((4, 5, 32, 32), np.float32)
    survey, summary = whole_run(folder, request_for())
    assert [failure.file for failure in survey.failures] == ["aa.h5", "c.h5"]
    assert "aa.h5" in str(survey.failures[0])
    assert "c.h5: expected files alike in ebv" in str(survey.failures[1])
    assert (summary.n_rows, len(summary.failures)) == (N, 2)
    listed = pd.read_csv(tmp_path / "z" / FAILED)
    assert listed["file"].tolist() == ["aa.h5", "c.h5"]
    assert len(pd.read_parquet(tmp_path / "z")) == N
    for name in ("aa.h5", "c.h5"):
        (folder / name).unlink()
    whole_run(folder, request_for())
    assert names_in(tmp_path / "z") == NAMES


def test_tables_of_a_file_that_is_left_out_now_are_refused(
    request_for, survey_folder, tmp_path, finished
):
    folder = tmp_path / "survey"
    shutil.copytree(survey_folder, folder)  # with the times of the files
    with h5py.File(folder / "b.h5", "r+") as file:
        del file["images"]
    words = r"z/part-b\.h5-.*0016\.parquet: is of b\.h5, which this run leaves out: .*images"
    with pytest.raises(InputError, match=words):
        whole_run(folder, request_for())
    assert names_in(finished) == NAMES
    for path in finished.glob("part-b.h5-*"):
        path.unlink()
    _, summary = whole_run(folder, request_for())
    assert [failure.file for failure in summary.failures] == ["b.h5"]
    assert len(pd.read_parquet(finished)) == ROWS["a.h5"]


def test_what_most_files_have_is_what_the_survey_has(request_for, survey_folder, tmp_path):
    folder = tmp_path / "survey"
    shutil.copytree(survey_folder, folder)
    shutil.copy(folder / "a.h5", folder / "0.h5")
    with h5py.File(folder / "0.h5", "r+") as file:
        del file["e_bv"]
    survey = look(folder, request_for(), in_turn, lambda _: None)
    assert [failure.file for failure in survey.failures] == ["0.h5"]
    assert "in a.h5 and 'none" in str(survey.failures[0])
    assert sum(map(len, survey.to_do)) == N


def test_what_is_no_file_of_galaxies_is_told(request_for, survey_folder, tmp_path, caplog):
    folder = tmp_path / "survey"
    shutil.copytree(survey_folder, folder)
    (folder / "c.h5").symlink_to("nowhere")
    (folder / "notes.txt").touch()
    look(folder, request_for(), in_turn, lambda _: None)
    assert "survey: left out, not being files of galaxies: c.h5, notes.txt" in caplog.text


def test_files_without_ids_make_no_hats_catalogue_together(request_for, survey_folder, tmp_path):
    folder = tmp_path / "survey"
    shutil.copytree(survey_folder, folder)
    for name in ROWS:
        with h5py.File(folder / name, "r+") as file:
            del file["ObjID"]
    with pytest.raises(InputError, match=r"ids that differ; a\.h5 has none"):
        whole_run(folder, request_for(positions=True))
    assert names_in(tmp_path / "z") == []
    assert not look(folder / "a.h5", request_for(positions=True), in_turn, lambda _: None).failures


def test_a_partition_that_no_worker_survives_is_listed(request_for, survey_folder, tmp_path):
    def deadly(function, arguments):
        for number, argument in enumerate(arguments):
            yield (
                argument,
                None if number == 1 and hasattr(argument, "start") else function(argument),
            )

    _, summary = whole_run(survey_folder, request_for(), deadly)
    (failure,) = summary.failures
    assert str(failure) == f"a.h5: rows 16 to 32: {LOST}"
    assert len(pd.read_parquet(tmp_path / "z")) == N - 16


def test_a_file_that_changes_meanwhile_is_a_failure(request_for, survey_folder, tmp_path):
    folder = tmp_path / "survey"
    shutil.copytree(survey_folder, folder)

    def touch(_):
        os.utime(folder / "b.h5", ns=(0, 0))

    _, summary = whole_run(folder, request_for(), advance=touch)
    assert {failure.file for failure in summary.failures} == {"b.h5"}
    assert "changed after it was looked at" in str(summary.failures[0])


def test_a_full_disk_ends_the_run_and_keeps_what_is_finished(request_for, survey_folder, tmp_path):
    def fill(_):
        limits.enter_context(largest_file(100))

    with (
        ExitStack() as limits,
        pytest.raises(InputError, match=r"0032\.parquet: cannot be written"),
    ):
        whole_run(survey_folder, request_for(), advance=fill)
    assert names_in(tmp_path / "z") == NAMES[:1]
    _, summary = whole_run(survey_folder, request_for())
    assert summary.n_partitions == len(NAMES) - 1


def test_a_model_that_was_altered_ends_the_run(request_for, survey_folder, trained_pool, tmp_path):
    pool = tmp_path / "pool"
    shutil.copytree(trained_pool, pool)
    with (pool / "pool.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(IntegrityError, match=r"pool\.onnx"):
        whole_run(survey_folder, request_for(pool=pool))
    with pytest.raises(IntegrityError, match="is another model than when the run began"):
        whole_run(survey_folder, request_for(model_digest="of another"))


def test_two_runs_at_once_are_refused(tmp_path):
    with (
        folder_of_one_run(tmp_path / "z"),
        pytest.raises(InputError, match="z: another run writes into it"),
        folder_of_one_run(tmp_path / "z"),
    ):
        pass
    assert not (tmp_path / "z").exists()
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="file: expected a folder"),
        folder_of_one_run(tmp_path / "file"),
    ):
        pass


@pytest.mark.parametrize("names", [("m51-g.fits", "m51-r.fits"), ("images.npy", "z.npy")])
def test_files_that_belong_together_are_refused(request_for, tmp_path, names):
    (tmp_path / "survey").mkdir()
    for name in names:
        (tmp_path / "survey" / name).touch()
    with pytest.raises(InputError, match=f"{names[0]} and {names[1]}, which belong together"):
        whole_run(tmp_path / "survey", request_for())
