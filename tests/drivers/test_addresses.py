"""The addresses of UDP peers, and the peer at an address."""

from sockharness.address import Address
from sockharness.drivers.addresses import Addresses

ONE, OTHER = Address("127.0.0.1", 1000), Address("127.0.0.5", 1000)
GROUP = Address("239.255.0.1", 2000)


def test_who_sends_from_an_address_is_known() -> None:
    addresses = Addresses()
    addresses.add("one", ONE)
    addresses.add("other", OTHER)

    assert addresses.peer_at(ONE) == "one"
    assert addresses.peer_at(OTHER) == "other"
    assert addresses.peer_at(Address("127.0.0.1", 1001)) == ""


def test_who_is_bound_to_a_group_sends_from_an_address_of_the_interface() -> None:
    addresses = Addresses()
    addresses.add_group("member", GROUP)
    addresses.add("member", GROUP)

    assert addresses.peer_at(Address("127.0.0.1", GROUP.port)) == "member"
    assert addresses.peer_at(Address("127.0.0.1", 1)) == ""


def test_a_source_is_a_peers_address_or_an_address() -> None:
    addresses = Addresses()
    addresses.add("one", ONE)

    assert addresses.source("one") == "127.0.0.1"
    assert addresses.source("127.0.0.9") == "127.0.0.9"
