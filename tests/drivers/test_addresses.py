"""Where UDP peers are, and who is where."""

from sockharness.address import Address
from sockharness.drivers.addresses import Places

ONE, OTHER = Address("127.0.0.1", 1000), Address("127.0.0.5", 1000)
GROUP = Address("239.255.0.1", 2000)


def test_who_sends_from_an_address_is_known() -> None:
    places = Places()
    places.add("one", ONE)
    places.add("other", OTHER)

    assert places.who(ONE) == "one"
    assert places.who(OTHER) == "other"
    assert places.who(Address("127.0.0.1", 1001)) == ""


def test_who_is_bound_to_a_group_sends_from_an_address_of_the_interface() -> None:
    places = Places()
    places.add_group("member", GROUP)
    places.add("member", GROUP)

    assert places.who(Address("127.0.0.1", GROUP.port)) == "member"
    assert places.who(Address("127.0.0.1", 1)) == ""


def test_a_source_is_a_peers_address_or_an_address() -> None:
    places = Places()
    places.add("one", ONE)

    assert places.source("one") == "127.0.0.1"
    assert places.source("127.0.0.9") == "127.0.0.9"
