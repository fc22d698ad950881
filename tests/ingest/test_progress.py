import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pix2z.ingest.checks import row_ranges


@given(st.integers(0, 5000), st.integers(1, 700))
def test_every_row_once_and_in_order(n, chunk_rows):
    ranges = list(row_ranges(n, chunk_rows=chunk_rows, doing="read"))
    rows = np.concatenate([np.arange(*one) for one in ranges]) if ranges else np.arange(0)
    np.testing.assert_array_equal(rows, np.arange(n))
    assert all(0 < stop - start <= chunk_rows for start, stop in ranges)


@pytest.mark.parametrize(
    ("seconds_per_chunk", "lines"),
    [
        (0.5, []),
        (
            3.0,
            [
                "40 of 100 rows checked, about 18 s left",
                "80 of 100 rows checked, about 6 s left",
            ],
        ),
        (
            11.0,
            [f"{10 * k} of 100 rows checked, about {11 * (10 - k)} s left" for k in range(1, 10)],
        ),
    ],
)
def test_a_line_every_ten_seconds(caplog, seconds_per_chunk, lines):
    now = [100.0]
    with caplog.at_level(logging.INFO, logger="pix2z.ingest.progress"):
        for _ in row_ranges(100, chunk_rows=10, doing="checked", clock=lambda: now[0]):
            now[0] += seconds_per_chunk
    assert caplog.messages == lines
