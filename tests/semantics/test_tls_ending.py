"""Writing, ending and closing with TLS (TLS-046..068)."""

import os
import random
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.secure.socket import SecureSocket
from tests.helpers.certificates import stranger
from tests.helpers.secure import Secured

TLS12, TLS13 = 0x0303, 0x0304
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["TLS 1.2", "TLS 1.3"])
BOTH = ("s.open s.handshake(True,None)", "c.open c.handshake(True,None)")
SMALL = {"send_buffer": 16 * 1024, "recv_buffer": 16 * 1024}
UNTRUSTED = stranger().issue("localhost")
Make = Callable[..., Secured]


def after(talk: Secured) -> tuple[str, str]:
    """Return the events of both sides since the handshake."""
    server, client = talk.both()
    return server.removeprefix(BOTH[0]).strip(), client.removeprefix(BOTH[1]).strip()


# Before and in the handshake


@pytest.mark.shows("TLS-048", "TLS-074")
@pytest.mark.parametrize("way", ["end", "close", "terminate"])
def test_ending_before_the_handshake_gives_it_up_inside_the_call(secured: Make, way: str) -> None:
    returned: list[Any] = []

    def give_up(socket: SecureSocket) -> None:
        returned.append(getattr(socket, way)())
        returned.append(talk.log.of("c"))

    talk = secured(client={"open": give_up})
    talk.start()
    talk.until_seen("s", "close")

    told = "c.open c.handshake(False,ECONNRESET) c.close(None)"
    assert returned == [0 if way == "end" else None, told]
    server = "s.close(ECONNRESET)" if way == "terminate" else "s.handshake(False,ECONNRESET)"
    assert server in talk.of("s")
    assert talk.log.seen("s", "close") == 1


@pytest.mark.shows("TLS-049", "D1")
def test_an_end_with_data_before_the_handshake_waits_for_it(secured: Make) -> None:
    returned: list[int] = []

    def last(socket: SecureSocket) -> None:
        returned.extend((socket.end(b"last words"), socket.end(), socket.write(b"x")))

    talk = secured(client={"open": last})
    talk.start()
    talk.until_seen("c", "close")

    assert returned == [10, -1, -1]
    assert talk.of("c") == "c.open c.handshake(True,None) c.close(None)"
    assert talk.of("s") == f"{BOTH[0]} s.data(last words) s.end s.close(None)"


@pytest.mark.shows("TLS-050")
@pytest.mark.parametrize(("read", "told"), [(False, "None"), (True, "ECONNRESET")])
def test_a_shutdown_before_the_handshake_gives_it_up(secured: Make, read: bool, told: str) -> None:
    talk = secured(client={"open": lambda socket: socket.shutdown(read)})
    talk.start()

    assert talk.of("c") == f"c.open c.handshake(False,{told}) c.close(None)"


@VERSIONS
@pytest.mark.shows("TLS-047", "TLS-051")
def test_what_is_written_in_handshake_leaves_with_the_last_flight(
    secured: Make, version: int
) -> None:
    talk = secured(
        {"max_version": version}, client={"handshake": lambda socket, *_: socket.end(b"all")}
    )
    talk.start()
    talk.until_seen("c", "close")

    assert after(talk) == ("s.data(all) s.end s.close(None)", "c.close(None)")


@VERSIONS
@pytest.mark.shows("TLS-051")
def test_a_close_in_handshake_lets_the_peer_finish(secured: Make, version: int) -> None:
    talk = secured(
        {"max_version": version}, client={"handshake": lambda socket, *_: socket.close()}
    )
    talk.start()
    talk.until_seen("s", "close")

    server, client = talk.both()
    assert client == "c.open c.handshake(True,None) c.close(None)"
    # the client no longer reads the server's tickets, so its kernel can send RST instead of FIN
    assert server.startswith("s.open s.handshake(True,None) ")


@pytest.mark.shows("TLS-051")
def test_a_terminate_in_handshake_takes_the_finished_back(secured: Make) -> None:
    talk = secured(client={"handshake": lambda socket, *_: socket.terminate()})
    talk.start()
    talk.until_seen("s", "close")

    assert talk.of("s") == "s.open s.close(ECONNRESET)"


