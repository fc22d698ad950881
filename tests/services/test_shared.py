"""The tests of a study that several share, on PostgreSQL."""

import pytest

from pix2z.errors import Pix2zError
from pix2z.tuning.shared import open_storage
from tests.tuning.test_shared import *  # noqa: F403


def test_a_server_that_is_down_is_one_line_without_its_password():
    with pytest.raises(
        Pix2zError, match=r"postgresql://u:\*\*\*@127.0.0.1:1/s: cannot be"
    ) as caught:
        open_storage("postgresql://u:secret@127.0.0.1:1/s")
    assert "\n" not in str(caught.value)
