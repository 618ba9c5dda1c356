"""The pytest plugin: options and hooks only.

Every pytest run in an environment that holds this package imports this file, most of them for
nothing, so it imports nothing heavy: the specs' machinery when a spec is collected, the engine
when a fixture is used.
"""

from collections.abc import Generator
from pathlib import Path

import pytest

from sockharness import settings
from sockharness.errors import ExpectationFailed, SpecError, Unavailable

pytest_plugins = ("sockharness.fixtures",)

SUFFIXES = (".yaml", ".yml")
HEAD = 4096
"""A spec that is named without `--sockspec` says `sockspec:` within so many bytes."""

_TELLING = (ExpectationFailed, SpecError, Unavailable)
"""Exceptions whose own text says all that a person needs."""

_paths = pytest.StashKey[list[Path]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    settings.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options and find the specs; alone on the command line, they are the whole run."""
    settings.timeout_scale(config)
    if settings.values(config, "sock_allow_net"):
        settings.policy(config)
    given = [config.invocation_params.dir / path for path in config.getoption("--sockspec")]
    for path in given:
        if not path.exists():
            raise pytest.UsageError(f"--sockspec: no such file or folder: {path}")
    configured = [Path(path) for path in config.getini("sockspec_paths")]
    config.stash[_paths] = [path.resolve() for path in (*given, *configured)]
    alone = config.args_source is not pytest.Config.ArgsSource.ARGS
    if given and alone:
        config.args = [str(path) for path in given]
    else:
        named = [_path_of(config, argument) for argument in config.args]
        for path in config.stash[_paths]:
            if not any(_overlap(path, name) for name in named):
                config.args.append(str(path))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the specs that were asked for: by option, by ini file, or by name."""
    if file_path.suffix not in SUFFIXES:
        return None
    named = parent.session.isinitpath(file_path)
    if not (_under(file_path, parent.config.stash[_paths]) or (named and _is_spec(file_path))):
        return None
    from sockharness.collector import SpecFile

    return SpecFile.from_parent(parent, path=file_path)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say in one line what is open and what this machine can do, if specs were asked for."""
    if not config.stash[_paths]:
        return None
    from sockharness import probes

    capture = "no" if settings.capture_reason(config) else "yes"
    ipv6 = "no" if probes.ipv6() else "yes"
    net = ", ".join(["loopback", *settings.values(config, "sock_allow_net")])
    scale = settings.timeout_scale(config)
    return f"sockharness: net {net}; capture {capture}; ipv6 {ipv6}; timeout scale {scale:g}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let our own failures speak for themselves."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, _TELLING):
        from sockharness.longrepr import tell

        tell(item, report, call.excinfo)
    return report


def _path_of(config: pytest.Config, argument: str) -> Path:
    """Return the path of an argument such as `specs/echo.yaml::echo`."""
    return (config.invocation_params.dir / argument.split("::")[0]).resolve()


def _overlap(one: Path, other: Path) -> bool:
    """Say whether one path is, or holds, the other: then an argument brings the specs already."""
    return one.is_relative_to(other) or other.is_relative_to(one)


def _under(path: Path, folders: list[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _is_spec(path: Path) -> bool:
    with path.open("rb") as file:
        return any(line.startswith(b"sockspec:") for line in file.read(HEAD).splitlines())
