import re

import pytest

from sockharness.errors import os_error
from sockharness.match.exact import Exact
from sockharness.match.joined import Capture, Concat
from sockharness.match.matcher import Matcher, Result
from sockharness.match.regex import Regex
from sockharness.match.sized import Length, Sha256
from sockharness.story.events import Event, Kind
from sockharness.story.expectations import (
    BytesExpected,
    EventExpected,
    Expectation,
    Mismatch,
    NothingExpected,
    State,
    ending,
)
from sockharness.story.timeline import Channel
from tests.gallery.mismatches import described
from tests.gallery.plugin import Gallery

RESET = os_error(104)
REFUSED = os_error(111)


def channel(
    data: bytes = b"", *names: str, error: BaseException | None = None, peer: str = "client"
) -> Channel:
    """Return an open channel that got some bytes, and then events; the last one has the error."""
    made = Channel(peer, 1)
    made.add(Event(name="open", peer=peer))
    if data:
        made.add(Event(name="data", peer=peer, data=data))
    for name in names:
        last = name == names[-1]
        made.add(Event(name=name, peer=peer, error=error if last else None))
    return made


def failed(expectation: Expectation) -> Mismatch:
    progress = expectation.check()
    assert progress.state is State.FAILED
    assert progress.mismatch is not None
    return progress.mismatch


def pending(expectation: Expectation) -> Mismatch:
    assert expectation.check().state is State.PENDING
    return expectation.give_up()


# ---- bytes


def test_bytes_that_match_are_claimed_and_no_more() -> None:
    got = channel(b"hello world")

    progress = BytesExpected(got, Exact(b"hello")).check()

    assert progress.state is State.SATISFIED
    assert (progress.mismatch, progress.event, progress.captures) == (None, None, {})
    assert got.unread == b" world"


def test_bytes_that_match_are_enough_even_after_the_end() -> None:
    got = channel(b"hello", "end", "close", error=RESET)

    assert BytesExpected(got, Exact(b"hello")).check().state is State.SATISFIED


def test_captures_come_with_the_match() -> None:
    progress = BytesExpected(channel(b"abc"), Capture("name", Length(2))).check()

    assert progress.captures == {"name": b"ab"}


def test_bytes_that_come_in_pieces_are_judged_as_if_they_came_at_once() -> None:
    for pieces, state in (
        ((b"ab", b"c", b"def"), State.SATISFIED),
        ((b"ab", b"x"), State.FAILED),
        ((b"ab", b"c", b"x"), State.FAILED),
    ):
        got = channel()
        expectation = BytesExpected(got, Exact(b"abcd"))
        for piece in pieces:
            assert expectation.check().state is State.PENDING
            got.add(Event(name="data", peer="client", data=piece))

        assert expectation.check().state is state


def test_what_was_judged_is_judged_anew_when_somebody_else_took_bytes_meanwhile() -> None:
    got = channel(b"aaa")
    expectation = BytesExpected(got, Exact(b"aaab"))
    assert expectation.check().state is State.PENDING

    assert BytesExpected(got, Exact(b"aa")).check().state is State.SATISFIED
    got.add(Event(name="data", peer="client", data=b"aab"))

    assert expectation.check().state is State.SATISFIED


def test_as_long_as_bytes_may_still_match_there_is_no_verdict(gallery: Gallery) -> None:
    got = channel(b"hel")

    mismatch = pending(BytesExpected(got, Exact(b"hello")))

    assert got.unread == b"hel"
    gallery.check(described(mismatch))
    assert (mismatch.expected, mismatch.received) == (b"hello", b"hel")


def test_a_byte_that_differs_fails_at_once(gallery: Gallery) -> None:
    got = channel(b"hexlo world")

    mismatch = failed(BytesExpected(got, Exact(b"hello")))

    assert got.unread == b"hexlo world"
    gallery.check(described(mismatch))
    assert (mismatch.expected, mismatch.received) == (b"hello", b"hexlo")


