"""Timelines built by hand, for the tests of reports about them."""

from sockharness.clock import ManualClock
from sockharness.story.events import Event, Kind
from sockharness.story.timeline import Channel, Timeline


class Story:
    """A timeline to which events are added in a few words; time stands still until it is moved."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.timeline = Timeline(self.clock)

    def later(self, seconds: float = 0.001) -> None:
        self.clock.advance(seconds)

    def joined(self, left: str, right: str) -> tuple[Channel, Channel]:
        """Join two ends, each named as `server` or `server@2`."""
        one, other = self.end(left), self.end(right)
        one.remote, other.remote = other, one
        return one, other

    def end(self, name: str) -> Channel:
        peer, _, number = name.partition("@")
        return self.timeline.channel(peer, int(number or 1))

    def saw(
        self, who: str, name: str, data: bytes = b"", *, error: BaseException | None = None
    ) -> None:
        end = self.end(who)
        self.timeline.add(
            Event(name=name, peer=end.peer, connection=end.connection, data=data, error=error)
        )

    def did(
        self, who: str, name: str, data: bytes = b"", *, result: int | None = None, note: str = ""
    ) -> None:
        end = self.end(who)
        self.timeline.add(
            Event(
                name=name,
                peer=end.peer,
                connection=end.connection,
                kind=Kind.ACTION,
                data=data,
                result=result,
                note=note,
            )
        )

    def said(self, sender: str, receiver: str, data: bytes, *, read: bool = True) -> None:
        """Let one end write, and the other get it all."""
        self.did(sender, "write", data, result=len(data))
        self.saw(receiver, "data", data)
        if read:
            self.end(receiver).unread.clear()


def ping() -> Story:
    """Return the story of a server that sends too little and closes."""
    story = Story()
    story.joined("client", "server")
    story.saw("server", "open")
    story.saw("client", "open")
    story.later()
    story.said("client", "server", b"PING\r\n")
    story.later()
    story.said("server", "client", b"+PONG", read=False)
    story.did("server", "end")
    story.saw("server", "close")
    story.saw("client", "close")
    return story
