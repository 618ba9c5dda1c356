"""Judge what the engine's methods returned and raised: partial writes are reported, never hidden.

Each function raises `StepFailed` if a call did not do what its step says.
"""

from sockharness.printable import count
from sockharness.replay.failed import failed
from sockharness.replay.setup import Setup
from sockharness.sockspec import model
from sockharness.sockspec.decode.words import beside
from sockharness.story.events import Event
from sockharness.story.expectations import ANY_ERROR, ending, how_it_ended
from sockharness.story.timeline import Channel, Timeline


def judge(setup: Setup, channel: Channel, action: model.Action, event: Event) -> None:
    """Judge a call whose step does not say what it returns."""
    judge_error(channel, action, event)
    if isinstance(action, model.Send | model.SendMany):
        _judge_sent(channel, action, event)
    elif event.result is not None:
        _judge_written(setup, channel, action, event)


def judge_error(channel: Channel, action: model.Action, event: Event) -> None:
    """Raise if a call raised."""
    if event.error is not None:
        words, note = raised(event)
        raise failed(action.location, words, note + _if_meant(channel, action, event))


def raised(event: Event) -> tuple[str, str]:
    """Return the headline for a call that raised, and the same with the text of the exception."""
    words = f"{event.peer} cannot {event.name}: {event.code}"
    return words, f"{words}: {str(event.error).removeprefix(f'{event.code}: ')}"


def _if_meant(channel: Channel, action: model.Action, event: Event) -> str:
    """Return a hint with the step that would expect the error; an arrow itself has no `raises`."""
    if "raises" not in beside(action.name):
        return ""
    code = event.code if event.code.isupper() else ANY_ERROR  # not `ClosedError`
    step = f"- {channel.peer}: {{{action.name}: …, raises: {code}}}"
    return f"; if that is meant, write '{step}'"


def check_raised(step: model.Act, event: Event) -> None:
    """Compare what a call raised with what its step says."""
    name = f"{step.peer} {step.action.name}"
    if event.error is None:
        raise failed(step.location, f"{name} raised nothing, expected {step.raises}")
    if step.raises not in (ANY_ERROR, event.code):
        raise failed(step.location, f"{name} raised {event.code}, expected {step.raises}")


def check_returned(step: model.Act, bounds: model.Bounds, result: int | None) -> None:
    """Compare what a call returned with the bounds of its step."""
    name = f"{step.peer} {step.action.name}"
    if result is None:
        raise failed(step.location, f"{name} returned nothing, expected {bounds}")
    if not bounds.hold(result):
        shown = str(result).lower()
        raise failed(step.location, f"{name} returned {shown}, expected {bounds}")


def _judge_sent(channel: Channel, action: model.Send | model.SendMany, event: Event) -> None:
    offered = len(action.payloads) if isinstance(action, model.SendMany) else 1
    taken = int(event.result or 0)
    if taken < offered:
        note = f"{channel.peer} {action.name} took {taken} of {count(offered, 'datagram')}"
        raise failed(action.location, note, f"{note}; write 'returns:' if that is meant")


def _judge_written(setup: Setup, channel: Channel, action: model.Action, event: Event) -> None:
    offered, result = len(event.data), event.result or 0
    if result < 0:
        ended = channel.ended is not None and _before(setup.timeline, channel.ended, event)
        because = f"it saw {ending(channel)}" if ended else "its writing side is shut"
        words = f"{channel.peer} cannot {action.name}: {because}"
        raise failed(action.location, words, events=how_it_ended(channel))
    if isinstance(action, model.Write) and result < offered:
        note = f"{channel.peer} write took {result} of {count(offered, 'byte')}"
        hint = "; write 'returns:' if that is meant, or use write_all"
        if setup.case.peers[channel.peer].tls is not None and channel.handshake is None:
            hint = "; its handshake is not done, so let it see 'handshake' before"
        raise failed(action.location, note, note + hint)


def _before(timeline: Timeline, one: Event, other: Event) -> bool:
    return timeline.entries.index(one) < timeline.entries.index(other)
