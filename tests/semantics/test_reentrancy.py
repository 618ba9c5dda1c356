"""Every method called in every handler of an accepted socket.

The table shows the behaviour of Bun 1.4.5, without spurious drains (D9). `[` and `]` mark where the
call begins and returns. The last column lists the events of the client, without the zeros that fill
the send queue for `drain`. `v2` marks the handlers that `reload` installs.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.helpers.conversation import Log, Talk

TABLE = """\
open    | write     | 1    | s.open [ ]                          | c.open c.data(w)
open    | end       | 0    | s.open [ s.close ]                  | c.open c.end c.close
open    | end data  | 1    | s.open [ s.close ]                  | c.open c.data(e) c.end c.close
open    | close     | None | s.open [ s.close ]                  | c.open c.end c.close
open    | terminate | None | s.open [ s.close ]                  | c.open c.close(ECONNRESET)
open    | shutdown  | None | s.open [ ] s.close                  | c.open c.end c.close
open    | stop      | None | s.open [ ]                          | c.open
open    | stop all  | None | s.open [ s.close ]                  | c.open c.end c.close
open    | pause     | None | s.open [ ]                          | c.open
open    | resume    | None | s.open [ ]                          | c.open
open    | reload    | None | s.open [ ]                          | c.open
data    | write     | 1    | s.data(d) [ ]                       | c.data(w)
data    | end       | 0    | s.data(d) [ s.close ]               | c.end c.close
data    | end data  | 1    | s.data(d) [ s.close ]               | c.data(e) c.end c.close
data    | close     | None | s.data(d) [ s.close ]               | c.end c.close
data    | terminate | None | s.data(d) [ s.close ]               | c.close(ECONNRESET)
data    | shutdown  | None | s.data(d) [ ] s.close               | c.end c.close
data    | stop      | None | s.data(d) [ ]
data    | stop all  | None | s.data(d) [ s.close ]               | c.end c.close
data    | pause     | None | s.data(d) [ ]
data    | resume    | None | s.data(d) [ ]
data    | reload    | None | s.data(d) [ ]
drain   | write     | 1    | s.drain [ ]                         | c.data(w)
drain   | end       | 0    | s.drain [ s.close ]                 | c.end c.close
drain   | end data  | 1    | s.drain [ s.close ]                 | c.data(e) c.end c.close
drain   | close     | None | s.drain [ s.close ]                 | c.end c.close
drain   | terminate | None | s.drain [ s.close ]                 | c.close(ECONNRESET)
drain   | shutdown  | None | s.drain [ ] s.close                 | c.end c.close
drain   | stop      | None | s.drain [ ]
drain   | stop all  | None | s.drain [ s.close ]                 | c.end c.close
drain   | pause     | None | s.drain [ ]
drain   | resume    | None | s.drain [ ]
drain   | reload    | None | s.drain [ ]
end     | write     | 1    | s.end [ ] s.close                   | c.data(w) c.close
end     | end       | 0    | s.end [ s.close ]                   | c.close
end     | end data  | 1    | s.end [ s.close ]                   | c.data(e) c.close
end     | close     | None | s.end [ s.close ]                   | c.close
end     | terminate | None | s.end [ s.close ]                   | c.close(ECONNRESET)
end     | shutdown  | None | s.end [ ] s.close                   | c.close
end     | stop      | None | s.end [ ] s.close                   | c.close
end     | stop all  | None | s.end [ s.close ]                   | c.close
end     | pause     | None | s.end [ ] s.close                   | c.close
end     | resume    | None | s.end [ ] s.close                   | c.close
end     | reload    | None | s.end [ ] v2.close                  | c.close
close   | write     | -1   | s.close [ ]                         | c.end c.close
close   | end       | -1   | s.close [ ]                         | c.end c.close
close   | end data  | -1   | s.close [ ]                         | c.end c.close
close   | close     | None | s.close [ ]                         | c.end c.close
close   | terminate | None | s.close [ ]                         | c.end c.close
close   | shutdown  | None | s.close [ ]                         | c.end c.close
close   | stop      | None | s.close [ ]                         | c.end c.close
close   | stop all  | None | s.close [ ]                         | c.end c.close
close   | pause     | None | s.close [ ]                         | c.end c.close
close   | resume    | None | s.close [ ]                         | c.end c.close
close   | reload    | None | s.close [ ]                         | c.end c.close
error   | write     | 1    | s.data(d) s.error(Boom) [ ]         | c.data(w)
error   | end       | 0    | s.data(d) s.error(Boom) [ s.close ] | c.end c.close
error   | end data  | 1    | s.data(d) s.error(Boom) [ s.close ] | c.data(e) c.end c.close
error   | close     | None | s.data(d) s.error(Boom) [ s.close ] | c.end c.close
error   | terminate | None | s.data(d) s.error(Boom) [ s.close ] | c.close(ECONNRESET)
error   | shutdown  | None | s.data(d) s.error(Boom) [ ] s.close | c.end c.close
error   | stop      | None | s.data(d) s.error(Boom) [ ]
error   | stop all  | None | s.data(d) s.error(Boom) [ s.close ] | c.end c.close
error   | pause     | None | s.data(d) s.error(Boom) [ ]
error   | resume    | None | s.data(d) s.error(Boom) [ ]
error   | reload    | None | s.data(d) s.error(Boom) [ ]
timeout | write     | 1    | s.timeout [ ]                       | c.data(w)
timeout | end       | 0    | s.timeout [ s.close ]               | c.end c.close
timeout | end data  | 1    | s.timeout [ s.close ]               | c.data(e) c.end c.close
timeout | close     | None | s.timeout [ s.close ]               | c.end c.close
timeout | terminate | None | s.timeout [ s.close ]               | c.close(ECONNRESET)
timeout | shutdown  | None | s.timeout [ ] s.close               | c.end c.close
timeout | stop      | None | s.timeout [ ]
timeout | stop all  | None | s.timeout [ s.close ]               | c.end c.close
timeout | pause     | None | s.timeout [ ]
timeout | resume    | None | s.timeout [ ]
timeout | reload    | None | s.timeout [ ]
"""
ROWS = [[cell.strip() for cell in f"{line} |".split("|")[:5]] for line in TABLE.splitlines()]


class Boom(Exception):
    """Raised by a handler."""


def act(action: str, talk: Talk, socket: Any) -> object:
    """Call the method that the table names `action`."""
    listener = socket.listener or talk.listener
    calls: dict[str, Callable[[], object]] = {
        "write": lambda: socket.write("w"),
        "end": socket.end,
        "end data": lambda: socket.end("e"),
        "stop": listener.stop,
        "stop all": lambda: listener.stop(True),
        "reload": lambda: socket.reload(talk.log.handlers("v2")),
    }
    return calls.get(action, getattr(socket, action, None))()  # type: ignore[misc]


def provoke(event: str, talk: Talk) -> None:
    """Cause a call of the accepted socket's handler of this name."""
    if event in ("data", "error"):
        talk.client.write("d")
    elif event == "drain":
        talk.fill(talk.server)
    elif event == "end":
        talk.client.shutdown()
    elif event == "close":
        talk.server.end()
    elif event == "timeout":
        talk.server.timeout(0.001)