@pytest.mark.parametrize(
    ("names", "error", "remote", "own", "headline", "note"),
    [
        (["end"], None, False, "", "end", "end"),
        (["close"], None, False, "", "close", "close"),
        (["close"], RESET, False, "", "close (ECONNRESET)", "close (ECONNRESET)"),
        (["end", "close"], RESET, False, "", "end", "end"),
        (["close"], None, True, "", "close", "the server closed"),
        (["end"], None, True, "", "end", "the server ended"),
        (["end"], None, True, "shutdown", "end", "the server ended"),
        (["close"], RESET, True, "", "close (ECONNRESET)", "close (ECONNRESET)"),
        (["close"], None, True, "end", "close", "close"),
    ],
)
def test_the_end_of_a_connection_fails_what_is_missing_at_once(
    names: list[str],
    error: BaseException | None,
    remote: bool,
    own: str,
    headline: str,
    note: str,
) -> None:
    got = channel(b"+PONG", *names, error=error)
    server = channel(peer="server")
    if remote:
        got.remote = server
    if own:
        got.add(Event(name=own, peer="client", kind=Kind.ACTION))

    mismatch = failed(BytesExpected(got, Exact(b"+PONG\r\n")))

    assert mismatch.headline == f"client got 5 of 7 bytes, then {headline}"
    assert mismatch.note == f'client got 5 of 7 bytes, then {note}; expected "+PONG␍␊"'
    assert mismatch.waiting_for == "2 bytes"


def test_a_connection_that_never_opened_has_ended(gallery: Gallery) -> None:
    got = Channel("client", 1)
    got.add(Event(name="connect_error", peer="client", error=REFUSED))

    mismatch = failed(BytesExpected(got, Exact(b"a")))

    gallery.check(described(mismatch))


@pytest.mark.parametrize(
    ("data", "matcher", "headline", "waiting"),
    [
        (b"", Exact(b"a"), "client got nothing", "1 byte"),
        (b"", Regex(re.compile(rb"a\n")), "client got nothing", "/a\\n/"),
        (b"x", Regex(re.compile(rb"a\n")), "client got 1 byte and no match", "/a\\n/"),
        (b"abc", Length(4), "client got 3 of 4 bytes", "1 byte"),
        (b"abc", Sha256("0" * 64, 5), "client got 3 of 5 bytes", "2 bytes"),
        (
            b"ab",
            Concat([Exact(b"a"), Length(2)]),
            "client got 2 bytes and no match",
            '"a" then 2 bytes',
        ),
    ],
)
def test_what_is_still_missing_when_the_time_is_over_is_told(
    data: bytes, matcher: Matcher, headline: str, waiting: str
) -> None:
    mismatch = pending(BytesExpected(channel(data), matcher))

    assert (mismatch.headline, mismatch.waiting_for) == (headline, waiting)


@pytest.mark.parametrize(
    ("data", "matcher", "headline", "note"),
    [
        (
            b"a" * 5000 + b"x" + b"a" * 9000,
            Exact(b"a" * 6000),
            "client data differs at byte 5000",
            "client got other bytes from offset 5000",
        ),
        (
            b"abcdefgh",
            Sha256("0" * 64, 8),
            "client data differs at byte 0",
            "client got other bytes from offset 0; expected 8 bytes with SHA-256 000000000000…",
        ),
        (
            b"ab!",
            Concat([Length(2), Exact(b"?")]),
            "client data differs at byte 2",
            'client got other bytes from offset 2; expected 2 bytes then "?"',
        ),
        (
            b"+OK\r\n and much more",
            Concat([Exact(b"+ERR"), Exact(b"\r\n")]),
            "client data differs at byte 1",
            "client got other bytes from offset 1",
        ),
    ],
)
def test_long_bytes_that_differ_are_told_by_their_offset(
    data: bytes, matcher: Matcher, headline: str, note: str
) -> None:
    mismatch = failed(BytesExpected(channel(data), matcher))

    assert (mismatch.headline, mismatch.note) == (headline, note)


# ---- events


def test_an_event_that_came_is_claimed() -> None:
    got = channel(b"", "drain")

    progress = EventExpected(got, "drain").check()

    assert progress.state is State.SATISFIED
    assert progress.event is not None
    assert progress.event.name == "drain"
    assert [event.name for event in got.unclaimed] == ["open"]


