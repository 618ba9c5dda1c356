"""The text of a failure, at most `LIMIT` lines: the same in a terminal, through a parallel run, and
in JUnit.

Its first line stands alone within 60 columns, because summaries cut there. Then come the place with
the source, what was expected under what came, the ladder of what happened, who was waiting for
what, and the command to run it again.
"""

import traceback
from collections.abc import Iterable, Iterator, Sequence

from sockharness.location import excerpt
from sockharness.outcome import Failure, Outcome, Wait
from sockharness.printable import show
from sockharness.report.hexdiff import hexdiff
from sockharness.report.ladder import Rung, rungs
from sockharness.timeline import Timeline

LIMIT = 40
RUNGS = 16
"""The most rungs shown; of a longer ladder the beginning is left out."""
COLUMN = 22
LONGEST_CELL = 34


def failure_text(outcome: Outcome, *, again: str = "", outside: str = "") -> str:
    """Tell an outcome that is not good.

    Args:
        outcome: what came of it, with at least one failure.
        again: the command that runs it again.
        outside: the name for whoever is at the other end of a connection that was seen from one end
            only.
    """
    first = outcome.failures[0]
    blocks = [
        [outcome.headline],
        _place(first),
        _difference(first),
        [f"  {line}" for line in first.mismatch.details],
        _traceback(first),
        _others(outcome.failures[1:]),
        _ladder(outcome.timeline, outside),
        _footer(first, outcome.timeline, again),
    ]
    lines = "\n\n".join("\n".join(block) for block in blocks if block).split("\n")
    return "\n".join(_fit(lines))


def _fit(lines: list[str]) -> Iterable[str]:
    if len(lines) <= LIMIT:
        return lines
    kept = lines[: LIMIT - 1]
    return [*kept, f"  … {len(lines) - len(kept)} more lines"]


def _place(failure: Failure) -> list[str]:
    location = failure.location
    if location is None:
        return []
    quoted = excerpt(location, note=failure.mismatch.note)
    return [f"  {location}", *quoted]


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
    return ["  " + show(line) for frame in frames for line in frame.rstrip().split("\n")]


def _others(failures: Sequence[Failure]) -> list[str]:
    shown = [f"  also:   {failure.headline}" for failure in failures[:4]]
    hidden = len(failures) - len(shown)
    return [*shown, f"          … and {hidden} more"] if hidden else shown


def _ladder(timeline: Timeline, outside: str) -> list[str]:
    steps = list(rungs(timeline, outside=outside))
    if not steps:
        return []
    columns = _columns(steps)
    head = " " * 12 + "".join(column.ljust(COLUMN) for column in columns).rstrip()
    left_out = [f"    … {len(steps) - RUNGS} earlier events"] if len(steps) > RUNGS else []
    return [head, *left_out, *(_rung_line(rung, columns) for rung in steps[-RUNGS:])]


def _columns(steps: Iterable[Rung]) -> list[str]:
    """Order the columns so that who is connected stands side by side, the one who began on the
    left."""
    columns: list[str] = []
    for rung in steps:
        for name in (rung.source, rung.target):
            if name and name not in columns:
                columns.append(name)
    return columns


def _rung_line(rung: Rung, columns: Sequence[str]) -> str:
    target = columns.index(rung.target)
    time = f"    {rung.at:.3f}   "
    if not rung.source or rung.source == rung.target:
        return f"{time}{' ' * (COLUMN * target)}{rung.text}".rstrip()
    source = columns.index(rung.source)
    left, right = sorted((source, target))
    texts = {source: rung.given, target: rung.text}
    width = COLUMN * (right - left)
    label = texts[left][: COLUMN - 6].ljust(8)
    shaft = "-" * max(2, width - len(label) - 2)
    arrow = f"{shaft}>" if source < target else f"<{shaft}"
    return f"{time}{' ' * (COLUMN * left)}{label}{arrow} {texts[right]}".rstrip()


def _footer(failure: Failure, timeline: Timeline, again: str) -> list[str]:
    lines = []
    if failure.wait is not None:
        lines.append(f"  waiting: {_waited(failure, failure.wait)}")
    unread = [
        f"{channel.peer} {len(channel.unread)} B"
        for channel in timeline.channels()
        if channel.unread
    ]
    if unread:
        lines.append(f"  unread:  {', '.join(unread)}")
    return [*lines, f"  again:   {again}"] if again else lines


def _waited(failure: Failure, wait: Wait) -> str:
    target = failure.mismatch.waiting_for or "an event"
    scale = f"{wait.scale:g}"
    time = f"{wait.lasted:.2f} of {wait.limit:.2f} s"
    return f"{wait.peer} for {target}, {time} ({wait.origin}, scale {scale})"


def indented(text: str, by: str = "  ") -> Iterator[str]:
    """Yield the lines of a text, made printable, each behind `by`."""
    return (by + show(line) for line in text.splitlines())