@pytest.mark.shows("TLS-052")
@pytest.mark.parametrize("event", ["open", "handshake", "data", "late open"])
def test_an_exception_closes_only_in_an_early_open(secured: Make, event: str) -> None:
    def boom(*_: object) -> None:
        raise ValueError("boom")

    name = event.removeprefix("late ")
    talk = secured(
        handshake=event != "late open",
        client={name: boom},
        server={"open" if event == "late open" else "handshake": lambda s, *_: s.write(b"x")},
    )
    client = talk.start()
    talk.until(lambda: client.handshake_outcome is not None)
    talk.until_seen("c", "error")

    if event == "open":
        told = "c.open c.error(ValueError) c.handshake(False,ECONNRESET) c.close(None)"
        assert talk.of("c") == told
    else:
        talk.until_seen("c", "data")
        assert client.ready_state == 1
        assert talk.log.seen("c", "close") == 0


# Writing


@VERSIONS
@pytest.mark.shows("TLS-053", "TLS-054")
def test_what_write_returned_is_what_arrives_whatever_is_written_next(
    secured: Make, version: int
) -> None:
    talk = secured({"max_version": version}, listen_options=SMALL, connect_options=SMALL)
    client, server = talk.talk()
    server.pause()
    dice = random.Random(version)
    accepted = bytearray()
    short = 0
    for step in range(200):
        chunk = dice.randbytes(dice.choice((1, 100, 16384, 16385, 300_000)))
        taken = client.write(chunk)
        accepted += chunk[:taken]
        if taken < len(chunk):
            short += 1
            assert len(chunk) > 16384 or taken == 0
        if step % 10 == 9:
            server.resume()
            talk.settle()
            server.pause()
    server.resume()
    talk.until(lambda: len(talk.log.received("s")) >= len(accepted))

    assert short > 5
    assert talk.log.received("s") == bytes(accepted)
    assert client.bytes_written == len(accepted)


@pytest.mark.shows("TLS-055")
def test_a_write_is_a_record_and_a_read_is_one_data(secured: Make) -> None:
    talk = secured()
    peer = talk.peer().handshake()
    server = talk.opened["s"][-1]
    peer.received()  # tickets
    for text in (b"one", b"two", b"three"):
        server.write(text)

    received = peer.received()
    lengths = []
    while received:
        lengths.append(int.from_bytes(received[3:5], "big"))
        received = received[5 + lengths[-1] :]
    assert lengths == [len(text) + 17 for text in ("one", "two", "three")]

    for text in (b"a", b"b", b"c"):
        peer.tls.write(text)
    peer.flush()
    talk.settle()
    assert talk.log.calls == 3
    assert talk.log.received("s") == b"abc"
    peer.sock.close()


@pytest.mark.shows("TLS-054")
def test_a_big_write_ends_in_back_pressure_and_one_drain(secured: Make) -> None:
    talk = secured(listen_options=SMALL, connect_options=SMALL)
    client, server = talk.talk()
    server.pause()

    taken = client.write(bytes(8_000_000))
    assert 0 < taken < 8_000_000
    assert client.write(b"x") == 0
    server.resume()
    talk.until_seen("c", "drain")
    talk.settle()

    assert talk.log.seen("c", "drain") == 1
    assert len(talk.log.received("s")) == taken


# Closing


@VERSIONS
@pytest.mark.shows("TLS-056")
@pytest.mark.parametrize("way", ["notify", "notify and fin", "fin"])
def test_a_peer_ends_by_close_notify_or_fin_alike(secured: Make, version: int, way: str) -> None:
    talk = secured({"max_version": version})
    peer = talk.peer(version=version).handshake()
    peer.send(b"before")
    for step in way.split(" and "):
        getattr(peer, step)()
    talk.until_seen("s", "close")

    assert talk.of("s") == f"{BOTH[0]} s.data(before) s.end s.close(None)"
    assert peer.read() == b""  # with close_notify; an end without it would raise
    peer.sock.close()


@pytest.mark.shows("TLS-056")
def test_without_an_end_handler_the_peers_end_is_close(secured: Make) -> None:
    talk = secured(server={"end": None})
    talk.log.handlers("s")
    client, server = talk.talk()
    server.reload({"data": lambda *_: None, "close": talk.log.handlers("s")["close"]})

    client.end()

    assert after(talk) == ("s.close(None)", "c.close(None)")


@VERSIONS
@pytest.mark.shows("TLS-057")
@pytest.mark.parametrize("secure", [True, False])
def test_a_reset_is_close_with_the_error_and_nothing_else(
    secured: Make, version: int, secure: bool
) -> None:
    talk = secured({"max_version": version})
    peer = talk.peer(version=version)
    if secure:
        peer.handshake()
    else:
        talk.until_seen("s", "open")
    peer.reset()
    talk.until_seen("s", "close")

    opened = BOTH[0] if secure else "s.open"
    assert talk.of("s") == f"{opened} s.close(ECONNRESET)"


