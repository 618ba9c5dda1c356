"""The choice of engines: which engine plays which peer of a spec.

A choice is written `bun` (every peer), or `server:bun,client:sockharness` (peer by peer; any other
peer runs on our engine). `server` also means every peer that listens or is bound, `client` every
peer that connects, unless the choice names the peer itself: specs call their peers as they like.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field

from sockharness.errors import UsageError
from sockharness.nearest import did_you_mean
from sockharness.record import record
from sockharness.sockspec.decode.words import ENGINES
from sockharness.sockspec.model import Case, Peer

OURS = ENGINES[0]
ROLES = ("server", "client")
"""The names that also mean each peer that listens, or connects, and is not named itself."""


@record
class EngineChoice:
    """Which engine plays which peer of a spec.

    Attributes:
        default: the engine of peers that `parts` does not name.
        parts: an engine for a peer's name, or for `server` and `client`.
    """

    default: str = OURS
    parts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "EngineChoice":
        """Read one choice.

        Raises:
            UsageError: if it names an unknown engine.
        """
        if ":" not in text:
            return cls(_engine(text))
        parts: dict[str, str] = {}
        for part in text.split(","):
            peer, colon, engine = part.partition(":")
            if not colon or not peer:
                raise UsageError(f"expected PEER:ENGINE, got {part!r}")
            if peer in parts:
                raise UsageError(f"{peer!r} is named twice")
            parts[peer] = _engine(engine)
        return cls(OURS, parts)

    def engine(self, peer: Peer) -> str:
        """Return the engine that plays a peer."""
        if not self.parts:
            return self.default
        role = "server" if peer.serves else "client"
        return self.parts.get(peer.name) or self.parts.get(role) or self.default

    def engines(self, case: Case) -> tuple[str, ...]:
        """Return the engines that a case needs, each once."""
        return tuple(dict.fromkeys(map(self.engine, case.peers.values())))

    @property
    def names(self) -> tuple[str, ...]:
        """The engines that it names, or the default engine."""
        return tuple(self.parts.values()) or (self.default,)

    @property
    def ours(self) -> bool:
        """Whether it is the default: every peer runs on the engine of this package."""
        return not self.parts and self.default == OURS

    @property
    def label(self) -> str:
        """Name it in a test's id, without characters that `-k` could not take."""
        mixed = "+".join(f"{peer}:{engine}" for peer, engine in self.parts.items())
        return mixed or self.default

    def __str__(self) -> str:
        return self.label.replace("+", ",")


def choices(texts: Iterable[str]) -> tuple[EngineChoice, ...]:
    """Read the values of the option: each a list of engines, or one mix of peers.

    Raises:
        UsageError: if one names an unknown engine.
    """
    found: dict[str, EngineChoice] = {}
    for text in texts:
        mixed = [part for part in text.split(",") if ":" in part]
        plain = [part for part in text.split(",") if ":" not in part]
        for each in (*plain, *([",".join(mixed)] if mixed else [])):
            choice = EngineChoice.parse(each)
            found[choice.label] = choice
    return tuple(found.values()) or (EngineChoice(),)


def unknown_peer(choice: EngineChoice, peers: Iterable[str]) -> str:
    """Return an error text if a mix names a peer that no spec has, else the empty text."""
    known = tuple(sorted({*peers, *ROLES}))
    for name in choice.parts:
        if name not in known:
            near = did_you_mean(name, known)
            return f"no peer {name!r} in any spec; {near or 'there are ' + ', '.join(known)}"
    return ""


def choices_of_id(name: str) -> str:
    """Return the engines in an item's name (`echo[a-line-bun]`), as the option has them."""
    brackets = name.rpartition("[")[2].removesuffix("]") if name.endswith("]") else ""
    last = brackets.rpartition("-")[2]
    engines = [part.rpartition(":")[2] for part in last.split("+")]
    return last.replace("+", ",") if set(engines) <= set(ENGINES) else ""


def _engine(name: str) -> str:
    if "=" in name:
        mend = f"an engine for a peer is written '{name.replace('=', ':')}'"
        raise UsageError(f"no engine {name!r}; {mend}")
    if name not in ENGINES:
        near = did_you_mean(name, ENGINES)
        raise UsageError(f"no engine {name!r}; {near or 'there are ' + ', '.join(ENGINES)}")
    return name
