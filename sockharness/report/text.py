"""The text of a failure, at most `LIMIT` lines: the same in a terminal, through a parallel run, and
in JUnit.

Its first line stands alone within 60 columns, because summaries cut there. Then come the place with
the source, what was expected under what came, the ladder of what happened, who was waiting for
what, and the command to run it again.
"""

import traceback
from collections.abc import Iterable, Mapping, Sequence

from sockharness.location import excerpt
from sockharness.printable import count, show
from sockharness.report.hexdiff import hexdiff
from sockharness.report.ladder import Rung, name, rungs
from sockharness.story.outcome import Failure, Outcome, Wait
from sockharness.story.timeline import LISTENER, Timeline

LIMIT = 40
RUNGS = 16
"""The most rungs shown; of a longer ladder the beginning is left out."""
WIDTH = 400
"""The most characters of a line."""
COLUMN = 22
COLUMNS = 5
"""The most columns of a ladder: more do not fit on a screen."""
LISTED = 4
"""The most connections of which the footer tells."""


def failure_text(outcome: Outcome, *, again: str = "", outside: str = "", title: str = "") -> str:
    """Tell an outcome that is not good.

    Args:
        outcome: what came of it, with at least one failure.
        again: the command that runs it again.
        outside: the name for whoever is at the other end of a connection that was seen from one end
            only.
        title: what the spec calls itself.
    """
    first = outcome.failures[0]
    blocks = [
        [outcome.headline],
        _place(first, title),
        _difference(first),
        [f"  {line}" for line in first.mismatch.details],
        _traceback(first),
        _others(outcome.failures[1:]),
        ladder_lines(outcome.timeline, outside, outcome.engines),
    ]
    body = "\n\n".join("\n".join(map(_one_line, block)) for block in blocks if block).split("\n")
    footer = map(_one_line, _footer(first, outcome, again))
    return "\n".join(_fit(body, list(footer)))


def _one_line(text: str) -> str:
    """Return a line that commands no terminal, whatever it was made of."""
    return show(text, limit=WIDTH)


def _fit(body: list[str], footer: list[str]) -> list[str]:
    """Cut the body so that the footer, which says how to go on, is always there."""
    room = LIMIT - len(footer) - (1 if footer else 0)
    if len(body) > room:
        hidden = len(body) - room + 1
        body = [*body[: room - 1], f"  … {hidden} more lines"]
    return [*body, "", *footer] if footer else body


def _place(failure: Failure, title: str) -> list[str]:
    location = failure.location
    if location is None:
        return []
    quoted = excerpt(location, note=failure.mismatch.note)
    name = f'  "{show(title, limit=80)}"' if title else ""
    return [f"  {location}{name}", *quoted]


def _difference(failure: Failure) -> list[str]:
    expected = failure.mismatch.expected
    if expected is None:
        received = failure.mismatch.received
        return [f"  received  {show(received, limit=60)}"] if received else []
    return hexdiff(expected, failure.mismatch.received)


def _traceback(failure: Failure) -> list[str]:
    if failure.exception is None:
        return []
    frames = traceback.format_exception(failure.exception, limit=-3)
    return ["  " + line for frame in frames for line in frame.rstrip().split("\n")]


def _others(failures: Sequence[Failure]) -> list[str]:
    shown = [f"  also:   {failure.headline}" for failure in failures[:4]]
    hidden = len(failures) - len(shown)
    return [*shown, f"          … and {hidden} more"] if hidden else shown


