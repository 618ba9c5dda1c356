from sockharness.engine.tls.codes import alert_received
from sockharness.errors import os_error
from sockharness.report.ladder import rungs
from sockharness.story.events import Event, HandshakeFacts
from tests.gallery.plugin import Gallery
from tests.report.story import Story, ping

RESET = os_error(104)


def told(story: Story, *, unseen: str = "") -> list[str]:
    """Return the rungs as `source: given > target: text`, or `target: text`."""
    return [
        (f"{rung.source}: {rung.label} > " if rung.source else "") + f"{rung.target}: {rung.text}"
        for rung in rungs(story.timeline, unseen=unseen)
    ]


def connected() -> Story:
    story = Story()
    story.joined("client", "server")
    return story


def test_what_crossed_the_wire_is_one_rung(gallery: Gallery) -> None:
    gallery.check("\n".join(told(ping())), exact=True)


def test_who_connected_is_on_the_side_that_the_arrow_leaves() -> None:
    story = connected()
    story.saw("client", "open")
    story.saw("server", "open")

    assert told(story) == ["server: open > client: open"]


def test_who_connected_is_known_also_if_it_opens_first() -> None:
    story = connected()
    story.end("client").initiated = True
    story.saw("client", "open")
    story.saw("server", "open")

    assert told(story) == ["client: open > server: open"]


def test_a_handshake_is_told_with_what_it_came_to(gallery: Gallery) -> None:
    story = connected()
    for cipher, alpn in (("TLS_AES_128_GCM_SHA256", "h2"), ("ECDHE-RSA-CHACHA20-POLY1305", "")):
        secured = HandshakeFacts(success=True, version="TLSv1.3", alpn=alpn, cipher=cipher)
        story.timeline.add(Event(name="handshake", peer="client", connection=1, facts=secured))

    gallery.check("\n".join(told(story)), exact=True)


def test_a_handshake_that_failed_is_told_with_the_reason() -> None:
    story = connected()
    error = alert_received(48)
    failed = HandshakeFacts(success=False)
    story.timeline.add(
        Event(name="handshake", peer="client", connection=1, facts=failed, error=error)
    )

    assert told(story) == ["client: handshake unknown_ca"]


def test_an_open_of_one_end_only_is_drawn() -> None:
    story = connected()
    story.saw("server", "open")

    assert told(story) == ["client: open > server: open"]


def test_bytes_that_did_not_arrive_are_told_as_an_action(gallery: Gallery) -> None:
    story = connected()
    story.said("client", "server", b"one")
    story.did("client", "write", b"two", result=3)
    story.did("client", "write", b"three", result=2)
    story.did("client", "write", b"four", result=-1)
    story.did("client", "write_all", b"five")

    gallery.check("\n".join(told(story)), exact=True)


def test_an_action_is_a_call() -> None:
    story = connected()
    story.did("client", "pause")
    story.did("client", "timeout", note="0.25")
    story.did("client", "shutdown", result=-1)

    assert told(story) == ["client: pause()", "client: timeout(0.25)", "client: shutdown() → -1"]


def test_a_half_close_is_a_fin_to_the_other_end() -> None:
    story = connected()
    story.did("client", "shutdown")
    story.saw("server", "end")
    story.saw("server", "close")

    assert told(story) == ["client: FIN > server: end", "server: close"]


def test_a_shutdown_that_the_other_end_has_not_seen_is_told() -> None:
    story = connected()
    story.did("client", "shutdown")

    assert told(story) == ["client: shutdown()"]


def test_a_reset_is_told_at_both_ends() -> None:
    story = connected()
    story.did("server", "terminate")
    story.saw("server", "close")
    story.saw("client", "close", error=RESET)

    assert told(story) == ["server: terminate()", "server: RST > client: close ECONNRESET"]


def test_an_own_close_with_an_error_is_not_left_out() -> None:
    story = connected()
    story.did("server", "end")
    story.saw("server", "close", error=RESET)
    story.saw("client", "close")

    assert told(story) == ["server: close ECONNRESET", "server: FIN > client: close"]


def test_exceptions_are_told_by_their_message() -> None:
    story = connected()
    story.saw("server", "error", error=ValueError("no\r\nroom"))
    story.saw("server", "uncaught_exception", error=ValueError("x" * 100))
    story.saw("client", "connect_error", error=os_error(111))

    assert told(story) == [
        "server: error no␍␊room",
        "server: uncaught_exception " + "x" * 23 + "…",
        "client: connect_error ECONNREFUSED",
    ]


def test_of_one_end_the_other_is_called_as_the_caller_says(gallery: Gallery) -> None:
    story = Story()
    story.saw("server", "open")
    story.saw("server", "data", b"PING\r\n")
    story.did("server", "write", b"+PONG\r\n", result=7)
    story.did("server", "write", b"more", result=2)
    story.did("server", "pause")
    story.saw("server", "end")
    story.did("server", "end", b"bye")
    story.saw("server", "close")

    gallery.check("\n".join(told(story, unseen="client")), exact=True)


def test_of_one_end_without_a_name_for_the_other_everything_is_a_word() -> None:
    story = Story()
    story.saw("server", "open")
    story.saw("server", "data", b"a")
    story.saw("server", "close")

    assert told(story) == ["server: open", "server: a", "server: close"]


def test_what_a_peer_does_without_a_connection_is_in_its_own_column() -> None:
    story = Story()
    story.timeline.add(Event(name="error", peer="server", error=os_error(24)))
    story.saw("server@2", "open")
    story.saw("server@1", "open")

    assert told(story)[1:] == ["server@2: open", "server: open"]
    assert told(story)[0].startswith("server: error ")


def test_rungs_are_in_the_order_of_time() -> None:
    story = Story()
    story.saw("a", "open")
    story.saw("b", "open")
    story.timeline.entries[0].at = 1.0

    assert told(story) == ["b: open", "a: open"]


def test_long_data_is_cut() -> None:
    story = connected()
    story.saw("client", "data", bytes(100))

    assert told(story) == ["server: 100 B > client: " + "␀" * 23 + "…"]
