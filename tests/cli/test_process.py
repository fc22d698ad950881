import os
import signal

import pytest

from pix2z.cli.process import ended_by_sigterm, quiet_import


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


def test_sigterm_is_as_before_afterwards():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended, ended_by_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
