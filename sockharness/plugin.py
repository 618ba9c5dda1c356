"""The pytest plugin: options and hooks only.

Every pytest run in an environment with this package imports this file, and most do not use it. So
it imports nothing heavy: the code for specs is imported when a spec is collected, the engine when a
fixture is used.
"""

from collections.abc import Generator
from pathlib import Path

import pytest

from sockharness.errors import ExpectationFailed, SpecError, Unavailable
from sockharness.suite import settings
from sockharness.suite.selection import Selection, forgotten, without_specs

pytest_plugins = ("sockharness.suite.fixtures",)

_OWN_TEXT = (ExpectationFailed, SpecError, Unavailable)
"""Exceptions whose text is the whole report."""

_selection = pytest.StashKey[Selection]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    settings.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options and find the specs."""
    settings.check_choices(config)
    settings.timeout_scale(config)
    if settings.values(config, "sock_allow_net"):
        settings.policy(config)
    if settings.values(config, "sock_engine"):
        settings.choices(config)
    if settings.runs_bun(config):
        from sockharness.suite.collector import check_bun

        check_bun(config)
    config.stash[_selection] = Selection.of(config)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignore files beside specs that were not asked for."""
    selection = config.stash.get(_selection, None)  # there is none yet while it is being made
    return (selection is not None and selection.ignores(collection_path)) or None


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the specs that were asked for by option, by ini file or by name."""
    selection = parent.config.stash[_selection]
    if not selection.is_spec(file_path, by_name=parent.session.isinitpath(file_path)):
        return None
    from sockharness.suite.collector import SpecFile

    return SpecFile.from_parent(parent, path=file_path)


@pytest.hookimpl(tryfirst=True)  # before items are deselected
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Raise if a mix of engines names a peer that no spec has: all items would be skipped."""
    if any(":" in text for text in settings.values(config, "sock_engine")):
        from sockharness.suite.collector import check_peers

        check_peers(config, items)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Return a line with the limits of this run and machine, if specs were asked for."""
    if not config.stash[_selection].specs:
        return None
    from sockharness.machine import probes

    capture = "no" if settings.capture_reason(config) else "yes"
    ipv6 = "no" if probes.ipv6() else "yes"
    net = ", ".join(["loopback", *settings.values(config, "sock_allow_net")])
    scale = settings.timeout_scale(config)
    engines = ""
    if settings.values(config, "sock_engine"):
        from sockharness.suite.collector import engine_names

        engines = f"engines {engine_names(config)}; "
    return (
        f"sockharness: {engines}net {net}; capture {capture}; ipv6 {ipv6}; timeout scale {scale:g}"
    )


def pytest_terminal_summary(
    terminalreporter: "pytest.TerminalReporter",  # pytest 8.0 does not export it
    exitstatus: int,
    config: pytest.Config,
) -> None:
    """Report folders without specs; if nothing was collected, add how to run specs."""
    specs = config.stash[_selection].specs
    for folder in without_specs(config, specs):
        terminalreporter.write_line(f"sockharness: no spec (*.yaml, *.yml) in {folder}")
    nothing = exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED
    if not nothing or terminalreporter.stats.get("deselected") or specs:
        return
    if folder := forgotten(config):
        terminalreporter.write_line(
            f"sockharness: there are specs in {folder}: pytest --sockspec {folder}"
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report our own exceptions by their text, without a traceback."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, _OWN_TEXT):
        from sockharness.suite.longrepr import use_own_text

        use_own_text(item, report, call.excinfo)
    return report
