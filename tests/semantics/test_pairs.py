"""All pairs of calls, one on each side, compared with pairs.txt, a record of Bun 1.4.5.

In four rows one side writes after the other side has reset. They differ by D5: Bun's write consumes
the error, and `end` and `close` follow without it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.tcp.socket import Socket
from tests.helpers.conversation import Log, Talk

CALLS: dict[str, Callable[[Socket], object]] = {
    "end": lambda socket: socket.end(),
    "end bye": lambda socket: socket.end("bye"),
    "close": lambda socket: socket.close(),
    "terminate": lambda socket: socket.terminate(),
    "shutdown": lambda socket: socket.shutdown(),
    "shutdown read": lambda socket: socket.shutdown(True),
    "write": lambda socket: socket.write("w"),
    "pause": lambda socket: socket.pause(),
}
RECORDED = (Path(__file__).parent / "pairs.txt").read_text().splitlines()
ROWS = [tuple(line.split(" | ")) for line in RECORDED if line and not line.startswith("#")]
HANDLERS = ("open", "data", "end", "close", "error")


def hold(half_open: str, turns: str, calls: tuple[str, str], first: str) -> tuple[str, ...]:
    """Make both calls, the first one on the named side; return a row as in the file."""
    with Reactor() as reactor:
        log = Log()
        talk = Talk(
            reactor,
            log=log,
            server=log.handlers("server", *HANDLERS),
            client=log.handlers("client", *HANDLERS),
            allow_half_open=half_open == "half-open",
        )
        sides = [talk.client, talk.server] if first == "client" else [talk.server, talk.client]
        names = ["client", "server"] if first == "client" else ["server", "client"]
        talk.settle()
        log.clear()
        returned = []
        for call, side in zip(calls, sides, strict=True):
            returned.append(f"{call} -> {CALLS[call](side)}")
            if turns == "two turns":
                talk.settle()
        talk.settle()
        saw = [
            f"{log.of(name).replace(f'{name}.', '')} : {side.ready_state}".strip()
            for name, side in zip(names, sides, strict=True)
        ]
    return (half_open, turns, *returned, *saw)


def mended(row: tuple[str, ...]) -> tuple[str, ...]:
    """Return a recorded row with the change of D5."""
    if row[2].startswith("terminate") and row[3].endswith(" -> -1"):
        return (*row[:5], row[5].replace("end close(None)", "close(ECONNRESET)"))
    return row


@pytest.mark.shows("TCP-029", "TCP-032", "TCP-034", "TCP-035", "TCP-036", "TCP-050", "D5")
@pytest.mark.parametrize("first", ["client", "server"])
@pytest.mark.parametrize("turns", ["one turn", "two turns"])
@pytest.mark.parametrize("half_open", ["plain", "half-open"])
def test_two_calls_have_the_outcome_they_have_in_bun(
    half_open: str, turns: str, first: str
) -> None:
    recorded = [mended(row) for row in ROWS if row[:2] == (half_open, turns)]
    calls: list[Any] = [tuple(cell.partition(" -> ")[0] for cell in row[2:4]) for row in recorded]

    observed = [hold(half_open, turns, pair, first) for pair in calls]

    assert len(observed) == len(CALLS) ** 2
    assert observed == recorded
