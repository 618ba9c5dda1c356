"""Which files are the specs of a run.

`--sockspec PATH` and the ini file's `sockspec_paths` name files and folders: of those, the specs
are collected and nothing else. What stands on the command line as ever is collected as ever, and a
spec that is named there needs no option. `--sockspec` without anything else on the command line is
the whole run.
"""

import os
from itertools import chain, islice
from pathlib import Path

import pytest

from sockharness.record import record

SUFFIXES = (".yaml", ".yml")
LOOKED_AT = 20
"""The most files of a folder that are looked at, to see whether it holds specs."""
HEAD = 4096
"""A spec that is named without `--sockspec` says `sockspec:` within so many bytes."""


@record
class Selection:
    """What was asked for.

    Attributes:
        specs: the files and folders of which the specs are wanted.
        named: the files and folders of which everything is wanted.
    """

    specs: tuple[Path, ...]
    named: tuple[Path, ...]

    @classmethod
    def of(cls, config: pytest.Config) -> "Selection":
        """Read the options, and add what they want to the arguments of the run.

        Raises:
            pytest.UsageError: if a path does not exist.
        """
        given = [config.invocation_params.dir / path for path in config.getoption("--sockspec")]
        for path in given:
            if not path.exists():
                raise pytest.UsageError(f"--sockspec: no such file or folder: {path}")
        configured = [Path(path) for path in config.getini("sockspec_paths")]
        specs = tuple(path.resolve() for path in (*given, *configured))
        if given and config.args_source is not pytest.Config.ArgsSource.ARGS:
            config.args = []
        # A parallel run hands its workers the arguments that the controller has added to.
        paths = [_path_of(config, argument) for argument in config.args]
        named = tuple(path for path in paths if path not in specs)
        config.args += [
            str(path) for path in specs if not any(_overlap(path, other) for other in paths)
        ]
        return cls(specs, named)

    def is_spec(self, path: Path, *, by_name: bool) -> bool:
        """Say whether a file is to be collected as a spec; `by_name`: it is an argument itself."""
        if path.suffix not in SUFFIXES:
            return False
        return _under(path, self.specs) or (by_name and _says_so(path))

    def ignores(self, path: Path) -> bool:
        """Say whether a path is reached only on the way to specs, and is none."""
        if path.suffix in SUFFIXES or not _under(path, self.specs) or _under(path, self.named):
            return False
        return path.is_file()


def forgotten(config: pytest.Config) -> str:
    """Return the first argument that is a folder with a spec in it; empty if there is none."""
    for argument in config.args:
        path = _path_of(config, argument)
        files = chain(path.glob("*.y*ml"), path.glob("*/*.y*ml"))  # not all of a big tree
        if any(file.suffix in SUFFIXES and _says_so(file) for file in islice(files, LOOKED_AT)):
            return argument
    return ""


def _path_of(config: pytest.Config, argument: str) -> Path:
    """Return the path of an argument such as `specs/echo.yaml::echo`."""
    path = config.invocation_params.dir / argument.split("::")[0]
    return Path(os.path.realpath(path))  # `resolve` raises if links go round in circles


def _overlap(one: Path, other: Path) -> bool:
    """Say whether one path is, or holds, the other: then an argument brings the specs already."""
    return one.is_relative_to(other) or other.is_relative_to(one)


def _under(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _says_so(path: Path) -> bool:
    """Say whether a file begins as a spec; what cannot be read does not, nor does a pipe."""
    if not os.path.isfile(path):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:  # it may be anybody's file; who wants it as a spec says so by `--sockspec`
        return False
    return any(line.startswith(b"sockspec:") for line in head.splitlines())