@pytest.mark.shows("TLS-057")
def test_a_reset_before_the_handshake_opens_nothing_without_its_handler(secured: Make) -> None:
    talk = secured(handshake=False)
    talk.peer().reset()
    talk.until_seen("s", "close")

    assert talk.of("s") == "s.close(ECONNRESET)"


@VERSIONS
@pytest.mark.shows("TLS-058")
@pytest.mark.parametrize("handles", [True, False])
@pytest.mark.parametrize("half_open", [True, False])
def test_a_broken_record_is_error_and_close(
    secured: Make, version: int, handles: bool, half_open: bool
) -> None:
    found: list[Any] = []

    def fault(socket: SecureSocket, error: Any) -> None:
        same = socket.authorization_error is error
        found.append((error.reason, socket.write(b"x"), socket.authorized, same))

    talk = secured(
        {"max_version": version},
        client={"error": fault if handles else None},
        listen_options={"allow_half_open": half_open},
    )
    _, server = talk.talk()
    # below TLS, on the server's descriptor
    os.write(server.fileno(), bytes.fromhex("1703030020") + bytes(32))
    talk.until_seen("s", "close")

    ending = "c.error(EPROTO) c.close(None)" if handles else "c.close(None)"
    assert after(talk) == ("s.error(EPROTO) s.close(None)", ending)
    assert found == ([("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", -1, False, True)] * handles)
    (error,) = [entry[2][0] for entry in talk.log.entries if entry[:2] == ("s", "error")]
    assert error.reason == "SSLV3_ALERT_BAD_RECORD_MAC"


@VERSIONS
@pytest.mark.shows("TLS-059")
def test_end_says_close_notify_and_waits_for_the_peer_as_closed(
    secured: Make, version: int
) -> None:
    talk = secured({"max_version": version})
    peer = talk.peer(version=version).handshake()
    server = talk.opened["s"][-1]

    assert server.end() == 0

    assert (server.ready_state, server.fileno(), server.tls_version) == (-1, -1, None)
    assert (server.write(b"x"), server.end(), server.end(b"x")) == (-1, -1, -1)
    server.close()
    server.terminate()
    server.shutdown()
    assert talk.of("s") == BOTH[0]
    assert peer.read() == b""
    assert peer.received() == b""  # no FIN, or this would be closed now
    peer.fin()
    assert talk.of("s") == f"{BOTH[0]} s.close(None)"
    peer.sock.close()


@pytest.mark.shows("TLS-059")
def test_data_for_one_who_has_ended_is_delivered_and_brings_the_end_too(secured: Make) -> None:
    talk = secured()
    peer = talk.peer().handshake()
    server = talk.opened["s"][-1]
    server.end()

    peer.send(b"one more thing")
    talk.settle()
    assert (server.ready_state, server.write(b"x")) == (1, -1)
    peer.notify()
    talk.until_seen("s", "close")

    assert talk.of("s") == f"{BOTH[0]} s.data(one more thing) s.end s.close(None)"
    peer.sock.close()


@pytest.mark.shows("TLS-059")
def test_a_reset_for_one_who_has_ended_is_reported(secured: Make) -> None:
    talk = secured()
    peer = talk.peer().handshake()
    talk.opened["s"][-1].end()
    peer.reset()

    talk.until_seen("s", "close")
    assert talk.of("s") == f"{BOTH[0]} s.close(ECONNRESET)"


@VERSIONS
@pytest.mark.shows("TLS-060", "D1")
def test_a_big_end_is_accepted_whole_and_sent_in_the_background(
    secured: Make, version: int
) -> None:
    talk = secured({"max_version": version}, listen_options=SMALL, connect_options=SMALL)
    client, server = talk.talk()
    server.pause()
    payload = random.Random(3).randbytes(2_000_000)

    assert client.end(payload) == len(payload)
    assert (client.ready_state, client.write(b"x"), client.end()) == (1, -1, -1)
    talk.settle()
    server.resume()
    talk.until_seen("c", "close")

    assert talk.log.received("s") == payload
    assert talk.of("s").endswith("s.end s.close(None)")
    assert talk.of("c") == f"{BOTH[1]} c.close(None)"
    assert client.bytes_written == len(payload)


