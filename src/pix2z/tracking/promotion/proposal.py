"""Which version is proposed for promotion, and the decision on it; nothing is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pix2z.config.arms import Arm
from pix2z.errors import InputError, IntegrityError, RefusedError
from pix2z.tracking.promotion.gate import failing
from pix2z.tracking.promotion.held_out import find_held_out, held_out_of_arms
from pix2z.tracking.promotion.judgement import Bench, Judgement, judge
from pix2z.tracking.promotion.measure import Measured
from pix2z.tracking.promotion.ranking import Standing, rank, ranking_words, short_words
from pix2z.tracking.promotion.versions import (
    CHAMPION,
    PRODUCTION,
    Version,
    find_version,
    newest,
    read_versions,
    with_alias,
)

__all__ = ["Proposal", "Ranking", "propose"]

MOST_NAMED = 2
"""Lines of the gate that a refusal gives in full; the table has them all."""


@dataclass(frozen=True)
class Ranking:
    """How the candidate was chosen among the arms."""

    standings: tuple[Standing, ...]
    """The best first."""
    passed_over: Mapping[str, str]
    """Arms that could not be compared -> why."""
    words: str
    """The choice in a sentence or two."""
    short: str
    """The same in a few words."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A candidate, the champion it was held against, and what the gate says."""

    candidate: Version
    champion: Version | None
    ranking: Ranking | None = None
    """None where a person named the candidate."""
    judgement: Judgement | None = None
    """None where the candidate is the champion already."""

    @property
    def is_champion(self) -> bool:
        """Whether the champion is this very pool already."""
        champion = self.champion
        return champion is not None and champion.pool_digest == self.candidate.pool_digest

    @property
    def passed(self) -> bool:
        """Whether every line of the gate passed."""
        return self.judgement is not None and not failing(self.judgement.checks)

    @property
    def refusal(self) -> str:
        """The lines that failed, in one line: the first ones in full."""
        checks = failing(self.judgement.checks) if self.judgement else []
        failed = [check for check in checks if check.passed is False] or checks
        words = [check.sentence for check in failed[:MOST_NAMED]]
        if len(failed) > MOST_NAMED:
            words.append(f"and {len(failed) - MOST_NAMED} more")
        return f"{self.candidate.label} is refused: {'; '.join(words)}"


def propose(
    bench: Bench, arms: Mapping[str, Arm], *, model: str | None, new_test_set: bool
) -> Proposal:
    """Find the candidate, measure it and the champion on the same test galaxies, and decide.

    Parameters
    ----------
    arms : what may be chosen from, where `model` is None: the one with the lowest CRPS.
    model : what `find_version` takes.
    new_test_set : as of `judge`.

    Raises
    ------
    InputError
        Nothing is registered, `model` is unknown, or files of the test galaxies are missing.
    RefusedError
        `model` is None and no arm can be measured.
    """
    versions = read_versions(bench.store.client)
    if not versions:
        raise InputError("no models are registered yet; run `make repro`")
    champion = with_alias(versions, CHAMPION)
    if model is None:
        return _best_arm(bench, versions, arms, champion, new_test_set=new_test_set)
    candidate = find_version(versions, model)
    proposal = Proposal(candidate, champion)
    if proposal.is_champion:
        return proposal
    held_out = find_held_out(bench.root, candidate.test_digest) if candidate.test_digest else None
    judgement = judge(bench, candidate, champion, held_out, new_test_set=new_test_set)
    return Proposal(candidate, champion, judgement=judgement)


def _best_arm(
    bench: Bench,
    versions: Sequence[Version],
    arms: Mapping[str, Arm],
    champion: Version | None,
    *,
    new_test_set: bool,
) -> Proposal:
    """Measure the newest version of every arm, and judge the one with the lowest CRPS."""
    held_out = held_out_of_arms(bench.root)
    found: dict[str, tuple[Version, Measured]] = {}
    passed_over: dict[str, str] = {}
    for arm in arms:
        version = newest(versions, f"{PRODUCTION}-{arm}")
        if version is None or version.test_digest != held_out.digest:
            passed_over[arm] = _why_not(arm, version, held_out.digest)
            continue
        try:
            found[arm] = version, bench.measure(version, held_out)
        except IntegrityError as error:
            passed_over[arm] = str(error)
    if not found:
        raise RefusedError(f"no arm can be promoted: {'; '.join(passed_over.values())}")
    evaluate = bench.evaluate
    terms = {arm: measured.terms for arm, (_, measured) in found.items()}
    standings = rank(terms, n_bootstrap=evaluate.n_bootstrap, seed=evaluate.seed)
    words = ranking_words(standings, n=len(held_out.rows))
    ranking = Ranking(tuple(standings), passed_over, words, short_words(standings))
    candidate, measured = found[standings[0].arm]
    proposal = Proposal(candidate, champion, ranking)
    if proposal.is_champion:
        return proposal
    judgement = judge(
        bench, candidate, champion, held_out, new_test_set=new_test_set, measured=measured
    )
    return Proposal(candidate, champion, ranking, judgement)


def _why_not(arm: str, version: Version | None, digest: str) -> str:
    """Say why an arm cannot be compared on the test galaxies of that digest."""
    if version is None:
        return f"{arm} is not registered"
    known = f"digest {version.test_digest[:8]}" if version.test_digest else "no tag test_digest"
    return f"{version.label} was tested on other galaxies ({known}) than those here ({digest[:8]})"
