"""Steps, as values that never change: an arrow, an action, an expectation."""

from collections.abc import Mapping
from dataclasses import field

from sockharness.location import Location
from sockharness.record import record
from sockharness.sockspec.model.actions import Action
from sockharness.sockspec.model.bounds import Bounds
from sockharness.sockspec.model.bytes import Payload
from sockharness.sockspec.model.peers import PeerRef


@record(kw_only=True)
class Arrow:
    """`sender -> receiver: payload`: the receiver gets it; a scripted sender writes it."""

    sender: PeerRef
    receiver: PeerRef
    payload: Payload
    location: Location
    within: float | None = None


@record(kw_only=True)
class Act:
    """A peer does something; what it returns or raises (a code) may be checked."""

    peer: PeerRef
    action: Action
    location: Location
    returns: Bounds | None = None
    raises: str = ""
    within: float | None = None


@record(kw_only=True)
class Sees:
    """A peer's handler is called: `error` is a code, `none` or `any`; empty, of a `handshake`:
    whatever it is, if only it is a success.

    Attributes:
        alert: the name of the alert that the other side sent, or `none`; empty: any.
        facts: what must be true of a handshake: the words of `tls_words.FACTS` with their values.
    """

    peer: PeerRef
    event: str
    error: str
    location: Location
    message: str = ""
    alert: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    within: float | None = None


@record(kw_only=True)
class Received:
    """A peer has got these bytes next."""

    peer: PeerRef
    payload: Payload
    location: Location
    within: float | None = None


@record(kw_only=True)
class ReceivedDatagrams:
    """A peer has got these datagrams next, in this order or in any."""

    peer: PeerRef
    payloads: tuple[Payload, ...]
    location: Location
    unordered: bool = False
    within: float | None = None


@record(kw_only=True)
class Never:
    """An event does not come for `lasting` seconds."""

    peer: PeerRef
    event: str
    lasting: float
    location: Location


Step = Arrow | Act | Sees | Received | ReceivedDatagrams | Never
