"""The states of a stream socket and the steps between them, as tables.

    NEW ──> OPEN ──PEER_FIN──> PEER_ENDED ──SHUTDOWN──> BOTH_ENDED ──> CLOSED
             │ └──SHUTDOWN──> SHUT ──PEER_FIN──────────────┘
             ├──END_LATER──> ENDING ──PEER_FIN──> FINISHING ──> CLOSED
             └──BREAK──> BROKEN ──> CLOSED                 (from every open state)

SHUT is our half-close, PEER_ENDED the peer's (kept only with `allow_half_open`). ENDING has the
rest of an `end(data)` still to send (D1). BROKEN had a write that failed hard, and delivers what
was received before it closes with that error (D5). NEW is what `connect_error` gets.
"""

import enum


class State(enum.Enum):
    """The state of a socket, and what is possible in it.

    Attributes:
        text: shown in the socket's repr.
        writes: the user may write.
        reads: data may arrive.
    """

    NEW = "not connected", False, False
    OPEN = "open", True, True
    PEER_ENDED = "half open", True, False
    SHUT = "shut down", False, True
    BOTH_ENDED = "ended both ways", False, False
    ENDING = "ending", False, True
    FINISHING = "ending, peer ended", False, False
    BROKEN = "broken", False, True
    CLOSED = "closed", False, False

    # Attributes, because a table keyed by members would call their `__hash__` in every event.
    def __init__(self, text: str, writes: bool, reads: bool) -> None:  # noqa: FBT001 - a row
        self.text = text
        self.writes = writes
        self.reads = reads


class ReadyState(enum.IntEnum):
    """The values of `Socket.ready_state`."""

    OPEN = 1
    CLOSED = -1


class Happening(enum.Enum):
    """An event that takes a socket to another state. Closing is possible in all states."""

    PEER_FIN = enum.auto()
    SHUTDOWN = enum.auto()
    END_LATER = enum.auto()
    BREAK = enum.auto()


NEXT = {
    (State.OPEN, Happening.PEER_FIN): State.PEER_ENDED,
    (State.OPEN, Happening.SHUTDOWN): State.SHUT,
    (State.OPEN, Happening.END_LATER): State.ENDING,
    (State.OPEN, Happening.BREAK): State.BROKEN,
    (State.PEER_ENDED, Happening.SHUTDOWN): State.BOTH_ENDED,
    (State.PEER_ENDED, Happening.END_LATER): State.FINISHING,
    (State.PEER_ENDED, Happening.BREAK): State.BROKEN,
    (State.SHUT, Happening.PEER_FIN): State.BOTH_ENDED,
    (State.ENDING, Happening.PEER_FIN): State.FINISHING,
    (State.ENDING, Happening.BREAK): State.BROKEN,
    (State.FINISHING, Happening.BREAK): State.BROKEN,
}