def ladder_lines(
    timeline: Timeline, outside: str, engines: Mapping[str, str] | None = None
) -> list[str]:
    """Draw what happened, in `RUNGS` rungs at most, with a head; of many connections, line by line.

    Args:
        timeline: what happened.
        outside: as above.
        engines: the engine of each peer whose head is to name it.
    """
    steps = list(rungs(timeline, outside=outside))
    if not steps:
        return []
    left_out = [f"    … {len(steps) - RUNGS} earlier events"] if len(steps) > RUNGS else []
    columns = _columns(steps[-RUNGS:])
    if len(columns) > COLUMNS:
        return [*left_out, *(_sentence(rung, engines or {}) for rung in steps[-RUNGS:])]
    heads = (_head(column, engines or {}).ljust(COLUMN) for column in columns)
    head = " " * 12 + "".join(heads).rstrip()
    return [head, *left_out, *(_rung_line(rung, columns) for rung in steps[-RUNGS:])]


def _head(column: str, engines: Mapping[str, str]) -> str:
    engine = engines.get(column.partition("@")[0], "")
    return f"{column} ({engine})" if engine else column


def _columns(steps: Iterable[Rung]) -> list[str]:
    """Order the columns so that who is connected stands side by side, the one who began on the
    left."""
    columns: list[str] = []
    for rung in steps:
        for column in (rung.source, rung.target):
            if column and column not in columns:
                columns.append(column)
    return columns


def _sentence(rung: Rung, engines: Mapping[str, str]) -> str:
    """Tell a rung without columns: of many connections, a ladder would be wider than a screen."""
    time, target = f"    {rung.at:.3f}   ", _head(rung.target, engines)
    if not rung.source or rung.source == rung.target:
        return f"{time}{target}: {rung.text}"
    given = "" if rung.given == rung.text else f" ({rung.given})"
    return f"{time}{_head(rung.source, engines)} -> {target}: {rung.text}{given}"


def _rung_line(rung: Rung, columns: Sequence[str]) -> str:
    target = columns.index(rung.target)
    time = f"    {rung.at:.3f}   "
    if not rung.source or rung.source == rung.target:
        return f"{time}{' ' * (COLUMN * target)}{rung.text}".rstrip()
    source = columns.index(rung.source)
    left, right = sorted((source, target))
    texts = {source: rung.given, target: rung.text}
    width = COLUMN * (right - left)
    label = (show(texts[left], limit=COLUMN - 6) + " ").ljust(8)
    shaft = "-" * (width - len(label) - 2)
    arrow = f"{shaft}>" if source < target else f"<{shaft}"
    return f"{time}{' ' * (COLUMN * left)}{label}{arrow} {texts[right]}".rstrip()


def _footer(failure: Failure, outcome: Outcome, again: str) -> list[str]:
    timeline = outcome.timeline
    lines = []
    if failure.wait is not None:
        lines.append(f"  waiting: {_waited(failure, failure.wait)}{_queued(timeline)}")
    unread = [
        f"{channel.peer} {len(channel.unread)} B"
        for channel in timeline.channels()
        if channel.unread
    ]
    unread += [
        f"{channel.peer} {count(len(channel.datagrams), 'datagram')}"
        for channel in timeline.channels()
        if channel.datagrams
    ]
    if unread:
        lines.append(f"  unread:  {_listed(unread)}")
    if outcome.hint:
        lines.append(f"  meant?   {outcome.hint}")
    return [*lines, f"  again:   {again}"] if again else lines


def _waited(failure: Failure, wait: Wait) -> str:
    target = failure.mismatch.waiting_for or "an event"
    scale = f"{wait.scale:g}"
    time = f"{wait.lasted:.2f} of {wait.limit:.2f} s"
    return f"{wait.peer} for {target}, {time} ({wait.origin}, scale {scale})"


def _queued(timeline: Timeline) -> str:
    """Say what still waits to be written at each end: who waits may wait for that."""
    ends = [channel for channel in timeline.channels() if channel.connection != LISTENER]
    queued = [f"{name(channel)} {channel.queued} B" for channel in ends]
    return f"      queued: {_listed(queued)}" if queued else ""


def _listed(items: Sequence[str]) -> str:
    hidden = len(items) - LISTED
    return ", ".join(items[:LISTED]) + (f" and {hidden} more" if hidden > 0 else "")