def test_an_event_that_may_still_come_is_waited_for(gallery: Gallery) -> None:
    mismatch = pending(EventExpected(channel(), "drain"))

    gallery.check(described(mismatch))


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["drain", "timeout"], "; it saw drain, timeout"),
        (["drain", "drain", "drain"], "; it saw drain"),
        (["drain", "timeout", "error", "end", "uncaught_exception"], ""),
    ],
)
def test_what_came_instead_is_told_when_the_time_is_over(names: list[str], told: str) -> None:
    mismatch = pending(EventExpected(channel(b"", *names), "close"))

    assert mismatch.headline == f"client saw no close{told}"
    assert mismatch.note.startswith(f"client saw no close; it saw {names[0]}")


@pytest.mark.parametrize("name", ["end", "drain", "timeout", "open", "connect_error"])
def test_after_close_nothing_more_can_come(name: str) -> None:
    got = channel(b"", "close")
    got.unclaimed.clear()

    assert failed(EventExpected(got, name)).headline == f"client saw no {name}; it saw close"


@pytest.mark.parametrize("name", ["error", "uncaught_exception"])
def test_only_exceptions_may_follow_close(name: str) -> None:
    assert pending(EventExpected(channel(b"", "close"), name)).headline.endswith("; it saw close")


def test_an_event_that_came_before_the_close_is_still_seen() -> None:
    assert EventExpected(channel(b"", "end", "close"), "end").check().state is State.SATISFIED


@pytest.mark.parametrize(
    ("error", "wanted", "good"),
    [
        (None, "any", True),
        (None, "none", True),
        (None, "ECONNRESET", False),
        (RESET, "any", True),
        (RESET, "none", False),
        (RESET, "ECONNRESET", True),
        (RESET, "EPIPE", False),
    ],
)
def test_the_error_of_an_event_must_be_the_wanted_one(
    error: BaseException | None, wanted: str, good: bool
) -> None:
    got = channel(b"", "close", error=error)

    progress = EventExpected(got, "close", error=wanted).check()

    assert (progress.state is State.SATISFIED) == good
    assert (got.next_unclaimed("close") is None) == good


def test_a_wrong_error_names_the_mend(gallery: Gallery) -> None:
    mismatch = failed(EventExpected(channel(b"", "close", error=RESET), "close", error="none"))

    gallery.check(described(mismatch))


def test_a_missing_error_has_no_mend(gallery: Gallery) -> None:
    mismatch = failed(EventExpected(channel(b"", "close"), "close", error="EPIPE"))

    gallery.check(described(mismatch))


def test_the_message_of_an_error_must_contain_the_wanted_text(gallery: Gallery) -> None:
    got = channel(b"", "error", error=ValueError("no such thing"))

    mismatch = failed(EventExpected(got, "error", message="boom"))

    gallery.check(described(mismatch))
    assert EventExpected(got, "error", message="such").check().state is State.SATISFIED


def test_long_messages_are_left_to_the_note(gallery: Gallery) -> None:
    got = channel(b"", "error", error=ValueError("x" * 100))

    mismatch = failed(EventExpected(got, "error", message="y" * 100))

    gallery.check(described(mismatch))
    assert "x" * 39 in mismatch.note
    assert "y" * 39 in mismatch.note


# ---- nothing


def test_as_long_as_nothing_comes_there_is_nothing_to_tell() -> None:
    assert NothingExpected(channel(), "data").check().state is State.PENDING
    assert NothingExpected(channel(b"", "drain"), "close").check().state is State.PENDING


def test_data_that_comes_fails(gallery: Gallery) -> None:
    mismatch = failed(NothingExpected(channel(b"abc"), "data"))

    gallery.check(described(mismatch))
    assert (mismatch.expected, mismatch.received) == (b"", b"abc")


def test_an_event_that_comes_fails(gallery: Gallery) -> None:
    mismatch = failed(NothingExpected(channel(b"", "end"), "end"))

    gallery.check(described(mismatch))


