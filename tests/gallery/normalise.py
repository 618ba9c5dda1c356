"""The parts of a text that differ from run to run, each replaced by a name. The only place for it.

Nothing here depends on the machine or the test: a text that needs more should be made with fixed
values, for example with a clock that is set by hand.
"""

import re

RULES = (
    (re.compile(r"(?<=127\.0\.0\.1:)\d+|(?<=\[::1\]:)\d+"), "PORT"),
    (re.compile(r"(?<=127\.0\.0\.1 port )\d+|(?<=::1 port )\d+"), "PORT"),
    (re.compile(r"\b\d+(?= bytes still waited)"), "SOME"),
    (re.compile(r"\b0x[0-9a-f]{8,}\b"), "0xADDRESS"),
    (re.compile(r"(?m)^( {4,})\d+\.\d{3}(?=   \S| {3,})"), r"\1T.TTT"),
    (re.compile(r"\b\d+\.\d\d(?= of \d+\.\d\d s\b)"), "T.TT"),
    (re.compile(r"(?<=/)pytest-of-[^/]+/pytest-\d+/"), "TMP/"),
)
"""Ports of loopback, bytes that a kernel did not take, addresses of objects, times, folders."""


def normalise(text: str) -> str:
    """Return a text without what differs from run to run, ending in one newline."""
    for pattern, name in RULES:
        text = pattern.sub(name, text)
    return text.rstrip("\n") + "\n"
