"""``pix2z catalogue --watch``: every field whose frames come into a folder, until Ctrl-C."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pix2z.cli.display import number_of, say
from pix2z.cli.reading import galaxies
from pix2z.cli.which_model import chosen_model
from pix2z.errors import InputError
from pix2z.process import one_line_if_interrupted

if TYPE_CHECKING:
    from pix2z.catalogue.estimator import Estimator
    from pix2z.field.arrivals import Arrivals, WholeField

__all__ = ["watch_folder"]

POLL = 1.0
"""Seconds between two looks into the folder."""


def watch_folder(
    folder: Path, out: Path, *, model: str | None, limit: float, ebv: float | None, once: bool
) -> None:
    """Write out/RUN-CAMCOL-FIELD.parquet for every field, one line each.

    A field that cannot be treated gets a line on stderr, and is tried again when one of its files
    changes. A table that cannot be written ends the command: no later one could be, either.

    Raises
    ------
    InputError
        `folder` or `out` is no folder, or a table cannot be written.
    """
    if not folder.is_dir():
        raise InputError(f"--watch {folder}: expected a folder; there is none")
    if not out.is_dir() and (out.suffix or out.exists()):
        raise InputError(f"--out {out}: expected the name of a folder for the tables of --watch")
    pool = chosen_model(model)

    from pix2z.catalogue.estimator import load_pool
    from pix2z.field.arrivals import Arrivals

    watch = _Watch(Arrivals(folder), out, load_pool(pool), limit, ebv, time.time())
    say(f"Watching {folder}; tables in {out}{'' if once else '; Ctrl-C ends it'}")
    with one_line_if_interrupted(lambda: f"{watch}; the same command goes on from there"):
        watch.look()
        while not (once and watch.arrivals.settled):
            time.sleep(POLL)
            watch.look()
    say(str(watch))
    if watch.failed or watch.arrivals.strange():
        raise typer.Exit(InputError.exit_code)


@dataclass
class _Watch:
    """What has been done with the fields of a folder; `began` in seconds since 1970.

    written, finished, failed : fields whose table is new, was there already, could not be made.
    """

    arrivals: "Arrivals"
    out: Path
    estimator: "Estimator"
    limit: float
    ebv: float | None
    began: float
    written: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        """Say how many fields are done, and what others wait for."""
        lacking = self.arrivals.lacking()
        counts = {
            "finished before": len(self.finished),
            "failed": len(self.failed | self.arrivals.strange()),
            "waiting for frames": len(lacking),
        }
        more = "".join(f", {n:,} {what}" for what, n in counts.items() if n)
        first = next((f" ({name}: {bands})" for name, bands in lacking.items()), "")
        written = number_of(len(self.written), "field", "fields")
        return f"{written} written to {self.out}{more}{first}"

    def look(self) -> None:
        """Treat the fields that have become whole, or changed, since the last look."""
        for whole in self.arrivals.look():
            self._treat(whole)
        for error in self.arrivals.strangers.values():
            _complain(str(error))

    def _treat(self, whole: "WholeField") -> None:
        from pix2z.field.catalogue import estimate_galaxies, field_facts, is_finished, write_field
        from pix2z.field.frames import open_field
        from pix2z.field.sources import find_sources

        out = self.out / f"{whole.name}.parquet"
        try:
            facts = field_facts(self.estimator, whole.paths, ebv=self.ebv, limit=self.limit)
            if is_finished(out, facts):
                self.failed.discard(whole.name)
                self.finished |= {whole.name} - self.written
                return
            frames = open_field(whole.paths)
            sources = find_sources(frames).judged(self.limit, self.ebv)
            rows, estimate = estimate_galaxies(
                self.estimator, frames, sources, listed=False, ebv=self.ebv
            )
        except InputError as error:
            self.failed.add(whole.name)
            _complain(f"{whole.name}: {error}")
            return
        write_field(sources, rows, estimate, out=out, pdf=None, metadata=facts)
        self.failed.discard(whole.name)
        self.finished.discard(whole.name)
        self.written.add(whole.name)
        latency = time.time() - max(whole.arrived, self.began)
        say(
            f"{whole.name}: {len(sources):,} sources, {galaxies(int(sources.is_galaxy.sum()))}, "
            f"{number_of(len(rows), 'redshift', 'redshifts')}; latency {latency:.1f} s"
        )


def _complain(words: str) -> None:
    sys.stderr.write(f"error: {words}\n")
    sys.stderr.flush()
