from pix2z.config.section import read_params
from pix2z.config.sky import Conditions
from pix2z.study import flat_sizes
from pix2z.study.flat_sizes import render_flat_sizes, split_of

SPLIT = {
    "seed": 2,
    "fractions": {"train": 0.55, "validation": 0.12, "calibration": 0.13, "test": 0.2},
    "clip_sigma": 2.0,
}
ROWS = {"z_min": 0.0, "z_max": 0.4, "duplicate_radius_arcsec": 2.0}


def test_the_other_sky_differs_in_its_sizes_alone_and_is_rendered_once(tmp_path, monkeypatch):
    asked = []

    def rendered(path, **settings):
        asked.append(settings)
        path.parent.mkdir()
        path.touch()

    def ingested(raw, path, **settings):
        asked.append(settings)
        path.touch()

    monkeypatch.setattr(flat_sizes, "write_semireal", rendered)
    monkeypatch.setattr(flat_sizes, "ingest", ingested)
    conditions = read_params()["sky"]["conditions"]
    sky = {
        "seed": 1,
        "n_stamps": 9,
        "size_depends_on_redshift": True,
        "conditions": conditions,
    }
    for _ in range(2):
        path = render_flat_sizes(tmp_path, sky=sky, split=SPLIT, rows=ROWS, pdf_range=(0, 0.4))
    assert asked[0] == {
        "seed": 1,
        "n_stamps": 9,
        "size_depends_on_redshift": False,
        "conditions": Conditions(**conditions),
        "split_seed": 2,
        "fractions": SPLIT["fractions"],
    }
    assert len(asked) == 2
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]
    sky["n_stamps"] = 10
    again = render_flat_sizes(tmp_path, sky=sky, split=SPLIT, rows=ROWS, pdf_range=(0, 0.4))
    assert again != path


def test_its_split_is_made_as_that_of_the_run(sample_path, sample):
    full, object_id = split_of(sample_path, split=SPLIT)
    assert (sample.column("object_id", full.test) == object_id).all()
    assert 0.1 < len(object_id) / len(sample) < 0.3
