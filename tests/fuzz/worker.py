"""Read damaged files as people do: ``python worker.py JOBS RESULTS [MODEL]``.

JOBS is a list of [file, options]. RESULTS gets a line of JSON before and after each way of reading
a file, so that whoever started this knows which file ended it. A read that hangs is ended by
SIGALRM. Without a MODEL, files are read by the reader alone and ingested; with it, by the commands.
"""

import contextlib
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

SECONDS_PER_READ = 60


def main(jobs: Path, results: Path, model: Path | None = None) -> None:
    """Work through the jobs."""
    ways = {"read": _read, "ingest": _ingest}
    if model is not None:
        from pix2z.network import estimator

        pool = estimator.load_pool(model)
        estimator.load_pool = lambda folder: pool
        ways = {"inspect": _inspect, "predict": _predict, "ingest": _ingest}
    with results.open("w") as out:
        for file, options in json.loads(jobs.read_text()):
            for way, read in ways.items():
                out.write(json.dumps({"file": file, "way": way, "begun": True}) + "\n")
                out.flush()
                signal.alarm(SECONDS_PER_READ)
                outcome = read(Path(file), options, model)
                signal.alarm(0)
                out.write(json.dumps({"file": file, "way": way, **outcome}) + "\n")


def _read(file: Path, options: list[str], model: Path | None) -> dict:
    from pix2z.ingest.contents import file_contents
    from pix2z.ingest.source import open_source

    layout, mapping = _layout_and_mapping(options)

    def work() -> None:
        file_contents(file)
        with open_source(file, layout=layout, mapping=mapping) as survey:
            survey.read_images(0, len(survey.table))

    return _guarded(work)


def _ingest(file: Path, options: list[str], model: Path | None) -> dict:
    from pix2z.ingest.galaxies import ingest

    out = file.parent / "out" / "galaxies.h5"

    layout, mapping = _layout_and_mapping(options)
    limits = {"z_min": 0.0, "z_max": 0.4, "duplicate_radius_arcsec": 2.0}

    def work() -> None:
        ingest(file, out, layout=layout, mapping=mapping, check_photometry=False, **limits)

    return _guarded(work) | {"left": _sweep(out.parent)}


def _inspect(file: Path, options: list[str], model: Path | None) -> dict:
    return _command("inspect", str(file), *options)


def _predict(file: Path, options: list[str], model: Path | None) -> dict:
    out, pdf = file.parent / "out" / "z.csv", file.parent / "out" / "z.hdf5"
    outcome = _command(
        *("predict", str(file), "--model", str(model), "--out", str(out), "--pdf", str(pdf)),
        *("--no-check", *options),
    )
    rows = len(out.read_text().splitlines()) - 1 if out.exists() else None
    return {**outcome, "rows": rows, "left": _sweep(out.parent)}


def _layout_and_mapping(options: list[str]):
    from pix2z.cli.reading import read_mapping

    entries = [value for value in options if "=" in value]
    layout = options[options.index("--layout") + 1] if "--layout" in options else None
    return layout, read_mapping(None, entries)


def _command(*arguments: str) -> dict:
    from pix2z import cli

    sys.argv = ["pix2z", *arguments]
    return _guarded(cli.main)


def _guarded(work: Callable[[], object]) -> dict:
    """Run; exit code, what was said on stderr, and the stack trace where there was one."""
    from pix2z.errors import Pix2zError

    said, code, trace = io.StringIO(), 0, None
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            work()
        except SystemExit as end:
            code = end.code or 0
        except Pix2zError as error:
            code = error.exit_code
            said.write(f"error: {error}\n")
        except BaseException:
            code, trace = 1, traceback.format_exc()
    return {"code": code, "said": said.getvalue(), "trace": trace}


def _sweep(folder: Path) -> list[str]:
    """Names left behind in a folder, which is emptied."""
    names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    for name in names:
        (folder / name).unlink()
    return names


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    main(*(Path(argument) for argument in sys.argv[1:]))
