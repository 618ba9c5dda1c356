"""The example of the page about packets, as printed there."""

from tests.examples.client import Client


def test_the_client_resets_when_it_gives_up(tcp_server, wire):
    with wire.capture(tcp_server) as packets:
        Client(*tcp_server.address).give_up()
        tcp_server.connection(1).wait_for("close")

    assert packets[-1]["TCP"].flags == "RA"
