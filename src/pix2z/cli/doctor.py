"""``pix2z doctor``: what is wrong with store, registry, models and data, and what mends it."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pix2z.cli.display import plain, print_json
from pix2z.cli.registry_session import quiet_mlflow

if TYPE_CHECKING:
    from pathlib import Path

    from pix2z.tracking.doctor.finding import Finding

__all__ = ["doctor"]


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    mend: Annotated[
        str, typer.Option(metavar="NAME", help="Mend one fault, as a printed command names it.")
    ] = "",
) -> None:
    """Find what is wrong with store, registry, models and data; print the command that mends it.

    Nothing is changed but by --mend. Commands are for a shell in the root of the repository. Exit
    code 0: all is well; 1: something was found.
    """
    quiet_mlflow()
    from pix2z.tracking.doctor.examination import examine
    from pix2z.tracking.doctor.examination import mend as mend_fault
    from pix2z.tracking.store import repository_root

    root = repository_root()
    if mend:
        sys.stdout.write(f"{plain(mend_fault(root, mend))}\n")
        return
    findings = examine(root)
    n_faults = sum(finding.is_fault for finding in findings)
    if as_json:
        print_json({"well": n_faults == 0, "findings": [asdict(found) for found in findings]})
    else:
        _show(findings, n_faults, root)
    if n_faults:
        raise typer.Exit(1)


def _show(findings: "list[Finding]", n_faults: int, root: "Path") -> None:
    lines = []
    faults = [finding for finding in findings if finding.is_fault]
    for number, fault in enumerate(faults, start=1):
        lines += [
            f"{number}. {fault.what}: {fault.where}",
            f"   {fault.why}",
            f"   $ {fault.command}",
            "",
        ]
    notes = [finding for finding in findings if not finding.is_fault]
    lines += [f"note: {note.what}: {note.where}; {note.why}" for note in notes]
    if n_faults:
        lines.append(f"{n_faults} to mend, in this order, by commands for a shell in {root}")
    else:
        lines.append("all is well")
    sys.stdout.writelines(f"{plain(line)}\n" for line in lines)
