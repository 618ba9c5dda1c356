"""Short programs for two sockets: the handlers of each side, and the actions of each side.

A `Program` is data that prints as a spec. It runs as that spec, so the printed program is the one
that ran. Some programs differ for known reasons: timing, or a deliberate difference from Bun. The
strategies do not generate these:

- Only the `data` handlers of one side answer; two echoes would never end.
- A write of more bytes than the kernel holds makes the result depend on buffer sizes and timing.
  Such a program has no handlers that act on `data`, has no later action that waits for room (`end`
  with bytes: D1), and is compared without counting bytes.
- `timeout` counts seconds (D2) and `drain` may come without a reason (D9), so neither has actions.
- A side that pauses does not shut down its reading side: Bun would never report a reset (D33).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hypothesis import strategies as st

SIDES = ("server", "client")
BULK = 8_000_000
"""More bytes than two sockets on loopback hold."""

Deed = tuple[str, ...]
"""An action and its argument, as a spec has them: `("write", '"abc"')`, `("pause",)`."""
Handlers = Mapping[str, tuple[Deed, ...]]


@dataclass(frozen=True)
class Side:
    """One peer: its options, and the sets of handlers that `reload` may install.

    Attributes:
        half_open: `allow_half_open`.
        paused: `pause_on_connect`.
        sets: the handlers by version; a first `None` means a peer without `on:`.
    """

    half_open: bool = False
    paused: bool = False
    sets: tuple[Handlers | None, ...] = (None,)


@dataclass(frozen=True)
class Program:
    """Two sides and their actions in order; between two steps everything settles."""

    server: Side
    client: Side
    steps: tuple[tuple[str, Deed], ...] = field(default_factory=tuple)

    def spec(self) -> str:
        """Return it as a spec."""
        return "\n".join(self._lines()) + "\n"

    @property
    def bulky(self) -> bool:
        """Whether the program writes more than the kernel holds."""
        return any(deed == BULKY for _, deed in self.steps)

    @property
    def kinds(self) -> set[str]:
        """Return the special features of the program, for statistics."""
        text = self.spec()
        told = {deed[0] for _, deed in self.steps}
        found = {"steps that " + word for word in told}
        for word in ("reload", "raise", "echo", "half_open", "pause_on_connect"):
            found |= {word} if word in text else set()
        return found | ({"more than the kernel holds"} if self.bulky else set())

    def _lines(self) -> Iterator[str]:
        yield "sockspec: 1"
        yield "name: a program on which the engines differ"
        sets = [each for side in SIDES for each in self._used(side)]
        if sets:
            yield "handlers:"
            for name, handlers in sets:
                yield f"  {name}: {{{', '.join(_handler(*item) for item in handlers.items())}}}"
        yield "peers:"
        yield f"  server: {_peer(self.server, 'server', 'listen: loopback')}"
        yield f"  client: {_peer(self.client, 'client', 'connect: server')}"
        yield "exchange:"
        for side, deed in self.steps:
            yield f"  - {side}: {_deed(deed) if len(deed) == 1 else '{' + _deed(deed) + '}'}"

    def _used(self, side: str) -> Iterator[tuple[str, Handlers]]:
        """Yield the handlers that can be in use, with their names."""
        sets: tuple[Handlers | None, ...] = getattr(self, side).sets
        told = {deed for _, deed in self.steps}
        used, fresh = set(), {0} | {n for n in range(len(sets)) if _reload(side, n) in told}
        while fresh:
            used |= fresh
            told = {d for n in fresh for acts in (sets[n] or {}).values() for d in acts}
            fresh = {n for n in range(len(sets)) if _reload(side, n) in told} - used
        for version in sorted(used):
            handlers = sets[version]
            if handlers is not None:
                yield f"{side}{version}", handlers


def _reload(side: str, version: int) -> Deed:
    return "reload", f"{side}{version}"


def _peer(side: Side, name: str, target: str) -> str:
    words = [target]
    words += ["allow_half_open: true"] if side.half_open else []
    words += ["pause_on_connect: true"] if side.paused else []
    on = f", on: {name}0" if side.sets[0] is not None else ""
    return f"{{tcp: {{{', '.join(words)}}}{on}}}"


def _handler(event: str, deeds: tuple[Deed, ...]) -> str:
    shown = (_deed(deed) if len(deed) == 1 else "{" + _deed(deed) + "}" for deed in deeds)
    return f"{event}: [{', '.join(shown)}]"


def _deed(deed: Deed) -> str:
    return ": ".join(deed)


# ---- strategies

BULKY: Deed = ("write", f"{{bytes: {BULK}, pattern: counter}}")
QUIET: tuple[Deed, ...] = (
    ("end",),
    ("close",),
    ("terminate",),
    ("shutdown",),
    ("pause",),
    ("resume",),
    ("flush",),
)
WRITES: tuple[Deed, ...] = (("write", '"ab"'), ("write", '"xyz"'))
LAST_WORD: Deed = ("end", '"!"')
ANSWERS: tuple[Deed, ...] = (("echo",), *WRITES)
SHUT_READING: Deed = ("shutdown", "read")
RAISE: Deed = ("raise", "oops")


def deeds(
    side: str, versions: int, *, event: str, writes: bool, bulk: bool
) -> st.SearchStrategy[Deed]:
    """Return the actions that a handler may have."""
    choice = [*QUIET, RAISE]
    choice += [_reload(side, version) for version in range(versions)]
    if writes:
        choice += ANSWERS * 2 if event == "data" else WRITES
        choice += () if bulk else (LAST_WORD,)
    return st.sampled_from(choice)


@st.composite
def handler_sets(
    draw: st.DrawFn, side: str, *, answers: bool, bulk: bool
) -> tuple[Handlers | None, ...]:
    """Return the handlers of a side by version."""
    versions = draw(st.integers(1, 3))
    sets: list[Handlers | None] = []
    for version in range(versions):
        if version == 0 and not draw(st.booleans()):
            sets.append(None)
            continue
        names = ["open", "end", "close", "error", *(() if bulk else ("data",))]
        chosen = draw(st.lists(st.sampled_from(names), unique=True, min_size=1, max_size=4))
        sets.append(
            {
                event: tuple(
                    draw(
                        st.lists(
                            deeds(
                                side,
                                versions,
                                event=event,
                                writes=event != "data" or answers,
                                bulk=bulk,
                            ),
                            min_size=int(event == "data"),
                            max_size=3,
                        )
                    )
                )
                for event in chosen
            }
        )
    return _nameable(tuple(sets), side)


def _nameable(sets: tuple[Handlers | None, ...], side: str) -> tuple[Handlers | None, ...]:
    """Drop reloads of handlers without a name, which a peer without `on:` has."""
    if sets[0] is not None:
        return sets
    nameless = _reload(side, 0)
    return tuple(
        handlers
        and {name: tuple(d for d in acts if d != nameless) for name, acts in handlers.items()}
        for handlers in sets
    )


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Return a program."""
    bulk = draw(st.integers(0, 11)) == 11
    answering = draw(st.sampled_from(("", *SIDES))) if not bulk else ""
    sides = {}
    for name in SIDES:
        sides[name] = Side(
            half_open=draw(st.booleans()),
            paused=draw(st.integers(0, 4)) == 4,
            sets=draw(handler_sets(name, answers=answering == name, bulk=bulk)),
        )
    steps = _without_mute(draw(st.lists(_steps(sides, bulk=bulk), min_size=3, max_size=10)), sides)
    if all(side != "client" for side, _ in steps):
        steps.append(("client", ("flush",)))  # in a spec, every peer has a step
    return Program(sides["server"], sides["client"], tuple(steps))


def _without_mute(
    steps: list[tuple[str, Deed]], sides: Mapping[str, Side]
) -> list[tuple[str, Deed]]:
    """Drop `shutdown: read` on a side that may be paused (D33)."""
    pausing = {side for side, deed in steps if deed == ("pause",)}
    for name, side in sides.items():
        acts = [acts for handlers in side.sets for acts in (handlers or {}).values()]
        if side.paused or any(("pause",) in each for each in acts):
            pausing.add(name)
    return [each for each in steps if each[1] != SHUT_READING or each[0] not in pausing]


def _steps(sides: Mapping[str, Side], *, bulk: bool) -> st.SearchStrategy[tuple[str, Deed]]:
    choice: list[tuple[str, Deed]] = []
    for name, side in sides.items():
        own = [*QUIET, *WRITES, SHUT_READING]
        own += [
            _reload(name, version)
            for version, handlers in enumerate(side.sets)
            if handlers is not None
        ]
        own += [BULKY] * 4 if bulk else [LAST_WORD]
        choice += [(name, deed) for deed in own]
    choice += [("server", ("stop",)), ("server", ("stop", "true"))]
    return st.sampled_from(choice)