def test_a_drain_that_came_before_does_not_count() -> None:
    got = channel(b"", "drain")
    expectation = NothingExpected(got, "drain")

    assert expectation.check().state is State.PENDING
    got.add(Event(name="drain", peer="client"))
    assert expectation.check().state is State.FAILED


def test_the_end_of_the_time_is_what_a_negative_hopes_for() -> None:
    with pytest.raises(AssertionError, match="satisfies a negative"):
        NothingExpected(channel(), "data").give_up()


# ---- words


def test_an_ending_is_named_with_its_error() -> None:
    assert ending(channel()) == "nothing"
    assert ending(channel(b"", "end", "close", error=RESET)) == "end"
    assert ending(channel(b"", "close", error=RESET)) == "close (ECONNRESET)"


BIG = 4 * 1024 * 1024
HEADLINES: dict[str, Mismatch] = {
    "missing of many": failed(
        BytesExpected(channel(b"x" * 1_000_000, "close", error=RESET), Length(BIG))
    ),
    "no match": failed(
        BytesExpected(channel(b"x" * 12_345, "close", error=RESET), Regex(re.compile(b"y")))
    ),
    "never opened": failed(
        BytesExpected(channel(b"", "connect_error", error=REFUSED), Length(BIG))
    ),
    "nothing": failed(BytesExpected(channel(b"", "close", error=RESET), Length(BIG))),
    "differs": failed(BytesExpected(channel(b"aaaaaaaaaaaa"), Exact(b"bbbbbbbbbbbb"))),
    "bidi": failed(BytesExpected(channel("\u202e\u202e".encode()), Exact(b"\x80\x80"))),
    "differs far away": failed(BytesExpected(channel(bytes(BIG - 1) + b"x"), Exact(bytes(BIG)))),
    "other error": failed(
        EventExpected(channel(b"", "connect_error", error=REFUSED), "connect_error", error="EPIPE")
    ),
    "other message": failed(
        EventExpected(channel(b"", "error", error=ValueError("n" * 20)), "error", message="m" * 20)
    ),
    "saw another": failed(EventExpected(channel(b"", "close", error=RESET), "connect_error")),
    "saw many": pending(
        EventExpected(channel(b"", "drain", "timeout", "error", "end"), "uncaught_exception")
    ),
    "no data": failed(NothingExpected(channel(bytes(BIG)), "data")),
    "no event": failed(NothingExpected(channel(b"", "uncaught_exception"), "uncaught_exception")),
}


@pytest.mark.parametrize("mismatch", HEADLINES.values(), ids=HEADLINES)
def test_a_headline_behind_its_line_number_ends_within_60_columns(mismatch: Mismatch) -> None:
    headline = f"line 9: {mismatch.headline}"

    assert len(headline) <= 60, headline
    assert headline.isprintable()


# ---- patterns


def test_a_pattern_that_finds_nothing_does_not_say_that_a_byte_differs(gallery: Gallery) -> None:
    matcher = Concat([Exact(b"x"), Capture("n", Regex(re.compile(rb"y\n")))])

    mismatch = failed(BytesExpected(channel(b"x" * 70_000), matcher))

    gallery.check(described(mismatch))


def test_bytes_are_not_judged_twice() -> None:
    asked = []

    class Slow(Length):
        def match(self, data: bytes | bytearray) -> Result:
            asked.append(len(data))
            return super().match(data)

    got = channel(b"ab")
    expectation = BytesExpected(got, Slow(3))

    assert expectation.check().state is expectation.check().state is State.PENDING
    got.add(Event(name="data", peer="client", data=b"c"))
    assert expectation.check().state is State.SATISFIED
    assert asked == [2, 3]


def test_a_failure_tells_of_the_events_that_it_is_about() -> None:
    got = channel(b"", "end", "close", error=RESET)
    (end,), close = [got.ended], got.closed

    assert failed(BytesExpected(got, Exact(b"a"))).events == (end,)
    assert failed(EventExpected(got, "close", error="none")).events == (close,)
    assert failed(EventExpected(got, "drain")).events == (end,)
    assert failed(NothingExpected(got, "close")).events == (close,)
