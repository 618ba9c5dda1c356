"""The states of a stream socket, as tables.

    NEW ──> OPEN ──PEER_FIN──> PEER_ENDED ──SHUTDOWN──> BOTH_ENDED ──> CLOSED
             │ └──SHUTDOWN──> SHUT ──PEER_FIN──────────────┘
             ├──END_LATER──> ENDING ──PEER_FIN──> FINISHING ──> CLOSED
             └──BREAK──> BROKEN ──> CLOSED                 (from every open state)

SHUT is our half-close, PEER_ENDED the peer's (kept only with `allow_half_open`). ENDING has the
rest of an `end(data)` still to send (D1). BROKEN had a write that failed hard, and delivers what
was received before it closes with that error (D5). NEW is what `connect_error` gets.
"""

import enum
from typing import NamedTuple


class State(enum.Enum):
    """What the engine knows of a socket."""

    NEW = "not connected"
    OPEN = "open"
    PEER_ENDED = "half open"
    SHUT = "shut down"
    BOTH_ENDED = "ended both ways"
    ENDING = "ending"
    FINISHING = "ending, peer ended"
    BROKEN = "broken"
    CLOSED = "closed"


class ReadyState(enum.IntEnum):
    """What `Socket.ready_state` can be."""

    OPEN = 1
    CLOSED = -1


class Happening(enum.Enum):
    """What takes a socket from one state to another; closing is possible in all of them."""

    PEER_FIN = enum.auto()
    SHUTDOWN = enum.auto()
    END_LATER = enum.auto()
    BREAK = enum.auto()


class Rights(NamedTuple):
    """What is allowed in a state."""

    write: bool  # by the user
    read: bool  # data may arrive


RIGHTS = {
    State.NEW: Rights(write=False, read=False),
    State.OPEN: Rights(write=True, read=True),
    State.PEER_ENDED: Rights(write=True, read=False),
    State.SHUT: Rights(write=False, read=True),
    State.BOTH_ENDED: Rights(write=False, read=False),
    State.ENDING: Rights(write=False, read=True),
    State.FINISHING: Rights(write=False, read=False),
    State.BROKEN: Rights(write=False, read=True),
    State.CLOSED: Rights(write=False, read=False),
}

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
