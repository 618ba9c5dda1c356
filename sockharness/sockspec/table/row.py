"""A row of the table of the language."""

from sockharness.record import record


@record(kw_only=True)
class Row:
    """A key of the language, or a word that stands for an action.

    Attributes:
        key: the key.
        at: the sections that have it: the kinds of mappings in which it may stand.
        takes: the kind of its value; empty if it is a word without a value.
        does: its meaning, in Markdown.
        example: the key with a value, and with the keys that must stand beside it.
        default: the value that holds without it.
        required: whether its mapping needs it.
        bare: whether it may also stand as a word of its own, without a value.
        since: the version of sockharness that had it first.
    """

    key: str
    at: tuple[str, ...]
    takes: str = ""
    does: str
    example: str
    default: str = ""
    required: bool = False
    bare: bool = False
    since: str = "0.1"
