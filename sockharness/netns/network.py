"""Networks of hosts for a test: no other process is there, and nothing else uses their ports.

A host is a network namespace. `Network` starts the owner of its namespaces and asks it for
sockets and programs inside. `owner.py` says why the owner is its own process. This process never
changes its namespaces, so it may have threads, and its tests may be anywhere.

How a network is made, without a password: the owner makes a user namespace and is its root. If
user namespaces are forbidden, a real root needs none. The user namespace is tried first: its root
can do no harm outside, and a real root can. If both fail, the text of `Unavailable` names the
forbidden step and the remedy.

`close` ends the owner. The kernel then ends all programs started inside, and their children. With
the last descriptor it removes the namespaces, their interfaces and addresses. The owner watches
this process, so the same happens when this process is killed. A socket made inside belongs to the
caller and keeps its namespace alive until it is closed.

Interfaces are set up from here, over netlink sockets made inside (`rtnetlink.py`). The
maker of a user namespace has all rights in it (user_namespaces(7)), so a test may bind to port 80.

A network and its hosts may be used from any thread.
"""

import errno
import os
import shutil
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any

from sockharness.errors import UsageError, with_code
from sockharness.netns.owned import Owner
from sockharness.netns.pipes import Pipes
from sockharness.netns.program import Program
from sockharness.netns.rtnetlink import LOOPBACK_INDEX, Rtnetlink

MAX_LINKS = 255

# The groups' route of a link is preferred to that of loopback, and of an earlier link to a later.
_METRIC_OF_LOOPBACK = 4096
_METRIC_OF_LINKS = 1024
_GROUPS = (("224.0.0.0", 4), ("ff00::", 8))


@dataclass(frozen=True, slots=True)
class Interface:
    """An end of a link: an interface of a host.

    Attributes:
        name: `"eth0"` for a host's first.
        index: its number in the host's namespace, for `IPV6_MULTICAST_IF` and zones.
        ipv4: its address, in a /24.
        ipv6: its unique local address (RFC 4193), in a /64; `None` if the kernel has no IPv6.
        link_local: its address in fe80::/64; `None` likewise.
    """

    name: str
    index: int
    ipv4: str
    ipv6: str | None
    link_local: str | None


class Host:
    """A network namespace of a `Network`, which makes it."""

    __slots__ = ("_namespace", "_number", "_owner", "interfaces", "name")

    def __init__(self, name: str, *, owner: Owner, number: int, namespace: int) -> None:
        self.name = name
        self.interfaces: tuple[Interface, ...] = ()
        self._owner = owner
        self._number = number
        self._namespace = namespace

    def __repr__(self) -> str:
        return f"<Host {self.name} {' '.join(self.addresses) or 'without a link'}>"

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return its addresses on links, IPv4 before IPv6, without the link-local ones."""
        families = [(end.ipv4, end.ipv6) for end in self.interfaces]
        return tuple(
            address for family in zip(*families, strict=True) for address in family if address
        )

    def is_beside(self, other: "Host") -> bool:
        """Return whether both hosts are in one network, so that a link may join them."""
        return self._owner is other._owner  # noqa: SLF001 - of the same class

    def fileno(self) -> int:
        """Return the namespace's descriptor, such as for setns(2); the network closes it."""
        return self._namespace

    def socket(
        self,
        family: int = socket.AF_INET,
        type: int = socket.SOCK_STREAM,
        proto: int = 0,
    ) -> socket.socket:
        """Make a socket here, of any family, `AF_PACKET` and `AF_NETLINK` too; it is the caller's.

        Names of interfaces given to it mean this host's.

        Raises:
            OSError: as of socket(2).
            ClosedError: the network is closed.
        """
        descriptor = self._owner.ask("socket", self._number, int(family), int(type), proto)
        try:
            return socket.socket(family, type, proto, fileno=descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def rtnetlink(self) -> Rtnetlink:
        """Return a socket for changes of this host's interfaces; the caller closes it."""
        return Rtnetlink(self.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE))

    def run(
        self,
        args: Sequence[str | os.PathLike[str]],
        *,
        stdin: int | IO[Any] | None = None,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        text: bool = False,
    ) -> Program:
        """Start a program here; it ends with the network at the latest, and its children too.

        The arguments are those of `subprocess.Popen`. The program is looked up in the PATH of
        `env`. Inside, it runs as root, unless the kernel forbids user namespaces, and has other
        PIDs than outside.

        Raises:
            TypeError, ValueError: no list of words, or an empty one.
            OSError: it cannot be started, such as `FileNotFoundError`.
            ClosedError: the network is closed.
        """
        if isinstance(args, (str, bytes)):
            raise TypeError(
                f"args: expected a list of words, got {args!r}: no shell takes it apart"
            )
        if not args:
            raise ValueError("args: expected a program and its arguments, got none")
        words = [os.fspath(word) for word in args]
        environment = dict(os.environ if env is None else env)
        with Pipes(stdin, stdout, stderr) as pipes:
            pidfd = self._owner.ask(
                "run",
                self._number,
                _find(words[0], environment),
                [os.fsencode(word) for word in words],
                {os.fsencode(key): os.fsencode(value) for key, value in environment.items()},
                os.fspath(cwd or os.getcwd()),
                descriptors=pipes.theirs,
            )
            status, *files = pipes.keep(text=text)
            return Program(words, pidfd, status, *files)


