"""The close matrix of the behaviour catalogue (TCP-022..035, TCP-046, TCP-049), TCP only.

Each row: what one side calls, whether both have `end` handlers, whether both are half-open; then
what happens, the states of both sides, what a write of each returns, and what happens then. `a` is
the side that acts and `o` the other one; both sides are tried in both roles (TCP-034).
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.helpers.conversation import Log, Talk

ACTIONS: dict[str, Callable[[Any], object]] = {
    "end": lambda socket: socket.end(),
    "end bye": lambda socket: socket.end("bye"),
    "shutdown": lambda socket: socket.shutdown(),
    "shutdown read": lambda socket: socket.shutdown(True),
    "terminate": lambda socket: socket.terminate(),
    "close": lambda socket: socket.close(),
}
N = "None"
MATRIX = [
    # action, end handlers, half-open: trace | states | writes | trace after the writes
    ("end", True, False, f"a.close({N}) o.end o.close({N})", (-1, -1), (-1, -1), ""),
    (
        "end bye",
        True,
        False,
        f"a.close({N}) o.data(bye) o.end o.close({N})",
        (-1, -1),
        (-1, -1),
        "",
    ),
    ("shutdown", True, False, f"o.end o.close({N}) a.close({N})", (-1, -1), (-1, -1), ""),
    (
        "shutdown read",
        True,
        False,
        f"a.end a.close({N}) o.end o.close({N})",
        (-1, -1),
        (-1, -1),
        "",
    ),
    ("terminate", True, False, f"a.close({N}) o.close(ECONNRESET)", (-1, -1), (-1, -1), ""),
    ("close", True, False, f"a.close({N}) o.end o.close({N})", (-1, -1), (-1, -1), ""),
    ("end", True, True, f"a.close({N}) o.end", (-1, 1), (-1, 2), "o.close(EPIPE)"),
    ("end bye", True, True, f"a.close({N}) o.data(bye) o.end", (-1, 1), (-1, 2), "o.close(EPIPE)"),
    ("shutdown", True, True, "o.end", (1, 1), (-1, 2), "a.data(o2)"),
    ("shutdown read", True, True, "a.end", (1, 1), (2, 2), "o.data(a2)"),
    ("terminate", True, True, f"a.close({N}) o.close(ECONNRESET)", (-1, -1), (-1, -1), ""),
    ("close", True, True, f"a.close({N}) o.end", (-1, 1), (-1, 2), "o.close(EPIPE)"),
    *[
        row
        for half_open in (False, True)
        for row in (
            ("end", False, half_open, f"a.close({N}) o.close({N})", (-1, -1), (-1, -1), ""),
            (
                "end bye",
                False,
                half_open,
                f"a.close({N}) o.data(bye) o.close({N})",
                (-1, -1),
                (-1, -1),
                "",
            ),
            ("shutdown", False, half_open, f"o.close({N}) a.close({N})", (-1, -1), (-1, -1), ""),
            (
                "shutdown read",
                False,
                half_open,
                f"a.close({N}) o.close({N})",
                (-1, -1),
                (-1, -1),
                "",
            ),
            (
                "terminate",
                False,
                half_open,
                f"a.close({N}) o.close(ECONNRESET)",
                (-1, -1),
                (-1, -1),
                "",
            ),
            ("close", False, half_open, f"a.close({N}) o.close({N})", (-1, -1), (-1, -1), ""),
        )
    ],
]


@pytest.mark.shows(
    "TCP-022",
    "TCP-026",
    "TCP-028",
    "TCP-029",
    "TCP-030",
    "TCP-031",
    "TCP-033",
    "TCP-034",
    "TCP-046",
    "TCP-049",
    "TCP-058",
)
@pytest.mark.parametrize("actor", ["client", "server"])
@pytest.mark.parametrize(
    ("action", "end_handlers", "half_open", "trace", "states", "writes", "then"), MATRIX
)
def test_close_operations_look_like_bun_from_both_sides(
    tcp: Callable[..., Talk],
    actor: str,
    action: str,
    end_handlers: bool,
    half_open: bool,
    trace: str,
    states: tuple[int, int],
    writes: tuple[int, int],
    then: str,
) -> None:
    log = Log()
    names = ["open", "data", "close", "error", *(["end"] if end_handlers else [])]
    talk = tcp(
        log=log,
        server=log.handlers("o" if actor == "client" else "a", *names),
        client=log.handlers("a" if actor == "client" else "o", *names),
        allow_half_open=half_open,
    )
    first, second = (talk.client, talk.server) if actor == "client" else (talk.server, talk.client)
    log.clear()

    ACTIONS[action](first)

    assert talk.trace() == trace
    assert (first.ready_state, second.ready_state) == states
    log.clear()
    assert (first.write("a2"), second.write("o2")) == writes
    assert talk.trace() == then
