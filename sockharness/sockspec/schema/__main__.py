"""Prints the JSON Schema of the spec language."""

import sys

from sockharness.sockspec.schema import printed

if __name__ == "__main__":
    sys.stdout.write(printed())
