"""``pix2z models``, ``promote``, ``rollback`` and ``history``: what is in the registry."""

import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.measure import Measurement
from rich.text import Text

from pix2z.cli.display import (
    console,
    plain,
    print_json,
    print_table,
    say,
    say_in_words,
    spinner,
    table,
)
from pix2z.cli.which_model import REGISTERED_HELP
from pix2z.errors import InputError, RefusedError

if TYPE_CHECKING:
    from rich.console import Console

    from pix2z.tracking.promotion.candidate import Choice
    from pix2z.tracking.promotion.judgement import Decision
    from pix2z.tracking.promotion.trail import Event
    from pix2z.tracking.store import Store

__all__ = ["history", "models", "promote", "rollback", "session"]

NUMBERS = ("limits", "calibration")
"""Kinds of lines of the gate that hold intervals on both sides."""

WideOption = Annotated[
    bool, typer.Option("--wide", help="Print every column, however narrow the terminal.")
]


@contextmanager
def session() -> Iterator["Store"]:
    """Open the store that is there, with MLflow's notices off the terminal."""
    from pix2z.tracking.store import existing_store  # imports MLflow, which sets its own level

    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with existing_store() as store:
        yield store


def models(
    wide: WideOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, unrounded.")] = False,
) -> None:
    """List the versions of all registered models: in production, of arms, fine-tuned.

    Metrics are those of each version on its own test galaxies: compare versions
    with the same digest in the column "test" only. Outliers: share of galaxies
    with |dz| / (1 + z) above 0.05. Coverage: share whose redshift is inside
    that interval. Times are UTC.
    """
    from pix2z.evaluation.metric_names import METRICS, format_value

    with session() as store:
        from pix2z.tracking.versions import SHOWN, listed_versions

        versions = listed_versions(store.client)
    if as_json:
        print_json(versions)
        return
    if not versions:
        raise InputError("no models are registered yet; run `dvc repro`")
    labels = tuple(METRICS[name].label for name in SHOWN)
    columns = ("version", "alias", *labels, "pool", "test", "registered", "from")
    rows = [
        [
            f"{version['model']}/{version['version']}",
            ", ".join(version["aliases"]),
            *(format_value(name, version["metrics"][name]) for name in SHOWN),
            version["digests"].get("pool_digest", "–")[:8],
            version["digests"].get("test_digest", "–")[:8],
            _minute(version["registered_at"]),
            version["source"] or "",
        ]
        for version in versions
    ]
    _, mae, nmad, outliers, *coverage = labels
    spare = ("pool", "registered", *coverage, outliers, nmad, "from", "test", mae)
    print_table(columns, rows, right=labels, spare=spare, wide=wide)


def _minute(time: str) -> str:
    """Shorten an ISO 8601 time to its minute."""
    return time[:16].replace("T", " ")


