import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real SDSS files; tests that need it are skipped, saying so, where it is absent."""
    folder = Path(os.environ.get("PIX2Z_REAL_DATA", ROOT.parent / "shared" / "real"))
    if not folder.is_dir():
        pytest.skip(f"no real SDSS data in {folder}; set PIX2Z_REAL_DATA")
    return folder
