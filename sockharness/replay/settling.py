"""The end of a replay: the engines still write what they owe.

A `write_all` may have bytes left when the last step is done, and so may an `end` or the `echo` of a
handler. To close the sockets then would drop those bytes without a word. So the engines are asked
what they owe, and the replay goes on until that is nothing or the time of a step is over.

An idle `timeout` is not waited for: no step relies on it.
"""

from sockharness.drivers.engine import Owed
from sockharness.printable import count
from sockharness.replay.setup import Setup
from sockharness.replay.waiting import Waiting
from sockharness.story.events import Event
from sockharness.story.expectations import Mismatch
from sockharness.story.outcome import Failure, Wait

MOST = 256 * 2**20
"""The most bytes that peers may receive while a replay settles."""


def settle(setup: Setup, waiting: Waiting) -> list[tuple[Owed, Wait]]:
    """Go on until nothing is under way or owed; return what is owed when the time is over.

    All of it together has the time of one step and `MOST` bytes: two peers that echo each other's
    bytes never owe nothing.

    Raises:
        EngineFailed: an engine in another process died or does not answer.
    """
    began, before = setup.timeline.now(), _received(setup)

    def is_over() -> bool:
        late = setup.timeline.now() - began >= waiting.step
        return late or _received(setup) - before > MOST

    setup.settle(is_over)
    while owed := setup.driver.owes():
        peer = owed[0].action.peer
        wait = waiting.wait(lambda: is_over() or not setup.driver.owes(), None, peer=peer)
        if wait is not None or is_over():
            wait = wait or waiting.since(began, None, peer=peer)
            return [(each, wait) for each in setup.driver.owes()]
        setup.settle(is_over)
    return []


def _received(setup: Setup) -> int:
    """Return the number of bytes that all connections have received."""
    return sum(channel.received for channel in setup.timeline.channels())


def did_not_finish(action: Event) -> str:
    """Return the words for an action whose bytes were not all written."""
    return f"{action.peer} {action.name} did not finish its {count(len(action.data), 'byte')}"


def unfinished(setup: Setup, owed: Owed, wait: Wait) -> Failure:
    """Return the failure of an action whose bytes were not all written in time."""
    action = owed.action
    words = did_not_finish(action)
    waited = f"{count(owed.size, 'byte')} still waited after {wait.limit:g} s"
    mismatch = Mismatch(
        headline=words,
        note=f"{words}; {waited}",
        waiting_for="the rest to be written",
        events=(action,),
    )
    location = setup.case.peers[action.peer].location
    return Failure(mismatch=mismatch, location=location, wait=wait)