@VERSIONS
@pytest.mark.shows("TLS-061")
@pytest.mark.parametrize(
    ("way", "ending"), [("notify", "s.end s.close(None)"), ("fin", "s.close(None)")]
)
def test_shutdown_says_close_notify_and_fin_and_reads_on(
    secured: Make, version: int, way: str, ending: str
) -> None:
    talk = secured({"max_version": version})
    peer = talk.peer(version=version).handshake()
    server = talk.opened["s"][-1]

    server.shutdown()
    server.shutdown()

    assert (server.ready_state, server.write(b"x"), server.end(b"x")) == (1, -1, -1)
    assert peer.read() == b""
    peer.send(b"still read")
    getattr(peer, way)()
    talk.until_seen("s", "close")
    assert talk.of("s") == f"{BOTH[0]} s.data(still read) {ending}"
    peer.sock.close()


@pytest.mark.shows("TLS-061")
def test_an_end_after_shutdown_closes_at_once(secured: Make) -> None:
    client, _ = (talk := secured()).talk()
    client.shutdown()

    assert client.end() == 0
    assert talk.log.of("c") == f"{BOTH[1]} c.close(None)"


@pytest.mark.shows("TLS-062")
@pytest.mark.parametrize("half_open", [True, False])
def test_shutdown_of_reading_ends_or_goes_on_writing(secured: Make, half_open: bool) -> None:
    talk = secured(connect_options={"allow_half_open": half_open})
    client, _ = talk.talk()

    client.shutdown(True)
    talk.until_seen("c", "end")

    if half_open:
        assert client.write(b"still written") == 13
        assert after(talk) == ("s.data(still written)", "c.end")
        assert client.end() == 0
    assert after(talk)[1] == "c.end c.close(None)"
    assert after(talk)[0].endswith("s.end s.close(None)")


@pytest.mark.shows("TLS-063")
def test_close_sends_fin_without_close_notify_and_terminate_a_reset(secured: Make) -> None:
    talk = secured()
    peer = talk.peer().handshake()
    talk.opened["s"][-1].write(b"accepted")
    talk.opened["s"][-1].close()
    assert talk.log.of("s") == f"{BOTH[0]} s.close(None)"
    assert peer.read() == b"accepted"
    with pytest.raises(ssl.SSLEOFError):
        peer.read()
    peer.sock.close()

    peer = talk.peer().handshake()
    talk.opened["s"][-1].terminate()
    with pytest.raises(ConnectionResetError):
        peer.read()
    peer.sock.close()


@VERSIONS
@pytest.mark.shows("TLS-053", "TLS-063")
@pytest.mark.parametrize("way", ["close", "end", "shutdown"])
def test_what_was_accepted_arrives_though_it_waited_at_the_close(
    secured: Make, reactor: Reactor, version: int, way: str
) -> None:
    talk = secured({"max_version": version}, listen_options=SMALL, connect_options=SMALL)
    client, server = talk.talk()
    server.pause()
    payload = random.Random(4).randbytes(3_000_000)

    taken = client.write(payload)
    getattr(client, way)()
    assert 0 < taken < len(payload)
    assert talk.log.seen("c", "close") == (way == "close")
    talk.settle()
    server.resume()
    talk.until_seen("s", "close")

    assert talk.log.received("s") == payload[:taken]
    talk.listener.stop()
    talk.until(lambda: "references=0" in repr(reactor))


@pytest.mark.shows("TLS-053")
def test_what_waits_at_a_terminate_is_dropped(secured: Make) -> None:
    talk = secured(listen_options=SMALL, connect_options=SMALL)
    client, server = talk.talk()
    server.pause()
    taken = client.write(bytes(3_000_000))
    client.terminate()
    server.resume()
    talk.until_seen("s", "close")

    assert len(talk.log.received("s")) < taken
    assert talk.of("s").endswith("s.close(ECONNRESET)")


@pytest.mark.parametrize("gone", ["reset", "reactor"])
def test_what_waits_behind_a_close_is_given_up_with_its_reader(
    secured: Make, reactor: Reactor, gone: str
) -> None:
    talk = secured(listen_options=SMALL, connect_options=SMALL)
    client, server = talk.talk()
    server.pause()
    client.write(bytes(3_000_000))
    client.close()
    talk.settle()

    if gone == "reset":
        server.terminate()
        talk.listener.stop()
        talk.until(lambda: "references=0" in repr(reactor))
    else:
        reactor.close()
    assert "descriptors=0" in repr(reactor)


