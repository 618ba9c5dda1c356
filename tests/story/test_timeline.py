import pytest

from sockharness.clock import ManualClock
from sockharness.errors import os_error
from sockharness.story.events import Event, Kind
from sockharness.story.timeline import LISTENER, Channel, Timeline


def channel_with(*names: str) -> Channel:
    channel = Channel("client", 1)
    for name in names:
        channel.add(Event(name=name, peer="client", connection=1))
    return channel


def test_events_keep_the_order_of_their_arrival_and_get_their_time() -> None:
    clock = ManualClock(100.0)
    timeline = Timeline(clock)

    first = timeline.add(Event(name="open", peer="a", connection=1))
    clock.advance(1.5)
    second = timeline.add(Event(name="close", peer="a", connection=1))

    assert timeline.entries == [first, second]
    assert (first.at, second.at, timeline.now()) == (0.0, 1.5, 1.5)


def test_a_timeline_has_the_clock_of_the_machine_unless_it_is_given_one() -> None:
    timeline = Timeline()

    assert 0 <= timeline.now() <= timeline.now()


def test_events_are_sorted_into_the_channel_of_their_connection() -> None:
    timeline = Timeline(ManualClock())
    timeline.add(Event(name="data", peer="server", connection=2, data=b"two"))
    timeline.add(Event(name="data", peer="server", connection=1, data=b"one"))
    timeline.add(Event(name="stop", peer="server", kind=Kind.ACTION))
    timeline.add(Event(name="open", peer="client", connection=1))

    assert [channel.unread for channel in timeline.connections("server")] == [b"two", b"one"]
    assert [channel.connection for channel in timeline.channels("server")] == [2, 1, LISTENER]
    assert [channel.peer for channel in timeline.channels()] == ["server"] * 3 + ["client"]
    assert timeline.channel("server", 2) is timeline.connections("server")[0]


def test_data_is_unread_until_it_is_taken() -> None:
    channel = Channel("client", 1)
    channel.add(Event(name="data", peer="client", data=b"one"))
    channel.add(Event(name="data", peer="client", data=b"two"))

    del channel.unread[:4]

    assert (bytes(channel.unread), channel.received) == (b"wo", 6)
    assert not channel.unclaimed


def test_actions_are_not_to_be_claimed() -> None:
    channel = Channel("client", 1)
    channel.add(Event(name="close", peer="client", kind=Kind.ACTION))

    assert [action.name for action in channel.actions] == ["close"]
    assert (channel.unclaimed, channel.ended, channel.closed) == ([], None, None)


@pytest.mark.parametrize(
    ("names", "opened", "ended", "closed"),
    [
        (["drain", "error", "timeout"], None, None, None),
        (["open"], "open", None, None),
        (["open", "end"], "open", "end", None),
        (["open", "close"], "open", "close", "close"),
        (["open", "end", "close"], "open", "end", "close"),
        (["open", "end", "close", "error"], "open", "end", "close"),
        (["connect_error"], None, "connect_error", "connect_error"),
    ],
)
def test_a_channel_knows_whether_it_opened_ended_and_closed(
    names: list[str], opened: str | None, ended: str | None, closed: str | None
) -> None:
    channel = channel_with(*names)

    states = (channel.opened, channel.ended, channel.closed)
    assert [event.name if event else None for event in states] == [opened, ended, closed]


def test_the_oldest_unclaimed_event_of_a_name_is_next() -> None:
    channel = channel_with("drain", "timeout", "drain")
    first, timeout, second = channel.unclaimed

    assert channel.next_unclaimed("drain") is first
    channel.claim(first)
    assert channel.next_unclaimed("drain") is second
    channel.claim(second)
    assert channel.next_unclaimed("drain") is None
    assert channel.unclaimed == [timeout]


@pytest.mark.parametrize(
    ("names", "state"),
    [
        ([], "not open"),
        (["open"], "open"),
        (["open", "end"], "open"),
        (["open", "close"], "closed"),
    ],
)
def test_a_channel_shows_its_state(names: list[str], state: str) -> None:
    channel = channel_with(*names)
    channel.add(Event(name="data", peer="client", data=b"abc"))

    assert repr(channel) == f"<Channel client@1 {state}, 3 B unread>"


def test_a_forgotten_peer_leaves_nothing_and_the_time_begins_anew() -> None:
    clock = ManualClock()
    timeline = Timeline(clock)
    timeline.add(Event(name="open", peer="a", connection=1))
    timeline.add(Event(name="open", peer="b", connection=1))
    clock.advance(3)

    timeline.forget("a")
    assert ([event.peer for event in timeline.entries], timeline.now()) == (["b"], 3.0)
    assert not timeline.connections("a")

    timeline.forget("b")
    assert (timeline.entries, timeline.now()) == ([], 0.0)


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (Event(name="stop", peer="server"), "<Event server stop at 0.000 s>"),
        (
            Event(name="data", peer="server", connection=2, data=b"abc", at=1.5),
            "<Event server@2 data 3 B at 1.500 s>",
        ),
        (
            Event(name="close", peer="a", connection=1, error=os_error(104)),
            "<Event a@1 close ECONNRESET at 0.000 s>",
        ),
    ],
)
def test_an_event_shows_what_happened(event: Event, shown: str) -> None:
    assert repr(event) == shown


def test_an_event_has_the_code_of_its_error() -> None:
    assert Event(name="close", peer="a").code == ""
    assert Event(name="close", peer="a", error=os_error(104)).code == "ECONNRESET"
    assert Event(name="error", peer="a", error=ValueError("x")).code == "ValueError"
