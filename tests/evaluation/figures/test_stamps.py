import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from pix2z.evaluation.figures.stamps import NO_DATA, composite, plot_stamps

AXIS = np.arange(32) - 15.5
PROFILE = np.exp(-(AXIS[:, None] ** 2 + AXIS**2) / 18)[..., None]


@pytest.fixture
def stamps():
    rng = np.random.default_rng(2)
    flux = np.array([0.3, 1.0, 2.0, 2.8, 3.3])
    images = PROFILE * flux + rng.normal(0, 0.05, (7, 32, 32, 5))
    return images.astype(np.float32)


def test_a_composite_keeps_colours_and_shows_no_data_as_grey(stamps):
    stamps[0, :4, :, 2] = np.nan
    stamps[1, 5, 5, 0] = np.nan  # u takes no part
    colours = composite(stamps, white=3.0)
    assert colours.shape == (7, 32, 32, 3)
    assert (colours >= 0).all()
    assert (colours <= 1).all()
    np.testing.assert_array_equal(colours[0, :4], NO_DATA)
    assert not (colours[0, 4:] == NO_DATA).all(axis=-1).any()
    assert not (colours[1] == NO_DATA).all(axis=-1).any()
    only_i, only_g = np.zeros((2, 1, 32, 32, 5))
    only_i[..., 3], only_g[..., 1] = 1, 1
    np.testing.assert_array_equal(composite(only_i, white=1.0)[0, 0, 0].argsort()[-1], 0)
    np.testing.assert_array_equal(composite(only_g, white=1.0)[0, 0, 0].argsort()[-1], 2)


def test_the_stretch_rises_with_brightness(stamps):
    levels = [composite(np.full((1, 32, 32, 5), x), white=1.0).mean() for x in (0.0, 0.01, 0.1, 1)]
    assert levels[0] == 0
    assert (np.diff(levels) > 0).all()


def test_the_page_shows_every_stamp_its_label_and_five_bands(stamps, tmp_path, monkeypatch):
    titles = []
    original = Axes.set_title
    monkeypatch.setattr(
        Axes,
        "set_title",
        lambda self, text, **kw: (titles.append(text), original(self, text, **kw))[1],
    )
    stamps[3, ..., 4] = np.nan
    labels = [f"z 0.{number}" for number in range(7)]
    path = tmp_path / "page.png"
    plot_stamps(stamps, labels, strip=3, path=path)
    assert titles[:7] == labels
    assert [title.split(":")[0] for title in titles[7:]] == list("ugriz")
    assert titles[-1] == "z: no data"
    assert titles[9] == f"r: peak {stamps[3, ..., 2].max():.2g} nMgy/px"
    with Image.open(path) as image:
        assert 1000 <= image.width <= 1100  # 7.2 inches at 150 dots per inch


@pytest.mark.parametrize("value", [0.0, 5.0, -1.0])
def test_flat_stamps_are_drawn_too(tmp_path, value):
    plot_stamps(
        np.full((1, 32, 32, 5), value, np.float32), ["flat"], strip=0, path=tmp_path / "f.png"
    )
    assert (tmp_path / "f.png").stat().st_size > 1000