class Network:
    """Hosts and the links between them; made by `open`, ended by `close` or `with`."""

    __slots__ = ("_closing", "_hosts", "_links", "_lock", "_owner")

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._lock = threading.Lock()
        self._closing = ExitStack()
        self._closing.callback(owner.close)
        self._hosts: dict[str, Host] = {}
        self._links = 0

    @classmethod
    def open(cls) -> "Network":
        """Return a network without hosts.

        Raises:
            Unavailable: this process may not make network namespaces; the text says why.
        """
        return cls(Owner.start())

    def __enter__(self) -> "Network":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Network hosts={list(self._hosts)} {self._owner!r}>"

    @property
    def closed(self) -> bool:
        """Return whether `close` was called."""
        return self._owner.closed

    def host(self, name: str) -> Host:
        """Make a host with a loopback interface, where its multicast goes until it has a link.

        Raises:
            TypeError: the name is no text.
            UsageError: there is one of that name.
            ClosedError: the network is closed.
            OSError: the kernel refused, such as ENOSPC at its limit of namespaces.
        """
        if not isinstance(name, str):
            raise TypeError(f"host: expected a name, got {name!r}")
        with self._lock:
            if name in self._hosts:
                raise UsageError(f"host: this network has a host {name!r} already")
            namespace = self._owner.ask("namespace")
            self._closing.callback(os.close, namespace)
            host = Host(name, owner=self._owner, number=len(self._hosts), namespace=namespace)
            self._hosts[name] = host
        with host.rtnetlink() as interfaces:
            interfaces.up(LOOPBACK_INDEX)
            _route_groups(interfaces, LOOPBACK_INDEX, _METRIC_OF_LOOPBACK, ipv6=socket.has_ipv6)
        return host

    def link(self, one: Host, other: Host, *, mtu: int | None = None) -> None:
        """Join two hosts by a pair of interfaces; return when frames pass.

        Link n has the networks 10.0.n.0/24 and fd00:0:0:n::/64, in which `one` is 1 and `other` 2.

        Args:
            mtu: bytes of the largest packet; the kernel's 1500 without it. IPv6 needs 1280.

        Raises:
            TypeError: they are no hosts, or `mtu` no integer.
            UsageError: one host is given twice, or a host is another network's.
            OSError: the kernel refused, such as EINVAL for an `mtu`.
        """
        for host in (one, other):
            if not isinstance(host, Host):
                raise TypeError(f"link: expected two hosts of this network, got {host!r}")
        if mtu is not None and type(mtu) is not int:
            raise TypeError(f"mtu: expected bytes, got {mtu!r}")
        if one is other or any(self._hosts.get(host.name) is not host for host in (one, other)):
            raise UsageError(f"link: expected two hosts of this network, got {one!r} and {other!r}")
        with self._lock:
            self._links += 1
            number = self._links
        if number > MAX_LINKS:
            raise UsageError(f"link: expected at most {MAX_LINKS} links in a network")
        names = [f"eth{len(host.interfaces)}" for host in (one, other)]
        with one.rtnetlink() as near, other.rtnetlink() as far:
            try:
                near.add_pair(names[0], peer=names[1], namespace=other.fileno(), mtu=mtu)
            except OSError as error:
                what = f"link {one.name} and {other.name}"
                what += "" if mtu is None else f" with an mtu of {mtu}"
                raise with_code(OSError(error.errno, f"{error.strerror}: {what}")) from None
            ends = [
                _set_up(interfaces, name, link=number, end=end)
                for end, (interfaces, name) in enumerate(zip((near, far), names, strict=True), 1)
            ]
            near.wait_until_running(ends[0].index)
            far.wait_until_running(ends[1].index)
        one.interfaces += (ends[0],)
        other.interfaces += (ends[1],)

    def pair(self, *, mtu: int | None = None) -> tuple[Host, Host]:
        """Make the hosts `"a"` and `"b"` and link them: enough for most tests."""
        one, other = self.host("a"), self.host("b")
        self.link(one, other, mtu=mtu)
        return one, other

    def close(self) -> None:
        """End all programs inside, and the network; idempotent."""
        self._closing.close()


def _set_up(interfaces: Rtnetlink, name: str, *, link: int, end: int) -> Interface:
    index = interfaces.index(name)
    ipv6 = interfaces.no_automatic_addresses(index)
    interfaces.up(index)
    made = Interface(
        name=name,
        index=index,
        ipv4=f"10.0.{link}.{end}",
        ipv6=f"fd00:0:0:{link:x}::{end}" if ipv6 else None,
        link_local=f"fe80::{link:x}:{end}" if ipv6 else None,
    )
    interfaces.add_address(index, made.ipv4, 24)
    for address in (made.ipv6, made.link_local):
        if address is not None:
            interfaces.add_address(index, address, 64)
    _route_groups(interfaces, index, _METRIC_OF_LINKS + link, ipv6=ipv6)
    return made


def _route_groups(interfaces: Rtnetlink, index: int, metric: int, *, ipv6: bool) -> None:
    for network, prefix in _GROUPS if ipv6 else _GROUPS[:1]:
        interfaces.add_route(index, network, prefix, metric=metric)


def _find(program: str, environment: Mapping[str, str]) -> str:
    """Return the path of a program, as exec finds it: a name without a slash in the PATH."""
    if os.sep in program:
        return program
    path = shutil.which(program, path=environment.get("PATH", os.defpath))
    if path is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    return path
