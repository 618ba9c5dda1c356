"""`Harness`: what one test owns. Inside pytest the fixtures make it; outside one does it oneself:

    with sockharness.Harness() as h:
        server = h.tcp_server()
        server.expect(b"PING").reply(b"PONG")
        ...

The `with` block checks at its end, also when it raised: then the failure is raised from what the
block raised. It always closes.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Protocol

from sockharness.address import is_loopback
from sockharness.engine.runner import ThreadRunner
from sockharness.errors import ClosedError, ExpectationFailed, UsageError
from sockharness.facade.core import Core, failed
from sockharness.facade.fronts import Options, Spares
from sockharness.facade.service import Service
from sockharness.facade.tcp import TcpServer
from sockharness.outcome import Outcome
from sockharness.timeline import Timeline

__tracebackhide__ = True


class Harness:
    """Servers, the thread they run on, and the record of what happened.

    Args:
        runner: the thread to use, which stays its owner's; without one the harness has its own.
        timeout_scale: every time limit is multiplied by this.
        spares: listeners made ahead on that thread.

    Attributes:
        reserved: gives names that servers without one are not to have.
    """

    def __init__(
        self,
        runner: ThreadRunner | None = None,
        timeout_scale: float = 1.0,
        *,
        spares: Spares | None = None,
    ) -> None:
        self._spares = spares
        self._stack = ExitStack()
        self._servers: list[TcpServer] = []
        self._services: list[Service] = []
        self.reserved: Callable[[], set[str]] = set
        self._closed = False
        if runner is None:
            runner = ThreadRunner(on_exception=self.stray)
            self._stack.callback(runner.close)
        self._core = Core(runner, scale=timeout_scale)
        self._stack.callback(self._core.queues.close)

    @property
    def again(self) -> str:
        """The command that runs the test again; failure texts end with it."""
        return self._core.again

    @again.setter
    def again(self, command: str) -> None:
        self._core.again = command

    def tcp_server(
        self,
        *,
        name: str = "",
        hostname: str = "127.0.0.1",
        allow_half_open: bool = False,
        pause_on_connect: bool = False,
        backlog: int = 512,
        send_buffer: int | None = None,
        recv_buffer: int | None = None,
    ) -> TcpServer:
        """Return a new server that listens on loopback, on a port that the system chooses.

        Args:
            name: how failures call it; `tcp_server`, `tcp_server2`, … if absent.
            hostname: `"127.0.0.1"`, another loopback address, or `"localhost"`.
            allow_half_open: its end of a connection stays open after the client's FIN.
            pause_on_connect: connections do not read until `resume()`.
            backlog: how many connections may wait to be accepted.
            send_buffer: size of the kernel's buffer of a connection, in bytes.
            recv_buffer: the same for receiving.

        Raises:
            ValueError: it is no loopback address, or the name is taken.
            ClosedError: the harness is closed.
        """
        if self._closed:
            raise ClosedError("the harness is closed")
        options = Options(
            hostname=_loopback(hostname),
            allow_half_open=allow_half_open,
            pause_on_connect=pause_on_connect,
            backlog=backlog,
            send_buffer=send_buffer,
            recv_buffer=recv_buffer,
        )
        service = Service(self._core, self._name(name), options, self._spares)
        self._stack.callback(service.close)
        self._services.append(service)
        server = TcpServer(service)
        self._servers.append(server)
        return server

    def verdict(
        self, *, final: bool = False, besides: BaseException | None = None
    ) -> Outcome | None:
        """Take in all that has arrived, and return what is wrong, or nothing.

        Args:
            final: count the expectations that were left to tear-down, too.
            besides: leave out the server whose wait raised this: it has told.
        """
        if not self._services or self._closed:
            return None
        if not self.untouched:
            self._core.settle()
        told = self._core.told_by(besides)
        silent = told.by if told is not None else None
        failures = [
            failure
            for service in self._services
            if service.name != silent
            for failure in service.judge(final=final)
        ]
        return self._core.outcome(failures) if failures else None

    @property
    def untouched(self) -> bool:
        """Whether no connection has come, so that there is nothing to take in."""
        return all(service.untouched for service in self._services)

    def told(self, error: BaseException) -> Outcome | None:
        """Return what an exception has told, if a server of this harness made it just now."""
        told = self._core.told_by(error)
        return told.outcome if told is not None else None

    @property
    def timeline(self) -> Timeline:
        """What has happened on its servers."""
        return self._core.timeline

    @property
    def names(self) -> set[str]:
        """The names of its servers."""
        return {service.name for service in self._services}

    @property
    def deferred(self) -> bool:
        """Whether expectations that were left to tear-down are unmet."""
        with self._core.lock:
            return any(service.deferred for service in self._services)

    def recorded(self) -> Outcome | None:
        """Return what has gone wrong for certain by now, without missing what may yet come."""
        with self._core.lock:
            failures = [failure for service in self._services for failure in service.certain()]
            return self._core.outcome(failures) if failures else None

    def check(self, *, final: bool = False) -> None:
        """Raise if anything is not as stated; what was raised is forgotten.

        Args:
            final: count the expectations that were left to tear-down, too.

        Raises:
            ExpectationFailed: unmet expectations, other bytes, unread bytes, what handlers raised.
        """
        outcome = self.verdict(final=final)
        if outcome is not None:
            error = failed(outcome, again=self.again)
            self.clear()
            raise error

    def clear(self) -> None:
        """Forget what happened and what was expected; see `TcpServer.clear`."""
        for server in self._servers:
            server.clear()

    def close(self) -> None:
        """Close everything, the last first. Idempotent."""
        self._closed = True
        self._stack.close()

    def close_soon(self) -> None:
        """Close on the thread, which is another's; wait only if something may still be learnt.

        Order is kept there: what this test left is closed before the next one's begins.
        """
        if not self.untouched:
            self.close()
            return
        self._closed = True
        self._core.runner.post(self._stack.close)

    def stray(self, exception: BaseException) -> None:
        """Record what was raised on the harness's thread and belongs to no connection."""
        for service in self._services[:1]:
            service.stray(exception)

    def __enter__(self) -> "Harness":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.check(final=True)
            elif isinstance(error, Exception) and not isinstance(error, ExpectationFailed):
                self._explain(error)
        finally:
            self.close()

    def _explain(self, error: Exception) -> None:
        """Raise what explains an exception, or note it there, if something is wrong here."""
        outcome = self.verdict()
        if outcome is not None and explains(outcome, error):
            raise failed(outcome, again=self.again) from error
        if outcome is not None:
            note(error, outcome)

    def _name(self, name: str) -> str:
        if name in self.names:
            raise ValueError(f"name: there is a {name!r} already")
        taken = self.names | self.reserved()
        numbers = ["", *range(2, len(taken) + 2)]
        return name or next(
            each for each in (f"tcp_server{n}" for n in numbers) if each not in taken
        )

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        servers = ", ".join(f"{each.name} {each.host}:{each.port}" for each in self._services)
        return f"<Harness {state}{', ' + servers if servers else ''}>"


