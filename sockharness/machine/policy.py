"""The addresses that a spec may reach.

A maintainer may run a stranger's spec, so every other address is refused. A refusal names the
rule, the place and the option that would allow it. The policy checks the address that goes to the
kernel, never the text of the spec: text has too many spellings of one address.

By default a spec reaches loopback addresses. `--sock-allow-net=CIDR[:PORTS]` adds networks;
`PORTS` is a port or a range such as `8000-8099`, without it all ports.
"""

import re
from collections.abc import Iterable
from dataclasses import field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from sockharness.address import Address, is_loopback
from sockharness.errors import Problem, SpecError, UsageError
from sockharness.location import Location
from sockharness.record import record

_ALLOWANCE = re.compile(
    r"(?P<net>\[[^]]+\](?:/\d+)?|[^:\[\]]+|[^\[\]]*::[^\[\]]*)(?::(?P<low>\d{1,5})(?:-(?P<high>\d{1,5}))?)?",
    re.ASCII,
)


@record
class Allowance:
    """A network and a range of ports that a spec may reach."""

    network: IPv4Network | IPv6Network
    low: int = 0
    high: int = 65535

    @classmethod
    def parse(cls, text: str) -> "Allowance":
        """Read `CIDR[:PORTS]`; an IPv6 network with ports is in brackets.

        Raises:
            UsageError: if the text is something else.
        """
        found = _ALLOWANCE.fullmatch(text)
        try:
            if found is None:
                raise ValueError("not CIDR[:PORTS]")
            network = ip_network(found["net"].replace("[", "").replace("]", ""))
        except ValueError as error:
            message = f"expected CIDR[:PORTS] such as 10.0.0.0/8:8000-8099, got {text!r}: {error}"
            raise UsageError(message) from None
        if found["low"] is None:
            return cls(network)
        low, high = int(found["low"]), int(found["high"] or found["low"])
        if not low <= high <= 65535:
            raise UsageError(f"expected ports from 0 to 65535 in order, got {text!r}")
        return cls(network, low, high)

    def covers(self, address: Address) -> bool:
        """Return whether the network and the ports contain an address."""
        host = ip_address(address.host)
        return host in self.network and self.low <= address.port <= self.high


@record
class Policy:
    """The rules of a run."""

    allow_net: tuple[Allowance, ...] = field(default_factory=tuple)

    @classmethod
    def parse(cls, allow_net: Iterable[str] = ()) -> "Policy":
        """Make the rules from the texts of the options."""
        return cls(tuple(map(Allowance.parse, allow_net)))

    def judge(self, address: Address, location: Location) -> None:
        """Let an address pass, or refuse it.

        Raises:
            SpecError: at `location`, naming the rule and the option that would allow it.
        """
        if is_loopback(address.host) or any(rule.covers(address) for rule in self.allow_net):
            return
        raise SpecError(
            [
                Problem(
                    location,
                    f"{address} is not a loopback address",
                    f"specs reach loopback only; allow it with --sock-allow-net={address.host}",
                )
            ]
        )
