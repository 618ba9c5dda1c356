"""Print the JSON Schema of the spec language, for editors and validators."""

import argparse
import sys

from sockharness.sockspec.schema import printed


def main() -> None:
    """Print the schema; reject arguments."""
    parser = argparse.ArgumentParser(prog="python -m sockharness.sockspec.schema")
    parser.description = __doc__
    parser.epilog = "Write it to a file, and name that file to your editor for your specs."
    parser.parse_args()
    sys.stdout.write(printed())


if __name__ == "__main__":
    main()
