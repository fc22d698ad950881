"""What stages share."""

import subprocess
import sys

STAGE = """
import subprocess, sys
from pix2z.stages.runner import run

run(lambda: subprocess.run([sys.executable, "-c", sys.argv[1]], check=True))
"""
WORKER = "import logging; logging.basicConfig(level=logging.INFO); import numexpr"


def test_processes_of_a_stage_do_not_log_how_many_threads_numexpr_takes(monkeypatch):
    monkeypatch.delenv("NUMEXPR_MAX_THREADS", raising=False)
    command = [sys.executable, "-c", STAGE, WORKER]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
