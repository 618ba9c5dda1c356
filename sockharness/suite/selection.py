"""Which files are the specs of a run.

`--sockspec PATH` names files and folders; only their specs are collected. Other arguments of the
command line are collected as ever, and a spec among them needs no option. With `--sockspec` and no
other argument, those specs are the whole run. `sockspec_paths` of the ini file apply, as pytest's
`testpaths` do, if the command line names nothing. Also, if the command line names a folder inside
one of them, the specs in that folder are collected.

**Arguments inside a folder of the option.** A spec, its id, or a folder with specs narrows the
option: no other specs of that folder are collected. Any other argument adds to it. In that case the
folder itself cannot become an argument: pytest drops an argument inside another one, and with it
the id that was asked for. So the other parts of the folder become arguments.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

import pytest

from sockharness.record import record

SUFFIXES = (".yaml", ".yml")
LOOKED_AT = 20
"""The most files of a folder that are searched for a spec."""
HEAD = 4096
"""A spec that is named without `--sockspec` must have `sockspec:` within this many bytes."""


@record
class Selection:
    """The specs that the options select.

    Attributes:
        specs: the files and folders whose specs are to be collected.
        named: the files and folders that are to be collected as a whole.
    """

    specs: tuple[Path, ...]
    named: tuple[Path, ...]

    @classmethod
    def of(cls, config: pytest.Config) -> "Selection":
        """Read the options, and add their paths to the arguments of the run.

        Raises:
            pytest.UsageError: if a path does not exist, or cannot hold specs.
        """
        specs, by_arguments = _specs(config), _has_arguments(config)
        if config.getoption("--sockspec") and not by_arguments:
            config.args = []
        named = _paths(config)
        for path in specs:
            inside = [each for each in named if each.is_relative_to(path)]
            narrowed = by_arguments and any(_has_specs(config, each) for each in inside)
            if not narrowed and not _under(path, named):
                config.args += map(str, _apart_from(inside, path, _ignored(config)))
        return cls(specs, named)

    def is_spec(self, path: Path, *, by_name: bool) -> bool:
        """Return whether to collect a file as a spec; `by_name`: it is an argument itself."""
        if path.suffix not in SUFFIXES:
            return False
        return _under(path, self.specs) or (by_name and _says_so(path))

    def ignores(self, path: Path) -> bool:
        """Return whether a path is no spec, but is visited in the search for specs."""
        if path.suffix in SUFFIXES or not _under(path, self.specs) or _under(path, self.named):
            return False
        return path.is_file()


def forgotten(config: pytest.Config) -> str:
    """Return the first argument that is a folder with a spec; empty if there is none."""
    for argument in config.args:
        path = _path_of(config, argument)
        files = chain(path.glob("*.y*ml"), path.glob("*/*.y*ml"))  # not all of a big tree
        if any(file.suffix in SUFFIXES and _says_so(file) for file in islice(files, LOOKED_AT)):
            return argument
    return ""


def without_specs(config: pytest.Config, folders: Iterable[Path]) -> list[str]:
    """Return the folders without a spec, relative to the current folder."""
    here = config.invocation_params.dir
    empty = [folder for folder in folders if not _has_specs(config, folder)]
    return [os.path.relpath(folder, here) for folder in empty]


def _specs(config: pytest.Config) -> tuple[Path, ...]:
    """Return the paths of the option, or else those of the ini file that apply."""
    if option := config.getoption("--sockspec"):
        return tuple(_checked(config, "--sockspec", path) for path in option)
    ini: list[Path] = config.getini("sockspec_paths")
    configured = tuple(_checked(config, "sockspec_paths", str(path)) for path in ini)
    if not _has_arguments(config):
        return configured
    named = [path for path in _paths(config) if _has_specs(config, path)]
    return tuple(path for path in configured if any(each.is_relative_to(path) for each in named))


def _checked(config: pytest.Config, source: str, text: str) -> Path:
    path = config.invocation_params.dir / text
    if text and not os.path.exists(path):
        file, colons, _ = text.partition("::")
        known = colons and os.path.exists(config.invocation_params.dir / file)
        hint = f"; an id goes without the option: pytest {text}" if known else ""
        raise pytest.UsageError(f"{source}: no such file or folder: {path}{hint}")
    if not text or not (os.path.isdir(path) or _is_named_as_spec(path)):
        raise pytest.UsageError(
            f"{source}: expected a folder or a *.yaml or *.yml file, got {text!r}"
        )
    return path.resolve()


def _has_arguments(config: pytest.Config) -> bool:
    """Return whether the command line names files or folders, beside options."""
    return config.args_source is pytest.Config.ArgsSource.ARGS


def _paths(config: pytest.Config) -> tuple[Path, ...]:
    return tuple(_path_of(config, argument) for argument in config.args)


def _path_of(config: pytest.Config, argument: str) -> Path:
    """Return the path of an argument such as `specs/echo.yaml::echo`."""
    path = config.invocation_params.dir / argument.split("::")[0]
    return Path(os.path.realpath(path))  # `resolve` raises if links go round in circles


def _ignored(config: pytest.Config) -> Callable[[Path], bool]:
    """Return a function that says whether pytest ignores a path in a folder."""
    hook = config.hook.pytest_ignore_collect
    return lambda path: bool(hook(collection_path=path, config=config))


def _apart_from(inside: list[Path], path: Path, ignored: Callable[[Path], bool]) -> Iterator[Path]:
    """Yield a path, or the parts of a folder that may have specs, without the paths inside it."""
    if not inside:
        yield path
        return
    for part in sorted(path.iterdir()):
        deeper = [each for each in inside if each.is_relative_to(part)]
        if part in inside or ignored(part):
            continue
        if part.is_dir() or _is_named_as_spec(part):
            yield from _apart_from(deeper, part, ignored)


def _has_specs(config: pytest.Config, path: Path) -> bool:
    """Return whether a path is a spec, or a folder that contains one."""
    ignored = _ignored(config)
    for folder, folders, files in os.walk(path):
        if any(_is_named_as_spec(Path(folder, file)) for file in files):
            return True
        folders[:] = [each for each in folders if not ignored(Path(folder, each))]
    return _is_named_as_spec(path)


def _is_named_as_spec(path: Path) -> bool:
    return path.suffix in SUFFIXES and os.path.isfile(path)


def _under(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _says_so(path: Path) -> bool:
    """Return whether a file begins as a spec. A pipe, or a file that cannot be read, does not."""
    if not os.path.isfile(path):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:  # it may be any file; `--sockspec` would name it as a spec
        return False
    return any(line.startswith(b"sockspec:") for line in head.splitlines())