def promote(
    model: Annotated[
        str | None, typer.Argument(help=REGISTERED_HELP, show_default="the best arm")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the decision; change nothing.")
    ] = False,
    new_test_set: Annotated[
        bool,
        typer.Option(
            "--new-test-set",
            help="Start a new line where the champion cannot be compared: it was tested on other "
            "galaxies, or has no predictions of them. Limits hold all the same.",
        ),
    ] = False,
    small_test_set: Annotated[
        bool,
        typer.Option(
            "--small-test-set",
            help="Promote on fewer test galaxies than can tell whether CRPS is within the margin "
            "of the champion's (promotion.smallest_test_set): only a significant loss is refused.",
        ),
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "",
) -> None:
    """Make a version the champion if it passes the gate; without MODEL, the best arm.

    A version is judged by what it predicted for its test galaxies: errors no
    larger than those of the arm catalogue (a fine-tuned model: of its base),
    calibration, no loss against the champion on the same galaxies, and answers
    of the model as it would be served; chance of so many galaxies never fails a
    good one alone (section promotion of params.yaml). The best arm is the one
    with the lowest CRPS on validation and calibration galaxies.
    promotions.json, the audit trail, is to be committed to git.

    Exit code 0: promoted, or the champion already. 3: refused, nothing changed.
    """
    with session() as store:
        from pix2z.tracking.checkout import repository_root
        from pix2z.tracking.promotion.production import checked_reason, record_trail
        from pix2z.tracking.promotion.production import promote as make_champion

        words, root, out = checked_reason(reason), repository_root(), console()
        with spinner() as tell:
            allowed = {"new_test_set": new_test_set, "small_test_set": small_test_set}
            choice, decision = _decide(store, model, tell, allowed)
        if choice:
            _show_choice(out, choice)
        _show_decision(out, decision)
        if decision.is_champion:
            if not dry_run:
                record_trail(store, root)
            return
        if not decision.passed:
            raise RefusedError(decision.refusal)
        if dry_run:
            out.print(f"\n{decision.candidate.label} would be promoted. This is a dry run.")
            return
        chosen = choice.reason if choice else ""
        event = make_champion(store, root, decision, reason=words or chosen)
    before = f"; {event.from_version} is now the previous one" if event.from_version else ""
    out.print()
    out.print(
        plain(f"Promoted: {event.source} is now the champion, as {event.to_version}{before}.")
    )
    out.print('Load it:  mlflow.pyfunc.load_model("models:/pix2z@champion")', markup=False)
    if not store.is_shared:
        where = f"          in another folder after: export MLFLOW_TRACKING_URI={store.uri}"
        out.print(plain(where), soft_wrap=True)
    out.print("Serve it: pix2z serve")
    _say_how_to_keep(root)


def _say_how_to_keep(root: Path) -> None:
    """Print what is to be done after each change of the champion, where git would take it."""
    from pix2z.tracking.commits import takes_file
    from pix2z.tracking.promotion.trail import FILE

    if takes_file(root, FILE):
        there = "" if root == Path.cwd() else f"cd {shlex.quote(str(root))} && "
        say(f'Keep it:  {there}git add {FILE} && git commit -m "Promotion"')


def _decide(
    store: "Store", model: str | None, tell: Any, allowed: Mapping[str, bool]
) -> "tuple[Choice | None, Decision]":
    """Find the candidate, and put it through the gate; nothing is written."""
    from pix2z.tracking.checkout import repository_root
    from pix2z.tracking.model_names import find_registered
    from pix2z.tracking.promotion.candidate import choose_arm
    from pix2z.tracking.promotion.evidence import open_gate
    from pix2z.tracking.promotion.judgement import judge
    from pix2z.tracking.versions import CHAMPION, read_versions, with_alias

    gate = open_gate(store, repository_root(), tell)
    versions = read_versions(store.client)
    if not versions:
        raise InputError("no models are registered yet; run `dvc repro`")
    choice = choose_arm(gate, versions) if model is None else None
    candidate = choice.version if choice else find_registered(versions, model or "")
    champion = with_alias(versions, CHAMPION)
    return choice, judge(gate, candidate, champion, **allowed)


def _show_choice(out: "Console", choice: "Choice") -> None:
    """Print how the candidate was chosen among the arms."""
    from pix2z.evaluation.metric_names import format_value

    best = choice.ranked[0].arm
    say_in_words(f"{best} has the lowest CRPS on {choice.n:,} validation and calibration galaxies.")
    for words in choice.passed_over.values():
        out.print(plain(f"Not compared: {words}"), style="yellow", soft_wrap=not out.is_terminal)
    shown = table("arm", "CRPS", "above", "95 % interval", "", right=("CRPS", "above"))
    for place, ranked in enumerate(choice.ranked):
        numbers = (ranked.crps, ranked.behind, ranked.low, ranked.high)
        crps, behind, low, high = (format_value("crps", number) for number in numbers)
        others = (behind, f"{low} to {high}", ranked.verdict)
        shown.add_row(ranked.arm, crps, *(others if place else ("", "", "the best")))
    out.print()
    out.print(shown)
    say_in_words(
        "Chance and intervals are those of galaxies alone; other trainings may differ by more."
    )
    out.print()


def _show_decision(out: "Console", decision: "Decision") -> None:
    """Print every line of the gate; a blank one between kinds."""
    candidate, champion = decision.candidate, decision.champion
    if decision.is_champion and champion is not None:
        out.print(plain(f"{candidate.label} is the champion already ({champion.label})."))
        return
    against = f" against the champion {champion.label} ({champion.source})" if champion else ""
    out.print(plain(f"{candidate.label}{against}:"), style="bold")
    out.print()
    shown = table("check", "measured (95 % interval)", "expected", "verdict")
    for before, check in zip([None, *decision.checks], decision.checks, strict=False):
        if before and check.kind != before.kind:
            shown.add_row()
        verdict = Text(check.verdict, style="green" if check.passed else "bold red")
        shown.add_row(plain(check.name), plain(check.measured), plain(check.limit), verdict)
    if Measurement.get(out, out.options.update(max_width=1000), shown).maximum > out.width:
        # Words may go on in the next line, an interval may not.
        numbers = [
            (c.measured, c.limit) for c in decision.checks if c.kind in NUMBERS and c.numbers
        ]
        for column, texts in zip(shown.columns[1:3], zip(*numbers, strict=True), strict=False):
            column.width = max(map(len, texts))
    out.print(shown)


def rollback(reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "") -> None:
    """Make the previous champion the champion again; a second rollback undoes the first.

    promotions.json, the audit trail, is to be committed to git.

    Exit code 3: there is no previous champion, its artifacts are gone, or
    somebody else was first.
    """
    with session() as store:
        from pix2z.tracking.checkout import repository_root
        from pix2z.tracking.promotion.production import checked_reason
        from pix2z.tracking.promotion.production import rollback as return_to_previous

        words, root = checked_reason(reason), repository_root()
        event = return_to_previous(store, root, reason=words)
    say_in_words(
        f"Rolled back: {event.to_version} ({event.source}) is the champion again; "
        f"{event.from_version} is now the previous one."
    )
    _say_how_to_keep(root)


def history(
    at: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Say who was champion then: 2026-11-27 (the end of that day), or "
            "2026-11-27T09:30; UTC.",
        ),
    ] = None,
    wide: WideOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print every promotion and rollback of the model in production, the oldest first.

    They are read from the registry and from promotions.json. The outcome of
    each: champion (served now), replaced, or no effect (interrupted before its
    last write, or undone by hand). Times are UTC.
    """
    moment = None if at is None else _moment(at)
    with session() as store:
        from pix2z.tracking.checkout import repository_root
        from pix2z.tracking.promotion.trail import champion_pool, outcomes, read_trail

        root = repository_root()
        events = read_trail(store.client, root)
        became = outcomes(events, champion_pool(store.client, root))
    if moment is not None:
        _show_champion_then(events, became, moment, as_json=as_json)
    elif as_json:
        told = zip(events, became, strict=True)
        print_json(
            [
                {**event.model_dump(), "key": event.key, "outcome": outcome}
                for event, outcome in told
            ]
        )
    elif events:
        _show_events(events, became, wide=wide)
    else:
        console().print("Nothing was promoted yet; `pix2z promote` makes the best arm champion.")


def _moment(text: str) -> datetime:
    """Read a date, which stands for its end, or a time; in UTC, also where another zone is said."""
    try:
        moment = datetime.fromisoformat(text)
        if len(text) <= len("2026-11-27"):
            moment = datetime.combine(moment, time.max)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"--at: expected a date as 2026-11-27 or 2026-11-27T09:30; got {text!r}"
        ) from error


def _show_champion_then(
    events: Sequence["Event"], became: Sequence[str], moment: datetime, *, as_json: bool
) -> None:
    """Print which version was champion at a moment, and how it had become that."""
    from pix2z.tracking.promotion.trail import champion_at

    event = champion_at(events, became, moment)
    if as_json:
        print_json(event and {**event.model_dump(), "key": event.key})
        return
    when = moment.strftime("%Y-%m-%d %H:%M")
    if event is None:
        console().print(f"There was no champion at {when} UTC.")
        return
    pool = event.digests.get("pool_digest", "")[:12] or "not recorded"
    reason = f": {event.reason}" if event.reason.strip() else ""
    how = f"{event.action} of {_minute(event.time)} by {event.user}{reason}"
    words = f"{event.to_version} was champion at {when} UTC, a copy of {event.source}, pool {pool}"
    say_in_words(f"{words} ({how}).")


def _show_events(events: Sequence["Event"], became: Sequence[str], *, wide: bool) -> None:
    from pix2z.evaluation.metric_names import format_value

    columns = ("when", "what", "from", "to", "copy of", "CRPS", "by", "outcome", "why")
    rows = []
    for event, outcome in zip(events, became, strict=True):
        notes = {"new test set": event.new_test_set, "small test set": event.small_test_set}
        reason = " ".join([event.reason, *(f"({note})" for note, holds in notes.items() if holds)])
        cells = [
            _minute(event.time),
            event.action,
            event.from_version or "–",
            event.to_version,
            event.source,
            format_value("crps", event.metrics.get("crps")),
            event.user,
            outcome,
            reason.strip() or "–",
        ]
        rows.append(cells)
    spare = ("copy of", "CRPS", "from", "by")
    print_table(columns, rows, right=("CRPS",), spare=spare, prose="why", wide=wide)