class Observed(Talk):
    """A connection whose accepted socket calls one method in one of its handlers, once."""

    def __init__(self, reactor: Any, event: str, action: str) -> None:
        self.returned: list[object] = []

        def handler(socket: Any, *_args: Any) -> None:
            if self.returned:
                return
            log.note("s", "[")
            self.returned.append(act(action, self, socket))
            log.note("s", "]")

        def fail(*_args: Any) -> None:
            raise Boom

        log = Log()
        failing = {"data": fail} if event == "error" else {}
        server = log.handlers("s", **failing, **{event: handler})
        super().__init__(reactor, log=log, server=server)

    def traces(self) -> tuple[str, str]:
        """Return the events of the accepted socket and those of the client."""
        self.settle()
        server = " ".join(self.log.of(who) for who in ("s", "v2")).strip()
        return _as_in_table(server), _as_in_table(self.log.of("c"))


def _as_in_table(trace: str) -> str:
    short = trace.replace("(None)", "").replace("s.[", "[").replace("s.]", "]")
    return " ".join(short.replace("\0", "").replace("c.data()", "").split())


@pytest.mark.shows("TCP-035", "TCP-038", "TCP-039", "TCP-041", "TCP-164", "TCP-176")
@pytest.mark.parametrize(
    ("event", "action", "returned", "server", "client"),
    ROWS,
    ids=[f"{row[1]} in {row[0]}" for row in ROWS],
)
def test_a_call_in_a_handler_does_what_it_does_in_bun(
    reactor: Any, event: str, action: str, returned: str, server: str, client: str
) -> None:
    talk = Observed(reactor, event, action)
    if event != "open":
        talk.settle()
        talk.log.clear()

    provoke(event, talk)
    talk.until(lambda: talk.returned)

    seen_by_server, seen_by_client = talk.traces()
    assert str(talk.returned[0]) == returned
    assert seen_by_server == server
    assert seen_by_client == client
