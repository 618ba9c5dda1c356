"""The model of a spec, as values that never change: `Spec`, `Case`, `Peer`, `Step`.

The loader types every mapping and text, so other code sees values only. Every part that a
message may have to point at carries its `Location`. Actions bear the names of the engine's
methods, events those of its handlers.
"""

from sockharness.sockspec.model.actions import Action as Action
from sockharness.sockspec.model.actions import Call as Call
from sockharness.sockspec.model.actions import Echo as Echo
from sockharness.sockspec.model.actions import End as End
from sockharness.sockspec.model.actions import HandlerSet as HandlerSet
from sockharness.sockspec.model.actions import Raise as Raise
from sockharness.sockspec.model.actions import Reload as Reload
from sockharness.sockspec.model.actions import SetTimeout as SetTimeout
from sockharness.sockspec.model.actions import TlsAction as TlsAction
from sockharness.sockspec.model.actions import UpgradeTls as UpgradeTls
from sockharness.sockspec.model.actions import Write as Write
from sockharness.sockspec.model.actions import WriteAll as WriteAll
from sockharness.sockspec.model.bounds import Bounds as Bounds
from sockharness.sockspec.model.bytes import Described as Described
from sockharness.sockspec.model.bytes import Joined as Joined
from sockharness.sockspec.model.bytes import Literal as Literal
from sockharness.sockspec.model.bytes import Pattern as Pattern
from sockharness.sockspec.model.bytes import Payload as Payload
from sockharness.sockspec.model.bytes import Reference as Reference
from sockharness.sockspec.model.bytes import Repeated as Repeated
from sockharness.sockspec.model.bytes import RestOf as RestOf
from sockharness.sockspec.model.bytes import pattern_bytes as pattern_bytes
from sockharness.sockspec.model.cases import Case as Case
from sockharness.sockspec.model.cases import Difference as Difference
from sockharness.sockspec.model.cases import Spec as Spec
from sockharness.sockspec.model.datagrams import GROUP as GROUP
from sockharness.sockspec.model.datagrams import DatagramAction as DatagramAction
from sockharness.sockspec.model.datagrams import Membership as Membership
from sockharness.sockspec.model.datagrams import Multicast as Multicast
from sockharness.sockspec.model.datagrams import Send as Send
from sockharness.sockspec.model.datagrams import SendMany as SendMany
from sockharness.sockspec.model.datagrams import SetOption as SetOption
from sockharness.sockspec.model.datagrams import Udp as Udp
from sockharness.sockspec.model.hosts import LINK as LINK
from sockharness.sockspec.model.hosts import LINK6 as LINK6
from sockharness.sockspec.model.hosts import LINK_LOCAL as LINK_LOCAL
from sockharness.sockspec.model.hosts import LINKS as LINKS
from sockharness.sockspec.model.hosts import LINKS6 as LINKS6
from sockharness.sockspec.model.peers import Peer as Peer
from sockharness.sockspec.model.peers import PeerRef as PeerRef
from sockharness.sockspec.model.steps import Act as Act
from sockharness.sockspec.model.steps import Arrow as Arrow
from sockharness.sockspec.model.steps import Never as Never
from sockharness.sockspec.model.steps import Received as Received
from sockharness.sockspec.model.steps import ReceivedDatagrams as ReceivedDatagrams
from sockharness.sockspec.model.steps import Sees as Sees
from sockharness.sockspec.model.steps import Step as Step
from sockharness.sockspec.model.streams import BACKLOG as BACKLOG
from sockharness.sockspec.model.streams import Connect as Connect
from sockharness.sockspec.model.streams import Listen as Listen
from sockharness.sockspec.model.streams import StreamOptions as StreamOptions
from sockharness.sockspec.model.tls import Certificate as Certificate
from sockharness.sockspec.model.tls import ReloadTls as ReloadTls
from sockharness.sockspec.model.tls import Tls as Tls
from sockharness.sockspec.model.wire import FieldTest as FieldTest
from sockharness.sockspec.model.wire import WireCheck as WireCheck
