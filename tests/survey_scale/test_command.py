"""``pix2z predict --dask`` as a person types it; partitions are made in this process."""

import shutil
import sys
from contextlib import contextmanager

import pandas as pd
import pytest

from pix2z import process
from pix2z.catalogue import hats
from pix2z.errors import InputError
from pix2z.survey_scale import cluster
from pix2z.survey_scale.run import FAILED, folder_of_one_run
from tests.catalogue.conftest import largest_file
from tests.cli.conftest import one_line, run_pix2z
from tests.survey_scale.conftest import in_turn


@pytest.fixture
def here(trained_pool, survey_folder, tmp_path):
    """A folder with a trained model and a survey."""
    shutil.copytree(trained_pool, tmp_path / "models/full")
    shutil.copytree(survey_folder, tmp_path / "survey")
    return tmp_path


@pytest.fixture
def run(here, monkeypatch):
    """Return what runs ``pix2z predict survey --out z --dask local`` there."""

    @contextmanager
    def of_this_process(where):
        assert where == "local"
        yield in_turn

    monkeypatch.setattr(cluster, "workers", of_this_process)

    def call(*options, file="survey"):
        wanted = ("--out", "z", "--dask", "local", "--model", "full", "--no-check")
        return run_pix2z(here, "predict", file, *wanted, *options)

    return call


def test_a_survey_becomes_tables_and_the_same_command_goes_on(run, here):
    code, said, errors = run("--pdf", "p")
    assert (code, errors) == (0, "")
    first, second = said.splitlines()
    assert first.startswith("60 galaxies in ")
    assert first.endswith("; redshifts in z, PDFs in p")
    assert second.startswith("60 redshifts; ")
    assert "A worker took at most " in second
    assert sorted(path.name for path in (here / "z").glob("*.parquet")) == [
        "part-a.h5-0000000000-0000000040.parquet",
        "part-b.h5-0000000000-0000000020.parquet",
    ]
    (here / "z/part-b.h5-0000000000-0000000020.parquet").unlink()
    code, said, errors = run("--pdf", "p")
    assert code == 0, errors
    assert said.startswith("1 of 2 partitions were finished before.\n20 galaxies in ")
    assert len(pd.read_parquet(here / "z")) == 60
    code, said, errors = run("--pdf", "p")
    assert (code, errors) == (0, "")
    assert said == "2 of 2 partitions were finished before; redshifts in z, PDFs in p\n"


def test_a_bad_file_is_named_and_the_exit_code_tells(run, here):
    (here / "survey/bad.h5").write_text("no stamps")
    code, said, errors = run()
    assert code == 1
    assert "\nleft out: bad.h5: expected HDF5; received text\n" in said
    assert errors == (
        f"error: 1 file or partition has no redshifts: z/{FAILED} says why; the same command "
        "tries again\n"
    )
    assert len(pd.read_parquet(here / "z")) == 60
    _, said, _ = run()
    assert said == (
        "2 of 2 partitions that can be read were finished before; redshifts in z\n"
        "left out: bad.h5: expected HDF5; received text\n"
    )


@pytest.mark.parametrize("file", ["nothere", "nothere.h5", "empty"])
def test_an_input_without_galaxies_ends_at_once_as_without_dask(run, here, file):
    (here / "empty").mkdir()
    before = sorted(here.iterdir())
    answer = run(file=file)
    one_line(answer, f"error: {file}: ")
    assert run_pix2z(here, "predict", file, "--out", "z.csv", "--model", "full") == answer
    assert sorted(here.iterdir()) == before


def test_where_nobody_works_no_folder_is_left(run, here, monkeypatch):
    @contextmanager
    def nobody(_):
        raise InputError("--dask tcp://127.0.0.1:1: no scheduler answers")
        yield

    monkeypatch.setattr(cluster, "workers", nobody)
    one_line(run(), "--dask tcp://127.0.0.1:1: no scheduler answers")
    assert not (here / "z").exists()


