"""The text of a failure, at most `LIMIT` lines: the same in a terminal, in a parallel run and in
JUnit.

Its first line stands alone within 60 columns, because summaries cut there. Then come the location
with its source line, the expected and the received bytes, the ladder, the peer that was waiting and
for what, and the command to run it again.
"""

import traceback
from collections.abc import Iterable, Mapping, Sequence

from sockharness.location import excerpt
from sockharness.printable import count, show
from sockharness.report.hexdiff import hexdiff
from sockharness.report.ladder import Rung, column_name, rungs
from sockharness.story.outcome import Failure, Outcome, Wait
from sockharness.story.timeline import LISTENER, Timeline

LIMIT = 40
RUNGS = 16
"""The most rungs shown; the beginning of a longer ladder is left out."""
WIDTH = 400
"""The most characters of a line."""
COLUMN = 22
COLUMNS = 5
"""The most columns of a ladder: more do not fit on a screen."""
LISTED = 4
"""The most connections that the footer lists."""


def failure_text(outcome: Outcome, *, again: str = "", unseen: str = "", title: str = "") -> str:
    """Return the report of a run that failed.

    Args:
        outcome: the run's outcome, with at least one failure.
        again: the command that runs it again.
        unseen: the name for the other end of a connection of which only one end is in the timeline.
        title: the spec's name.
    """
    first = outcome.failures[0]
    blocks = [
        [outcome.headline],
        _source(first, title),
        _difference(first),
        [f"  {line}" for line in first.mismatch.details],
        _traceback(first),
        _others(outcome.failures[1:]),
        ladder_lines(outcome.timeline, unseen, outcome.engines),
    ]
    body = "\n\n".join("\n".join(map(_one_line, block)) for block in blocks if block).split("\n")
    footer = map(_one_line, _footer(first, outcome, again))
    return "\n".join(_fit(body, list(footer)))


def _one_line(text: str) -> str:
    """Return a text as one line without control characters."""
    return show(text, limit=WIDTH)


def _fit(body: list[str], footer: list[str]) -> list[str]:
    """Cut the body, so that there is room for the footer, which says what to do next."""
    room = LIMIT - len(footer) - (1 if footer else 0)
    if len(body) > room:
        hidden = len(body) - room + 1
        body = [*body[: room - 1], f"  … {hidden} more lines"]
    return [*body, "", *footer] if footer else body


def _source(failure: Failure, title: str) -> list[str]:
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
    timeline: Timeline, unseen: str, engines: Mapping[str, str] | None = None
) -> list[str]:
    """Draw a timeline: a head and at most `RUNGS` rungs; sentences for too many columns.

    Args:
        timeline: what happened.
        unseen: the name for the other end of a connection of which only one end is in the timeline.
        engines: the engine of each peer whose head names it.
    """
    steps = list(rungs(timeline, unseen=unseen))
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
    """Order the columns: connected peers stand side by side, the one that connected on the left."""
    columns: list[str] = []
    for rung in steps:
        for column in (rung.source, rung.target):
            if column and column not in columns:
                columns.append(column)
    return columns


def _sentence(rung: Rung, engines: Mapping[str, str]) -> str:
    """Return a rung as a sentence, for a ladder that would be wider than a screen."""
    time, target = f"    {rung.at:.3f}   ", _head(rung.target, engines)
    if not rung.source or rung.source == rung.target:
        return f"{time}{target}: {rung.text}"
    label = "" if rung.label == rung.text else f" ({rung.label})"
    return f"{time}{_head(rung.source, engines)} -> {target}: {rung.text}{label}"


def _rung_line(rung: Rung, columns: Sequence[str]) -> str:
    target = columns.index(rung.target)
    time = f"    {rung.at:.3f}   "
    if not rung.source or rung.source == rung.target:
        return f"{time}{' ' * (COLUMN * target)}{rung.text}".rstrip()
    source = columns.index(rung.source)
    left, right = sorted((source, target))
    texts = {source: rung.label, target: rung.text}
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
    """Return how many bytes each end has still to write: they may be what a peer waits for."""
    connections = [channel for channel in timeline.channels() if channel.connection != LISTENER]
    queued = [f"{column_name(channel)} {channel.queued} B" for channel in connections]
    return f"      queued: {_listed(queued)}" if queued else ""


def _listed(items: Sequence[str]) -> str:
    hidden = len(items) - LISTED
    return ", ".join(items[:LISTED]) + (f" and {hidden} more" if hidden > 0 else "")
