"""The planted field, opened, and its sources."""

import pytest

from pix2z.field.frames import open_field
from pix2z.field.sources import find_sources
from tests.field.planted import plant, write_field


@pytest.fixture(scope="session")
def planted():
    return plant()


@pytest.fixture(scope="session")
def paths(planted, tmp_path_factory):
    return write_field(tmp_path_factory.mktemp("field"), planted)


@pytest.fixture(scope="session")
def frames(paths):
    return open_field(paths)


@pytest.fixture(scope="session")
def sources(frames):
    return find_sources(frames)