def explains(outcome: Outcome, symptom: BaseException) -> bool:
    """Say whether what servers found may be the cause of what a test raised.

    It is not if the test called this package wrongly; and if no connection came, what kept the
    client from connecting says more than that it did not.
    """
    if isinstance(symptom, UsageError | TypeError | ValueError) and _raised_here(symptom):
        return False
    connected = any(channel.opened is not None for channel in outcome.timeline.channels())
    return connected or any(failure.exception is not None for failure in outcome.failures)


def note(symptom: BaseException, outcome: Outcome) -> None:
    """Note at an exception what servers found besides."""
    for failure in outcome.failures:
        symptom.add_note(f"sockharness: {failure.headline}")


def _raised_here(error: BaseException) -> bool:
    """Say whether a function of this package has raised it."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    module = traceback.tb_frame.f_globals.get("__name__", "") if traceback is not None else ""
    return str(module).partition(".")[0] == __package__


class TcpServerFactory(Protocol):
    """What the fixture `tcp_server_factory` gives: `with tcp_server_factory() as server:`."""

    def __call__(
        self,
        *,
        name: str = "",
        hostname: str = "127.0.0.1",
        allow_half_open: bool = False,
        pause_on_connect: bool = False,
        backlog: int = 512,
        send_buffer: int | None = None,
        recv_buffer: int | None = None,
    ) -> AbstractContextManager[TcpServer]:
        """Make a server with a harness of its own; see `Harness.tcp_server`."""
        ...


def _loopback(hostname: str) -> str:
    """Return a name or address to bind to, if it is on loopback."""
    try:
        good = hostname == "localhost" or is_loopback(hostname)
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"hostname: expected a loopback address or 'localhost', got {hostname!r}")
    return hostname
