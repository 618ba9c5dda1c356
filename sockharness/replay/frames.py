"""Checks of what crossed the wire: how many frames fit, and what they have in common.

A frame is in the capture's queue before its receiver can act on it, so the frames that the steps
caused are there when the steps are done. The kernel may send more later by itself (a delayed ACK):
the check waits for that only if a count is still too low.
"""

from sockharness.errors import Problem, SpecError
from sockharness.printable import count, show
from sockharness.replay.setup import Setup
from sockharness.sockspec.model import Case, FieldTest, Reference, WireCheck
from sockharness.sockspec.text.typed import expected_got
from sockharness.story.expectations import Mismatch
from sockharness.story.outcome import Failure
from sockharness.wire.capture import Capture
from sockharness.wire.dissect import check_field_name, fits, misfit
from sockharness.wire.frame import Frame

WITHIN = 1.0
"""Seconds to wait for frames that are still missing."""
LISTED = 8
"""The most frames that a failure lists."""


def check_names(case: Case) -> None:
    """Reject fields that scapy does not know, and values that they cannot have.

    Raises:
        SpecError: with every unknown field, and every such value.
    """
    problems = []
    for check in case.wire:
        for test in (*check.where, *check.each):
            try:
                check_field_name(test.field)
            except ValueError as error:
                problems.append(Problem(test.location, str(error)))
                continue
            if isinstance(test.value, str) and (wrong := misfit(test.field, test.value)):
                expected, hint = wrong
                message = expected_got(expected, f"'{show(test.value, limit=40)}'")
                problems.append(Problem(test.value_location, message, hint))
    if problems:
        raise SpecError(problems)


def check_frames(setup: Setup, *, scale: float) -> list[Failure]:
    """Compare the captured frames with the checks of the case; return the failures."""
    capture = setup.capture
    assert capture is not None, "a case with wire checks is set up with a capture"
    return [
        failure
        for check in setup.case.wire
        if (failure := _check(setup, capture, check, scale)) is not None
    ]


def _check(setup: Setup, capture: Capture, check: WireCheck, scale: float) -> Failure | None:
    for test in (*check.where, *check.each):
        value = _value(test, setup)
        if wrong := misfit(test.field, value):
            mismatch = _cannot_be(test, value, wrong[0])
            return Failure(mismatch=mismatch, location=test.value_location)
    within = (check.within or WITHIN) * scale
    fitting: list[Frame] = []

    def enough() -> bool:
        capture.poll()
        fitting[:] = [frame for frame in capture.frames if _fits(frame, check.where, setup)]
        return check.count is None or check.count.hold(len(fitting))

    if not setup.run_until(enough, within):
        mismatch = _wrong_count(check, fitting, capture)
        return Failure(mismatch=mismatch, location=check.location)
    for frame in fitting:
        for test in check.each:
            if not _fits(frame, (*check.where, test), setup):
                return Failure(mismatch=_unlike(frame, test, setup), location=test.location)
    return None


def _fits(frame: Frame, tests: tuple[FieldTest, ...], setup: Setup) -> bool:
    return fits(frame.packet, [(test.field, _value(test, setup)) for test in tests])


def _value(test: FieldTest, setup: Setup) -> str:
    if not isinstance(test.value, Reference):
        return test.value
    value = setup.names.value(test.value.name)
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value).partition("%")[0]  # on the wire no address has a zone


def _cannot_be(test: FieldTest, value: str, expected: str) -> Mismatch:
    """Return the failure of a `$name` whose value cannot be in this field."""
    said = f"{test.field} cannot be {show(value, limit=20)}"
    return Mismatch(headline=said, note=f"{said}; {expected_got(expected, value)}")


def _wrong_count(check: WireCheck, fitting: list[Frame], capture: Capture) -> Mismatch:
    headline = f"{count(len(fitting), 'frame')} on the wire, expected {check.count}"
    listed = fitting or capture.frames
    title = "the frames that fit:" if fitting else "the frames that crossed the wire:"
    lines = [_summary(frame) for frame in listed[:LISTED]]
    hidden = len(listed) - len(lines)
    more = (f"… and {hidden} more",) if hidden else ()
    return Mismatch(headline=headline, note=headline, details=(title, *lines, *more))


def _unlike(frame: Frame, test: FieldTest, setup: Setup) -> Mismatch:
    from sockharness.wire.dissect import field

    got = field(frame.packet, test.field)
    headline = f"{test.field} is {got}, expected {_value(test, setup)}"
    return Mismatch(headline=headline, note=headline, details=(_summary(frame),))


def _summary(frame: Frame) -> str:
    headers = frame.headers
    if headers is None:
        summary = frame.packet.summary()  # such as IGMP: rare enough for scapy
        return f"  {count(len(frame.data), 'byte')}: {show(summary, limit=70)}"
    addresses = f"{headers.source} > {headers.destination}"
    return f"  {addresses}  {headers.flags or headers.protocol:<4} {len(headers.payload)} B"
