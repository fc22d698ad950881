import os

import pytest

from pix2z.cli.quiet import quiet_import


def test_what_native_code_writes_is_held_back(capfd):
    with quiet_import():
        os.write(2, b"a processor\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"


def test_an_error_lets_it_through(capfd):
    def fail():
        os.write(2, b"libcuda is missing\n")
        raise ImportError

    with pytest.raises(ImportError), quiet_import():
        fail()
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "libcuda is missing\nafterwards\n"
