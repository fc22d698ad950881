"""Columns of all that is written or served for others."""

import pandas as pd
import pytest

from pix2z.catalogue.spectrum_redshifts import HEADER
from pix2z.redshift_pdf.redshifts import COLUMNS
from pix2z.spectra.reconstructions import SPECTRUM_COLUMNS
from pix2z.tracking.served_forms import POOL, SPECTRUM

SERVED, SERVED_SPECTRA = (form.signature().outputs.input_names() for form in (POOL, SPECTRUM))


@pytest.mark.parametrize("names", [COLUMNS, SPECTRUM_COLUMNS, HEADER, SERVED, SERVED_SPECTRA])
def test_every_column_is_an_attribute_of_a_table_in_pandas(names):
    table = pd.DataFrame(1, index=range(2), columns=list(names))
    assert all(isinstance(getattr(table, name), pd.Series) for name in names)
    assert "pix2z_flags" in names
