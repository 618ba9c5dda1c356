"""Does a datagram satisfy what was expected?"""

import pytest

from sockharness import match
from sockharness.match.exact import Exact, as_matcher
from sockharness.match.joined import Capture
from sockharness.match.sized import AnyBytes, Length
from sockharness.story.events import Event
from sockharness.story.expectations import Mismatch, NothingExpected, State
from sockharness.story.messages import DatagramsExpected, differs
from sockharness.story.timeline import Channel
from tests.gallery.mismatches import described
from tests.gallery.plugin import Gallery

LONG = match.concat("QUERY ", match.regex("[0-9]+" * 20))


def channel(*datagrams: bytes, source: str = "client") -> Channel:
    """Return the channel of a UDP socket that got some datagrams."""
    made = Channel("server", 0)
    made.keep_datagrams()
    for data in datagrams:
        made.add(Event(name="data", peer="server", data=data, source=source))
    return made


def failed(expectation: DatagramsExpected | NothingExpected) -> Mismatch:
    progress = expectation.check()
    assert progress.state is State.FAILED
    assert progress.mismatch is not None
    return progress.mismatch


def test_what_satisfies_is_claimed() -> None:
    got = channel(b"a", b"b", b"c")

    progress = DatagramsExpected(got, [Exact(b"a"), Capture("x", AnyBytes())]).check()

    assert progress.state is State.SATISFIED
    assert progress.captures == {"x": b"b"}
    assert got.datagrams is not None
    assert [event.data for event in got.datagrams] == [b"c"]


def test_nothing_is_claimed_until_all_have_come() -> None:
    got = channel(b"a")

    progress = DatagramsExpected(got, [Exact(b"a"), Exact(b"b")]).check()

    assert progress.state is State.PENDING
    assert got.datagrams


def test_the_first_that_differs_fails_at_once(gallery: Gallery) -> None:
    mismatch = failed(
        DatagramsExpected(channel(b"a", b"x"), [Exact(b"a"), Exact(b"bc"), Length(1)])
    )

    gallery.check(described(mismatch))
    assert (mismatch.expected, mismatch.received) == (b"bc", b"x")


def test_long_datagrams_are_told_by_the_byte_that_differs(gallery: Gallery) -> None:
    mismatch = failed(DatagramsExpected(channel(bytes(40)), [Exact(bytes(30) + b"x")]))

    gallery.check(described(mismatch))


def test_others_are_passed_over_where_a_sender_is_named() -> None:
    got = channel(b"a", source="other")

    assert DatagramsExpected(got, [Exact(b"b")], source="client").check().state is State.PENDING
    assert DatagramsExpected(got, [Exact(b"a")], source="other").check().state is State.SATISFIED


def test_an_order_may_not_matter(gallery: Gallery) -> None:
    wanted = [Exact(b"a"), Exact(b"b")]

    assert DatagramsExpected(channel(b"b", b"a"), wanted, unordered=True).check().state is (
        State.SATISFIED
    )
    mismatch = failed(DatagramsExpected(channel(b"b", b"b"), wanted, unordered=True))
    gallery.check(described(mismatch))


def test_what_is_missing_is_told_when_the_time_is_over() -> None:
    none = DatagramsExpected(channel(), [Exact(b"a")], source="client").give_up()
    some = DatagramsExpected(channel(b"a"), [Exact(b"a"), Exact(b"b")]).give_up()

    assert (none.headline, none.waiting_for) == ("server got no datagram from client", '"a"')
    assert (some.headline, some.expected) == ("server got 1 of 2 datagrams", b"b")


def test_a_datagram_that_must_not_come_is_told_even_if_it_is_empty() -> None:
    assert NothingExpected(channel(), "data").check().state is State.PENDING
    assert failed(NothingExpected(channel(b""), "data")).headline == (
        'server got "", expected no datagram'
    )


@pytest.mark.parametrize(
    ("want", "message", "said"),
    [
        (b"QUERY", b"QUERI", 'peer got "QUERI", expected "QUERY"'),
        (b"A long question", b"A long answer", "peer datagram differs at byte 7"),
        (b"A long question", b"A long", "peer datagram ends at byte 6 of 15"),
        (b"A long question", b"A long question?!", "peer datagram has 2 bytes too many"),
        (b"A long question", b"", "peer datagram is empty"),
        (b"QUERY", b"", 'peer got an empty datagram, expected "QUERY"'),
        (b"", b"QUERY", 'peer got "QUERY", expected ""'),
        (
            match.concat("QUERY ", match.regex("[0-9]+" * 20)),
            b"QUERY x",
            "peer datagram differs at byte 6",
        ),
        (match.regex("[0-9]+"), b"abc", 'peer got "abc", expected /[0-9]+/'),
        (match.regex("[0-9]+" * 20), b"abc", "peer got a datagram that is no match"),
    ],
)
def test_how_it_differs_is_said_in_a_line_that_stands_alone(
    want: object, message: bytes, said: str
) -> None:
    assert differs("peer", message, as_matcher(want)).headline == said
