"""The mappings that stand for bytes: what they are, or only what they look like.

The form is the key that comes first in this table; the others are its arguments.
"""

from sockharness.sockspec.table.row import Row

_FORMS = (
    Row(
        key="hex",
        at=("bytes",),
        takes="hex",
        does="those bytes",
        example="hex: ff 00",
    ),
    Row(
        key="base64",
        at=("bytes",),
        takes="base64",
        does="those bytes",
        example="base64: aGk=",
    ),
    Row(
        key="text",
        at=("bytes",),
        takes="any text",
        does="the text, even if it looks like a name",
        example='text: "$x"',
    ),
    Row(
        key="file",
        at=("bytes",),
        takes="text",
        does="a file's content: the spec's folder and below, at most 16 MiB",
        example="file: payload.bin",
    ),
    Row(
        key="bytes",
        at=("bytes",),
        takes="count of bytes",
        does="so many bytes",
        example="bytes: 1KiB",
    ),
    Row(
        key="repeat",
        at=("bytes",),
        takes="plain bytes",
        does="bytes again and again",
        example='repeat: "ab", times: 3',
    ),
    Row(
        key="concat",
        at=("bytes",),
        takes="list of bytes",
        does="joined bytes",
        example='concat: ["a", "b"]',
    ),
    Row(
        key="rest_of",
        at=("bytes",),
        takes="plain bytes",
        does="what is left behind a captured count",
        example="rest_of: $blob, after: $taken",
    ),
    Row(
        key="capture",
        at=("matcher",),
        takes="name",
        does=(
            "as `length` or `regex`, remembered as `$name`; of a datagram all of it if neither "
            "is there"
        ),
        example="capture: line, length: 2, example: hi",
    ),
    Row(
        key="sha256",
        at=("matcher",),
        takes="sha256",
        does="so many bytes with that hash",
        example=(
            "sha256: 8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4, length: "
            "2, example: hi"
        ),
    ),
    Row(
        key="regex",
        at=("matcher",),
        takes="regex",
        does=(
            "the shortest run of bytes that the pattern matches as a whole; named groups are "
            "captured"
        ),
        example="regex: 'h.', example: hi",
    ),
    Row(
        key="length",
        at=("matcher",),
        takes="count of bytes",
        does="so many bytes",
        example="length: 2, example: hi",
    ),
    Row(
        key="starts_with",
        at=("message matcher",),
        takes="plain bytes",
        does="a datagram that begins so",
        example="starts_with: h, example: hi",
    ),
    Row(
        key="any",
        at=("message matcher",),
        takes="true",
        does="any datagram",
        example="any: true, example: hi",
    ),
    Row(
        key="unordered",
        at=("received",),
        takes="list of bytes",
        does="these datagrams in any order",
        example='unordered: ["a", "b"]',
    ),
    Row(
        key="pattern",
        at=("bytes bytes",),
        takes="pattern",
        default="counter",
        does="`counter`: 32-bit big-endian numbers from 0; `zero`",
        example="pattern: zero",
    ),
    Row(
        key="times",
        at=("bytes repeat",),
        takes="times",
        does="how often",
        example="times: 3",
        required=True,
    ),
    Row(
        key="after",
        at=("bytes rest_of",),
        takes="captured count",
        does="the captured count",
        example="after: $taken",
        required=True,
    ),
    Row(
        key="length",
        at=("bytes capture", "bytes sha256"),
        takes="count of bytes",
        does="how many bytes",
        example="length: 2",
    ),
    Row(
        key="regex",
        at=("bytes capture",),
        takes="regex",
        does="the pattern that they match",
        example="regex: 'h.'",
    ),
)
"""All rows but the one that every description of bytes has."""

_DESCRIPTIONS = [row.key for row in _FORMS if {"matcher", "message matcher"} & set(row.at)]

ROWS = (
    *_FORMS,
    Row(
        key="example",
        at=tuple(f"bytes {key}" for key in _DESCRIPTIONS),
        takes="plain bytes",
        does="what a scripted peer writes in its place",
        example="example: hi",
    ),
)
