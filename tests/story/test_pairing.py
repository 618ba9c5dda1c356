from sockharness.story.pairing import Pairing
from sockharness.story.timeline import Timeline

CLIENT, SERVER, OTHER = ("127.0.0.1", 1), ("127.0.0.1", 2), ("127.0.0.1", 3)


def test_two_ends_know_each_other_by_their_addresses() -> None:
    timeline, pairing = Timeline(), Pairing()
    client, server = timeline.channel("client", 1), timeline.channel("server", 1)

    pairing.add(client, CLIENT, SERVER)
    pairing.add(timeline.channel("server", 2), SERVER, OTHER)
    pairing.add(server, SERVER, CLIENT)

    assert client.remote is server
    assert server.remote is client


def test_an_end_that_does_not_know_the_other_is_found_by_its_own_address() -> None:
    timeline, pairing = Timeline(), Pairing()
    client, server = timeline.channel("client", 1), timeline.channel("server", 1)

    pairing.add(server, SERVER, None)
    pairing.add(client, CLIENT, SERVER)

    assert client.remote is server


def test_an_end_that_does_not_know_the_other_takes_the_first_that_fits() -> None:
    timeline, pairing = Timeline(), Pairing()
    client, server = timeline.channel("client", 1), timeline.channel("server", 1)

    pairing.add(timeline.channel("client", 2), OTHER, CLIENT)
    pairing.add(client, CLIENT, SERVER)
    pairing.add(server, SERVER, None)

    assert client.remote is server


def test_the_addresses_of_a_closed_connection_pair_with_nothing() -> None:
    timeline, pairing = Timeline(), Pairing()
    client, server = timeline.channel("client", 1), timeline.channel("server", 1)
    pairing.add(client, CLIENT, SERVER)

    pairing.discard(client)
    pairing.add(server, SERVER, CLIENT)

    assert server.remote is None


def test_addresses_that_are_used_again_pair_the_new_ends() -> None:
    timeline, pairing = Timeline(), Pairing()
    old = [timeline.channel("client", 1), timeline.channel("server", 1)]
    new = [timeline.channel("client", 2), timeline.channel("server", 2)]

    for client, server in (old, new):
        pairing.add(client, CLIENT, SERVER)
        pairing.add(server, SERVER, CLIENT)

    assert [each.remote for each in (*old, *new)] == [old[1], old[0], new[1], new[0]]


def test_a_new_channel_goes_on_for_an_open_connection() -> None:
    timeline, pairing = Timeline(), Pairing()
    client, server = timeline.channel("client", 1), timeline.channel("server", 1)
    pairing.add(client, CLIENT, SERVER)
    pairing.replace(client, timeline.channel("client", 2))

    pairing.add(server, SERVER, CLIENT)
    pairing.replace(server, timeline.channel("server", 2))

    assert timeline.channel("client", 2).remote is timeline.channel("server", 2)
    assert timeline.channel("server", 2).remote is timeline.channel("client", 2)
