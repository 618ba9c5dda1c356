"""The JSON Schema of the spec language, for editors; it is made from the table of the language.

It accepts every valid spec, and refuses wrong keys and wrong kinds of values, as far as a schema
can. Only the loader knows what a name refers to, and which peer can do what. The schema refuses
the text `null` without quotes, because an editor cannot distinguish it from a missing value.

`python -m sockharness.sockspec.schema` prints it; `sockspec-1.schema.json` is its output.
"""

import json
from pathlib import Path

from sockharness.sockspec.schema.kinds import KINDS, Schema, slug
from sockharness.sockspec.schema.sections import file, sections

FILE = Path(__file__).parent.parent / "sockspec-1.schema.json"
"""The schema as the package has it."""


def schema() -> Schema:
    """Return the schema, in the dialect of draft 7, which editors know."""
    definitions = {**sections(), **KINDS}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "sockspec 1",
        "description": "A conversation between named peers over sockets, which sockharness replays",
        **file(),
        "definitions": {slug(name): each for name, each in sorted(definitions.items())},
    }


def printed() -> str:
    """Return the schema as text."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