@VERSIONS
@pytest.mark.shows("TLS-064")
@pytest.mark.parametrize("way", ["end", "shutdown"])
def test_half_open_lets_one_side_write_on_until_it_ends(
    secured: Make, version: int, way: str
) -> None:
    talk = secured({"max_version": version}, listen_options={"allow_half_open": True})
    peer = talk.peer(version=version).handshake()
    peer.notify()
    peer.fin()
    talk.until_seen("s", "end")
    server = talk.opened["s"][-1]

    assert (server.ready_state, server.write(b"still here")) == (1, 10)
    assert talk.of("s") == f"{BOTH[0]} s.end"
    getattr(server, way)()
    assert talk.log.of("s") == f"{BOTH[0]} s.end s.close(None)"
    peer.sock.close()


@pytest.mark.shows("TLS-065")
@pytest.mark.parametrize("secure", [True, False])
def test_stop_closes_accepted_sockets_if_asked_to(secured: Make, secure: bool) -> None:
    talk = secured()
    if secure:
        talk.talk()
        talk.listener.stop()
        assert after(talk) == ("", "")
        talk.listener.stop(True)
        assert talk.log.of("s") == f"{BOTH[0]} s.close(None)"
        assert after(talk)[1] == "c.end c.close(None)"
    else:
        peer = talk.peer()
        talk.until_seen("s", "open")
        talk.listener.stop(True)
        assert talk.log.of("s") == "s.open s.handshake(False,ECONNRESET) s.close(None)"
        peer.sock.close()


@pytest.mark.shows("TLS-066")
def test_pause_holds_data_and_end_back(secured: Make) -> None:
    talk = secured()
    client, server = talk.talk()
    server.pause()
    client.write(b"one")
    client.end(b"two")
    assert after(talk)[0] == ""

    server.resume()

    assert after(talk)[0] == "s.data(onetwo) s.end s.close(None)"


@pytest.mark.shows("TLS-066")
def test_a_pause_in_data_holds_an_end_of_the_same_read(secured: Make) -> None:
    talk = secured(server={"data": lambda socket, _: socket.pause()})
    client, server = talk.talk()
    client.end(b"both")
    assert after(talk)[0] == "s.data(both)"

    server.resume()

    assert after(talk)[0] == "s.data(both) s.end s.close(None)"


def test_a_fault_while_paused_refuses_to_write_and_is_reported_on_resume(secured: Make) -> None:
    talk = secured(server={"data": lambda socket, _: socket.pause()})
    client, server = talk.talk()
    client.write(b"good")
    os.write(client.fileno(), bytes.fromhex("1703030020") + bytes(32))
    talk.settle()

    assert after(talk)[0] == "s.data(good)"
    assert (server.write(b"x"), server.end(b"x"), server.ready_state) == (-1, -1, 1)
    server.resume()

    assert after(talk)[0] == "s.data(good) s.error(EPROTO) s.close(None)"


def test_a_reset_while_paused_delivers_what_came_before(secured: Make) -> None:
    talk = secured()
    client, server = talk.talk()
    server.pause()
    client.write(b"before")
    talk.settle()
    client.terminate()
    talk.until_seen("s", "close")

    assert after(talk)[0] == "s.data(before) s.close(ECONNRESET)"


@pytest.mark.shows("TLS-067")
def test_timeout_fires_once_and_closes_nothing(secured: Make) -> None:
    talk = secured()
    client, _ = talk.talk()
    client.timeout(0.001)
    talk.until_seen("c", "timeout")

    assert after(talk) == ("", "c.timeout")
    assert client.ready_state == 1


@pytest.mark.shows("TLS-068")
def test_reload_replaces_handlers_while_the_connection_lives(secured: Make) -> None:
    talk = secured()
    client, _ = talk.talk()
    client.reload(talk.log.handlers("new"))
    talk.listener.reload(talk.log.handlers("other"))

    client.end(b"x")
    talk.until_seen("new", "close")

    assert talk.of("other") == "other.data(x) other.end other.close(None)"
    assert talk.of("new") == "new.close(None)"


@pytest.mark.parametrize("way", ["close", "end", "terminate"])
def test_a_refused_certificate_ends_once_however_handshake_closes(secured: Make, way: str) -> None:
    talk = secured(
        UNTRUSTED.options,
        client={"handshake": lambda socket, *_: getattr(socket, way)()},
    )
    talk.start()
    talk.until_seen("c", "close")

    assert talk.of("c").endswith("c.handshake(False,UNABLE_TO_VERIFY_LEAF_SIGNATURE) c.close(None)")
    assert talk.log.seen("c", "close") == 1
