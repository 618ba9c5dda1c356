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


def settle(setup: Setup, waiting: Waiting) -> list[tuple[Owed, Wait]]:
    """Go on until nothing is under way or owed; return what is owed when the time is over.

    Raises:
        EngineFailed: an engine in another process died or does not answer.
    """
    while True:
        setup.settle()
        owed = setup.driver.owes()
        if not owed:
            return []
        peer = owed[0].action.peer
        wait = waiting.wait(lambda: not setup.driver.owes(), None, peer=peer)
        if wait is not None:
            return [(each, wait) for each in setup.driver.owes()]


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
