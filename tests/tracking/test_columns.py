"""Columns of all that is written or served for others."""

import ast
import re
from pathlib import Path

import pandas as pd
import pytest

import pix2z
from pix2z.catalogue.spectrum_redshifts import HEADER
from pix2z.redshift_pdf.flags import (
    FIT_FLAG_MEANINGS,
    IMAGE_FLAG_MEANINGS,
    SPECTRUM_FLAG_MEANINGS,
)
from pix2z.redshift_pdf.redshifts import COLUMNS
from pix2z.spectra.reconstructions import SPECTRUM_COLUMNS
from pix2z.tracking.served_forms import POOL, SPECTRUM

SERVED, SERVED_SPECTRA = (form.signature().outputs.input_names() for form in (POOL, SPECTRUM))


@pytest.mark.parametrize("names", [COLUMNS, SPECTRUM_COLUMNS, HEADER, SERVED, SERVED_SPECTRA])
def test_every_column_is_an_attribute_of_a_table_in_pandas(names):
    table = pd.DataFrame(1, index=range(2), columns=list(names))
    assert all(isinstance(getattr(table, name), pd.Series) for name in names)
    assert "pix2z_flags" in names


@pytest.mark.parametrize(
    ("file", "listed", "meanings"),
    [
        ("cli/predict.py", r"^ *(\d+)  ", IMAGE_FLAG_MEANINGS),
        ("cli/spectrum.py", r"^ *(\d+)  ", SPECTRUM_FLAG_MEANINGS),
        ("cli/redshift.py", r"^ *(\d+)  ", FIT_FLAG_MEANINGS),
        ("tracking/served_model.py", r"(\d+)\s\((?!n,)", IMAGE_FLAG_MEANINGS),
        ("tracking/served_spectrum.py", r"(\d+)\s\((?!n,)", SPECTRUM_FLAG_MEANINGS),
    ],
)
def test_every_docstring_for_users_lists_every_bit_of_the_flags(file, listed, meanings):
    tree = ast.parse((Path(pix2z.__file__).parent / file).read_text())
    documented = [tree, *(node for node in tree.body if isinstance(node, ast.FunctionDef))]
    texts = [ast.get_docstring(node) or "" for node in documented]
    (bits,) = filter(None, (re.findall(listed, text, re.MULTILINE) for text in texts))
    assert [int(bit) for bit in bits] == list(meanings)
