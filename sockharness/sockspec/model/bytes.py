"""Bytes in a spec, as values that never change: something to write, and something to expect."""

from array import array
from functools import lru_cache
from typing import Protocol

from sockharness.match.exact import Exact
from sockharness.match.joined import Concat
from sockharness.match.matcher import Matcher
from sockharness.record import record
from sockharness.sockspec.model.bindings import Bindings


class Payload(Protocol):
    """Bytes in a spec: one side writes them, the other expects them."""

    def data(self, names: Bindings) -> bytes:
        """Return the bytes to write."""
        ...

    def matcher(self, names: Bindings) -> Matcher:
        """Return the matcher that expects them."""
        ...


@record
class Literal:
    """Bytes that stand in the file."""

    content: bytes

    def data(self, names: Bindings) -> bytes:
        """Return the bytes."""
        return self.content

    def matcher(self, names: Bindings) -> Matcher:
        """Expect these very bytes."""
        return Exact(self.content)


@record
class Pattern:
    """Many bytes, described: `counter` (32-bit big-endian numbers from 0) or `zero`."""

    size: int
    kind: str

    def data(self, names: Bindings) -> bytes:
        """Make the bytes."""
        return pattern_bytes(self.size, self.kind)

    def matcher(self, names: Bindings) -> Matcher:
        """Expect these very bytes."""
        return Exact(self.data(names))


@record
class Repeated:
    """Bytes again and again, made when they are needed: many of them fit into a short file."""

    once: bytes
    times: int

    def data(self, names: Bindings) -> bytes:
        """Make the bytes."""
        return self.once * self.times

    def matcher(self, names: Bindings) -> Matcher:
        """Expect these very bytes."""
        return Exact(self.data(names))


@record
class Reference:
    """The value that a name is bound to while the case runs."""

    name: str

    def data(self, names: Bindings) -> bytes:
        """Return the value as bytes."""
        return names.data(self.name)

    def matcher(self, names: Bindings) -> Matcher:
        """Expect the value."""
        return Exact(names.data(self.name))


@record
class RestOf:
    """The rest of some bytes, after a captured count."""

    whole: Payload
    after: str

    def data(self, names: Bindings) -> bytes:
        """Return the bytes from the captured count on."""
        return self.whole.data(names)[names.number(self.after) :]

    def matcher(self, names: Bindings) -> Matcher:
        """Expect the rest."""
        return Exact(self.data(names))


@record
class Joined:
    """One payload behind another."""

    parts: tuple[Payload, ...]

    def data(self, names: Bindings) -> bytes:
        """Return the bytes of all parts."""
        return b"".join(part.data(names) for part in self.parts)

    def matcher(self, names: Bindings) -> Matcher:
        """Expect part after part."""
        return Concat([part.matcher(names) for part in self.parts])


@record
class Described:
    """Bytes that are only described; `example` is what a scripted sender writes."""

    expected: Matcher
    example: Payload | None = None

    def data(self, names: Bindings) -> bytes:
        """Return the example; the loader sees to it that a sender has one."""
        assert self.example is not None, "the loader asks a sender for an example"
        return self.example.data(names)

    def matcher(self, names: Bindings) -> Matcher:
        """Expect the described bytes."""
        return self.expected


def can_be_written(payload: Payload) -> bool:
    """Return whether there are bytes to write: a description needs an example."""
    if isinstance(payload, Joined):
        return all(map(can_be_written, payload.parts))
    return not isinstance(payload, Described) or payload.example is not None


def is_empty(payload: Payload) -> bool:
    """Return whether a payload has no bytes."""
    if isinstance(payload, Joined):
        return all(map(is_empty, payload.parts))
    return isinstance(payload, Literal | Repeated) and not size_of(payload)


def captured_names(payload: Payload) -> set[str]:
    """Return the names that a payload captures when it comes."""
    if isinstance(payload, Joined):
        return set().union(*map(captured_names, payload.parts))
    return payload.expected.names() if isinstance(payload, Described) else set()


def size_of(payload: Payload) -> int:
    """Return the number of bytes of a payload, if it is known before the run."""
    match payload:
        case Literal(content):
            return len(content)
        case Repeated(once, times):
            return len(once) * times
        case Pattern(size):
            return size
        case Joined(parts):
            return sum(map(size_of, parts))
    return 0


@lru_cache(maxsize=8)
def pattern_bytes(size: int, kind: str) -> bytes:
    """Return `size` bytes of a pattern; the few most recent ones are kept."""
    if kind == "zero":
        return bytes(size)
    numbers = array("I", range(size // 4 + 1))
    numbers.byteswap()
    return numbers.tobytes()[:size]
