import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pix2z import cli
from pix2z.config.sky import SkyConfig
from pix2z.config.split import SplitConfig
from pix2z.dataset.splits import Split, make_splits
from pix2z.dataset.store import open_galaxies
from pix2z.ingest.galaxies import ingest
from pix2z.sky.semireal import write_semireal
from tests.archive.server import Archive, archive_serving
from tests.archive.synthetic_sdss import BANDS, frame_path, spectrum_path

ROOT = Path(__file__).parents[2]
LIMITS = {"layout": "sdss32", "z_min": 0.0, "z_max": 0.4, "duplicate_radius_arcsec": 2.0}
N_PARENTS = 3000


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real SDSS files; tests that need it are skipped, saying so, where it is absent."""
    folder = Path(os.environ.get("PIX2Z_REAL_DATA", ROOT.parent / "shared" / "real"))
    if not folder.is_dir():
        pytest.skip(f"no real SDSS data in {folder}; set PIX2Z_REAL_DATA")
    return folder


def pix2z(*arguments: object) -> None:
    """Run a command; it must succeed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["pix2z", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert not ended.value.code


@pytest.fixture(scope="session")
def archive(real_data: Path) -> Iterator[Archive]:
    """A server, on this machine, of the real spectra and of the frames of one of them."""
    with archive_serving() as served:
        for band in BANDS:
            path = frame_path(band, 3918, 3, 213)
            served.add(path, (real_data / "frames" / path.rsplit("/", 1)[1]).read_bytes())
        for file in sorted((real_data / "spectra").glob("spec-*.fits")):
            plate, mjd, fiber = (int(part) for part in file.stem.split("-")[1:])
            served.add(spectrum_path(plate, mjd, fiber), file.read_bytes())
        yield served


@pytest.fixture(scope="session")
def rendered(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Split]:
    """Folder of raw.h5 and galaxies.h5 with rendered galaxies, and the split of all of them."""
    folder = tmp_path_factory.mktemp("sky")
    config = SplitConfig.read(ROOT / "params.yaml")
    fractions = config.fractions.model_dump()
    write_semireal(
        folder / "raw.h5",
        seed=1,
        n_parents=N_PARENTS,
        n_stamps=N_PARENTS,
        max_shift=0.03,
        faint_limit=17.8,
        conditions=SkyConfig.read(ROOT / "params.yaml").conditions,
        size_depends_on_redshift=True,
        split_seed=config.seed,
        fractions=fractions,
    )
    ingest(folder / "raw.h5", folder / "galaxies.h5", **LIMITS)
    with open_galaxies(folder / "galaxies.h5") as galaxies:
        splits = make_splits(
            group_id=galaxies.column("group_id"),
            object_id=galaxies.column("object_id"),
            z_spec=galaxies.column("specz_redshift"),
            moved=galaxies.column("moved"),
            seed=config.seed,
            fractions=fractions,
            clip_sigma=config.clip_sigma,
        )
    return folder, splits["full"]
