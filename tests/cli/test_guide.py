"""The guide's example from cut-outs to redshifts, run as it is written."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np

from pix2z.catalogue.estimator import load_pool

GUIDE = Path(__file__).parents[2] / "docs/guide.md"


def test_cut_outs_become_redshifts_by_the_lines_of_the_guide(
    images_folder, pix2z_in, tmp_path, monkeypatch
):
    _, _, section = GUIDE.read_text().partition("### From cut-outs to redshifts\n")
    blocks = re.findall(
        r"^```(.*?)\n(.*?)^```", section.partition("\n###")[0], flags=re.MULTILINE | re.DOTALL
    )
    (_, make), (_, commands), (_, look) = blocks
    shutil.copytree(images_folder / "models", tmp_path / "models")
    (tmp_path / "data").mkdir()
    shutil.copy(images_folder / "galaxies.h5", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(make, names)
    for line in commands.splitlines():
        code, _, errors = pix2z_in(tmp_path, *shlex.split(line)[1:])
        assert (code, errors) == (0, "")
    exec(look, names)
    with names["open_galaxies"]("data/galaxies.h5") as galaxies:
        images, ebv = galaxies.images([0, 1, 2]), galaxies.column("ebv", [0, 1, 2])
    expected = load_pool("models/full").estimate(images, ebv)
    np.testing.assert_allclose(names["z"]["pix2z_z_median"], expected.z_median, rtol=1e-4)
    assert names["z"]["file"].tolist() == [f"galaxy-{row}.fits" for row in range(3)]
