"""Run a program on engines, and write each side's story in words that can be compared.

A story leaves out what the catalogue calls not deterministic: how received bytes are cut, a `drain`
(D9), the moment at which an unhandled exception surfaces (D17), the events after a failed write
(D5), and, in programs that write more than the kernel holds, the number of bytes taken and
received.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sockharness.drivers.choice import EngineChoice
from sockharness.drivers.driver import Engines
from sockharness.machine.policy import Policy
from sockharness.replay.setup import Setup
from sockharness.sockspec import loader, model
from sockharness.story.events import Event, Kind
from sockharness.story.timeline import LISTENER, Channel
from tests.differential.programs import SIDES, Program

Story = tuple[str, ...]
WRITING = ("write", "write_all", "echo", "end")
LAST_WRITES = ("end", "shutdown", "close", "terminate")
"""After these actions, a write that returns -1 was refused; it did not fail."""


@dataclass(frozen=True)
class Stories:
    """The events and actions of each side, in its own order."""

    server: Story
    client: Story

    def __str__(self) -> str:
        return "\n".join(f"{side}: {' '.join(getattr(self, side))}" for side in SIDES)


def run(program: Program, choice: EngineChoice, engines: Engines, folder: Path) -> Stories:
    """Run a program and return its stories."""
    path = folder / "program.yaml"
    path.write_text(program.spec())
    case = loader.load(path).cases[0]
    with Setup(case, policy=Policy(), choice=choice, engines=engines) as setup:
        _settle(setup)
        for step in case.steps:
            assert isinstance(step, model.Act)
            channel = _channel(setup, step)
            if channel is None:
                continue
            setup.driver.act(channel, step.action)
            setup.driver.sync()
            _settle(setup)
        entries = list(setup.timeline.entries)
    return Stories(**{side: tuple(_story(entries, side, bulky=program.bulky)) for side in SIDES})


def _settle(setup: Setup) -> None:
    # Twice: the last action of one engine may cause an event on the other one.
    setup.settle()
    setup.settle()


def _channel(setup: Setup, step: model.Act) -> Channel | None:
    """Return the channel of a step, or `None` if that side has not opened."""
    listens = step.peer.name == "server"
    if listens and step.action.name == "stop":
        return setup.timeline.channel(step.peer.name, LISTENER)
    channel = setup.timeline.channel(step.peer.name, 1)
    return channel if channel.opened is not None else None


def _story(entries: Sequence[Event], side: str, *, bulky: bool) -> Iterator[str]:
    received, raised, writable = b"", [], True
    for event in entries:
        if event.peer != side or event.name == "drain":
            continue
        if event.name == "uncaught_exception":
            raised.append(_happened(event))
            continue
        if event.name == "data" and event.kind is Kind.HANDLER:
            received += event.data
            continue
        if received:
            yield _data(received, bulky=bulky)
            received = b""
        if event.kind is Kind.HANDLER:
            yield _happened(event)
            writable &= event.name != "close"
            continue
        yield _acted(event, bulky=bulky)
        if event.name in WRITING and event.result == -1 and writable:
            return
        writable &= event.name not in LAST_WRITES
    if received:
        yield _data(received, bulky=bulky)
    yield from raised


def _data(data: bytes, *, bulky: bool) -> str:
    return "data(…)" if bulky else f"data({data.decode('latin-1')})"


def _happened(event: Event) -> str:
    if event.error is None:
        return event.name
    told = str(event.error) if event.name in ("error", "uncaught_exception") else event.code
    return f"{event.name}({told})"


def _acted(event: Event, *, bulky: bool) -> str:
    name = f".{event.name}"
    if event.result is None:
        return name
    taken: object = event.result
    if bulky and event.data and event.result >= 0:
        taken = "…"
    return f"{name}={taken}"