def test_with_failures_there_is_no_hats_catalogue_and_one_line_says_so(run, here, monkeypatch):
    """No galaxy of the survey has a position."""
    monkeypatch.setattr(hats, "find_spec", lambda _: True)
    code, _, errors = run("--hats", "sky")
    assert code == 1
    assert errors.endswith(
        "; the same command tries again, and makes the HATS catalogue only when none is left\n"
    )
    assert not (here / "sky").exists()


def test_pixels_that_are_no_fluxes_are_a_failure_of_their_file_alone(run, here):
    import h5py

    with h5py.File(here / "survey/b.h5", "r+") as file:
        images = file["images"][...]
        file["images"][...] = images.round()
    code, said, _ = run("--check")
    assert code == 1
    assert "b.h5: all pixels are whole numbers" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--plot", "z.png"), "--plot: draws one table"),
        (("--partition-rows", "1000"), "--partition-rows: expected a multiple of 256"),
        (("--ebv", "0.1", "-m", "ebv=e_bv"), "expected --ebv 0.1 or an entry -m ebv, not both"),
        (("--out", "survey"), "survey: is the input itself"),
        (("--pdf", "survey"), "survey: is the input itself"),
        (("--pdf", "z"), "z: is the folder of tables"),
        (("--pdf", "survey/../z"), "z: is the folder of tables"),
        (("--out", "survey/a.h5"), "a.h5: expected a folder"),
        (
            ("--pdf", "q.hdf5"),
            "error: --pdf: with --dask it is a folder of Parquet files; expected a name without "
            ".hdf5 or .parquet, received 'q.hdf5'\n",
        ),
        (("--pdf", "q.parquet"), "--pdf: with --dask it is a folder of Parquet files"),
        (("--out", "zq.parquet"), "without .parquet or .csv, received 'zq.parquet'\n"),
    ],
)
def test_options_that_do_not_go_together_are_refused(run, options, words):
    one_line(run(*options), words)


def test_what_ends_a_run_says_what_is_kept(run, here):
    run()
    (here / "z/part-b.h5-0000000000-0000000020.parquet").unlink()
    with largest_file(100):
        code, said, errors = run()
    assert code == 2
    assert said == "1 of 2 partitions were finished before.\n"
    table = here / "z/part-b.h5-0000000000-0000000020.parquet"
    assert errors == (
        f"error: {table}: cannot be written (File too large); 1 partition is finished in z; the "
        "same command goes on from there\n"
    )


@pytest.mark.parametrize("name", ["z", "p"])
def test_a_second_run_into_a_folder_is_refused(run, here, name):
    with folder_of_one_run(here / name):
        one_line(run("--pdf", "p"), f"{name}: another run writes into it")


def test_a_run_that_makes_nothing_leaves_nothing(here):
    before = list(here.iterdir())
    wanted = ("--out", "z", "--pdf", "p", "--dask", "banana", "--model", "full")
    answer = run_pix2z(here, "predict", "survey", *wanted)
    one_line(answer, "--dask: expected local, local:N, tcp")
    assert list(here.iterdir()) == before


def test_without_dask_one_line_names_the_extra(run, monkeypatch):
    wanted = ['dask[distributed]>=2025.3; extra == "survey"']
    monkeypatch.setattr(process, "requires", lambda _: wanted)  # of the pix2z that is installed
    monkeypatch.delitem(sys.modules, "pix2z.survey_scale.cluster")
    monkeypatch.setitem(sys.modules, "dask", None)
    words = "this needs dask, which the extra [survey] installs: pip install 'pix2z[survey]'"
    one_line(run(), words, code=1)


def test_partition_rows_belong_to_dask(here):
    wanted = ("--out", "z.csv", "--partition-rows", "1024")
    one_line(run_pix2z(here, "predict", "survey", *wanted), "--partition-rows: expected --dask")
