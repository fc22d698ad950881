"""A HATS catalogue of a table, opened by lsdb."""

import re
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

pytest.importorskip("hats_import", reason="`make survey` installs HATS")

from astropy.coordinates import SkyCoord

from pix2z.catalogue import hats
from pix2z.catalogue.hats import check_positions, write_hats
from pix2z.catalogue.tables import table_writer
from pix2z.errors import InputError
from pix2z.redshift_pdf.redshifts import COLUMNS, Column
from tests.catalogue.conftest import make_survey

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("default"),  # those of others are theirs
]

N = 3000
BYTES = 64
"""Of a row."""
WITH_POSITIONS = {
    **COLUMNS,
    "ra": Column(np.float64, "right ascension, degrees"),
    "dec": Column(np.float64, "declination, degrees"),
}
METADATA = {"pix2z.arm": "full", "pix2z.model_digest": "f00d", "pix2z.flags": "8: every band: none"}


def columns(n=N):
    rng = np.random.default_rng(3)
    values = {name: rng.uniform(0, 0.4, n).astype(c.dtype) for name, c in COLUMNS.items()}
    values["object_id"] = 10**18 + np.arange(n)
    ra = rng.uniform(0, 360, n)
    ra[: n // 2] = rng.uniform(359, 361, n // 2) % 360  # a field that lies across 0
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    dec[: n // 2] = rng.uniform(-1, 1, n // 2)
    return values | {"ra": ra, "dec": dec}


def write_table(path: Path, values, **metadata) -> Path:
    present = {name: column for name, column in WITH_POSITIONS.items() if name in values}
    with table_writer(path, metadata=METADATA | metadata, columns=present) as append:
        append(values)
    return path


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """A catalogue of two files with partitions of at most 500 rows; nothing else is beside them."""
    folder = tmp_path_factory.mktemp("hats")
    first = {name: values[:2000] for name, values in columns().items()}
    rest = {name: values[2000:] for name, values in columns().items()}
    table, others = (
        write_table(folder / f"{n}.parquet", v, **{"pix2z.input": n})
        for n, v in (("z", first), ("more", rest))
    )
    dask = hats._dask

    @contextmanager
    def watched(folder):
        process = psutil.Process()
        others = process.children(recursive=True)
        with dask(folder) as client:
            yield client
            assert not [c for c in process.net_connections() if c.status == psutil.CONN_LISTEN]
            assert process.children(recursive=True) == others

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hats, "PARTITION_BYTES", 500 * BYTES)
        patch.setattr(hats, "CHUNK_BYTES", 700 * BYTES)
        patch.setattr(hats, "_dask", watched)
        write_hats([table, others], folder / "sky")
    assert {path.name for path in folder.iterdir()} == {"sky", "z.parquet", "more.parquet"}
    return folder / "sky"


def test_lsdb_finds_a_cone_across_ra_0(catalogue):
    import lsdb

    values, centre = columns(), SkyCoord(359.98, 0.1, unit="deg")
    found = lsdb.open_catalog(catalogue).cone_search(359.98, 0.1, 1800).compute()
    distance = SkyCoord(values["ra"], values["dec"], unit="deg").separation(centre)
    inside = distance.arcsec < 1800
    assert 100 < inside.sum() < N // 2
    order = np.argsort(found["object_id"].to_numpy())
    for name in WITH_POSITIONS:
        np.testing.assert_array_equal(found[name].to_numpy()[order], values[name][inside], name)


def test_every_galaxy_is_there_once_with_its_types(catalogue):
    import lsdb

    opened = lsdb.open_catalog(catalogue, columns="all")
    assert len(opened) == N
    assert len(opened.get_healpix_pixels()) > N // 500
    whole = opened.compute()
    assert set(whole["object_id"]) == set(columns()["object_id"])
    schema = pq.read_schema(catalogue / "dataset/_common_metadata")
    for name, column in WITH_POSITIONS.items():
        assert schema.field(name).type.to_pandas_dtype() is column.dtype, name


def test_model_and_meanings_are_in_properties_partitions_and_the_votable(catalogue):
    import lsdb

    properties = lsdb.open_catalog(catalogue).hc_structure.catalog_info.extra_dict()
    assert properties["pix2z_model_digest"] == "f00d"
    assert properties["pix2z_flags"] == METADATA["pix2z.flags"]
    assert "pix2z_input" not in properties  # which is true of some rows only
    for file in (catalogue / "dataset").rglob("Npix=*.parquet"):
        schema = pq.read_schema(file)
        assert schema.metadata[b"pix2z.model_digest"] == b"f00d"
        assert b"pix2z.input" not in schema.metadata
        meaning = schema.field("pix2z_flags").metadata[b"description"].decode()
        assert meaning == COLUMNS["pix2z_flags"].meaning
    common = pq.read_schema(catalogue / "dataset/_common_metadata").metadata
    votable = common[b"IVOA.VOTable-Parquet.content"].decode()
    assert COLUMNS["pix2z_z_median"].meaning in votable
    assert re.search(r'name="dec"[^>]*unit="deg"', votable)


def test_a_catalogue_that_fails_leaves_nothing(tmp_path, monkeypatch, capsys):
    table = write_table(tmp_path / "z.parquet", columns(100))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hats_import.catalog.map_reduce.pq.ParquetWriter", full)
    with pytest.raises(InputError, match=r"sky: cannot be written as HATS .*No space left"):
        write_hats([table], tmp_path / "sky")
    assert list(tmp_path.iterdir()) == [table]
    assert capsys.readouterr().out == ""


def test_what_is_there_is_not_replaced(tmp_path):
    table = write_table(tmp_path / "z.parquet", columns(100))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(InputError, match="mine: exists; expected a new or empty folder"):
        write_hats([table], tmp_path / "mine")
    assert (tmp_path / "mine/notes.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    write_hats([table], tmp_path / "empty")
    assert (tmp_path / "empty/hats.properties").is_file()


def test_a_table_without_positions_is_refused(tmp_path):
    values = {name: values for name, values in columns(10).items() if name != "dec"}
    with pytest.raises(InputError, match=r"z\.parquet: column 'dec' is missing"):
        write_hats([write_table(tmp_path / "z.parquet", values)], tmp_path / "sky")


def test_a_table_that_is_cut_off_or_empty_is_one_line(tmp_path):
    whole, cut = (write_table(tmp_path / f"{n}.parquet", columns(10)) for n in ("a", "b"))
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"b\.parquet: cannot be read as a Parquet file \(.*\)$"):
        write_hats([whole, cut], tmp_path / "sky")
    empty = write_table(tmp_path / "c.parquet", columns(0))
    with pytest.raises(InputError, match=r"c\.parquet: has no rows"):
        write_hats([empty], tmp_path / "sky")
    assert not (tmp_path / "sky").exists()


def test_galaxies_without_positions_are_counted():
    survey = make_survey(3)
    with pytest.raises(InputError, match="3 of 3 have none"):
        check_positions(survey)
    ra, dec = np.array([1.0, np.nan, 3.0]), np.array([1.0, 2.0, 95.0])
    with pytest.raises(InputError, match="2 of 3 have none"):
        check_positions(replace(survey, table=replace(survey.table, ra=ra, dec=dec)))


def test_positions_in_hours_are_refused():
    survey = make_survey(100)
    ra, dec = np.linspace(9, 15, 100), np.linspace(-5, 60, 100)
    placed = replace(survey.table, ra=ra, dec=dec, origin=survey.table.origin | {"position": "x"})
    with pytest.raises(InputError, match="right ascension from 9 to 15"):
        check_positions(replace(survey, table=placed))
    check_positions(replace(survey, table=replace(placed, ra=15 * ra)))
