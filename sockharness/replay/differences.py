"""The differences that a spec states for an engine; each names the row that says why.

A step that the spec expects to fail must fail. If it passes, the spec or the row is out of date,
and that is a failure.
"""

from collections.abc import Iterable, Mapping, Sequence

from sockharness.replay.setup import Setup
from sockharness.sockspec import model
from sockharness.sockspec.decode import words
from sockharness.story.expectations import Mismatch
from sockharness.story.outcome import Failure


class Differs(Exception):
    """A step does not hold, and the spec says so for this engine."""

    def __init__(self, row: str, failure: Failure) -> None:
        super().__init__(row)
        self.row = row
        self.failure = failure


def otherwise(setup: Setup, number: int, step: model.Step) -> model.Difference | None:
    """Return the difference that a step states for an engine of one of its peers, if any."""
    differences = setup.case.differing.get(number)
    return _here(setup, differences, _peers(step)) if differences else None


def why_it_fails(setup: Setup, failures: list[Failure]) -> str:
    """Return the row that explains why the case fails on these engines, or the empty text.

    Adds a failure if the case should fail and does not: every peer runs on that engine, or the spec
    names the peer that matters.
    """
    differences = setup.case.differs
    difference = _here(setup, differences, setup.case.peers) if differences else None
    if difference is None:
        return ""
    if not failures and (len(setup.choice.engines(setup.case)) == 1 or difference.peer):
        failures.append(it_holds(difference))
        return ""
    return difference.row if failures else ""


def it_holds(difference: model.Difference) -> Failure:
    """Return the failure of a step or case that holds, though a row says that it does not."""
    words = f"this holds, which {difference.row} denies"
    hint = "take 'differs' out, or narrow it to what differs"
    mismatch = Mismatch(headline=words, note=f"{words}; {hint}")
    return Failure(mismatch=mismatch, location=difference.location)


def other_engines(setup: Setup) -> dict[str, str]:
    """Return the engine of each peer that does not run on ours."""
    if setup.choice.ours:
        return {}
    engine = {name: setup.choice.engine(peer) for name, peer in setup.case.peers.items()}
    return {name: each for name, each in engine.items() if each != words.ENGINES[0]}


def if_meant(setup: Setup, failures: Sequence[Failure]) -> str:
    """Return the words with which a spec declares a failure on another engine.

    Empty if nothing failed, or if the spec states a difference that does not exist.
    """
    if not failures:
        return ""
    others = dict.fromkeys(other_engines(setup).values())
    differing = (*setup.case.differing.values(), setup.case.differs)
    said = {each.location for differences in differing for each in differences.values()}
    if failures[0].location in said:
        return ""
    return "; ".join(f"differs: {{{name}: ROW}}, see docs/{name}-differences.md" for name in others)


def _here(
    setup: Setup, differences: Mapping[str, model.Difference], peers: Iterable[str]
) -> model.Difference | None:
    """Return the difference that applies: one for the engine of some of `peers`, or one for a named
    peer on its engine."""
    engine = {name: setup.choice.engine(peer) for name, peer in setup.case.peers.items()}
    keys = {engine[name] for name in peers} | {f"{name}:{engine[name]}" for name in engine}
    return next((each for key, each in differences.items() if key in keys), None)


def _peers(step: model.Step) -> tuple[str, ...]:
    if isinstance(step, model.Arrow):
        return step.sender.name, step.receiver.name
    return (step.peer.name,)
