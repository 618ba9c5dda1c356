"""Specs as pytest items: `SpecFile` collects, `SpecItem` replays.

A spec is a `pytest.Function`, so it works with fixtures, marks, `-k`, `--lf`, JUnit and parallel
runs. A wrong file becomes one item, named by the file's stem, whose set-up raises the `SpecError`:
a collection error would keep the other files from running. Only `--collect-only`, which runs
nothing, reports a collection error.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sockharness.drivers.choice import EngineChoice, unknown_peer
from sockharness.drivers.driver import Engines
from sockharness.drivers.engine import EngineFailed
from sockharness.errors import ExpectationFailed, Problem, SpecError, Unavailable
from sockharness.machine import probes
from sockharness.replay.replayer import Replayer
from sockharness.replay.setup import Setup
from sockharness.sockspec import loader
from sockharness.sockspec.model import Case, Spec
from sockharness.story.outcome import Verdict
from sockharness.suite import settings
from sockharness.suite.longrepr import again, shown_path


class SpecFile(pytest.File):
    """A file with a spec: one item for each of its cases."""

    def collect(self) -> Iterator[pytest.Item]:
        """Load the spec; a wrong one is an item, too."""
        shown = shown_path(self.config, self.path)
        try:
            spec = loader.load(self.path, shown=shown)
        except SpecError as error:
            if self.config.option.collectonly:
                raise self.CollectError(str(error)) from None
            yield BrokenSpec.from_parent(self, name=self.path.stem, error=error)
            return
        items = list(self._items(spec))
        self._check_names([item.name for item in items])
        yield from items

    def _items(self, spec: Spec) -> Iterator[pytest.Item]:
        choices = _choices(self.config)
        for case in spec.cases:
            for suffix, choice in choices.items():
                parts = "-".join(filter(None, (case.id, suffix)))
                item = SpecItem.from_parent(
                    self,
                    name=f"{self.path.stem}[{parts}]" if parts else self.path.stem,
                    callobj=_replays,
                    spec=spec,
                    case=case,
                    choice=choice,
                )
                _mark(item, spec, case)
                yield item

    def _check_names(self, names: list[str]) -> None:
        """Raise for an id on the command line that this file does not have, with those it has."""
        for argument in self.config.args:
            path, _, name = argument.partition("::")
            if (
                name
                and name not in names
                and (self.config.invocation_params.dir / path) == self.path
            ):
                there = f"there {'is' if len(names) == 1 else 'are'} {', '.join(names)}"
                known = "echo[bun] or case[one-bun]"
                raise self.CollectError(
                    f"no '{name}' in this spec; {there}; behind it may stand an engine, {known}"
                )


class SpecItem(pytest.Function):
    """One case of a spec; set-up makes its peers listen and connect, the call replays its steps."""

    def __init__(self, *, spec: Spec, case: Case, choice: EngineChoice, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self.case = case
        self.choice = choice
        self.refused: pytest.UsageError | None = None
        self._setup: Setup | None = None
        self._read_back: tuple[Any, Any] | None = None
        if spec.title:
            self.user_properties.append(("title", spec.title))

    def setup(self) -> None:
        """Make the peers listen and connect."""
        super().setup()
        if self.refused is not None:
            raise self.refused
        policy = settings.policy(self.config)
        if self.case.wire:
            if reason := _no_capture(self.config, self.case):
                raise Unavailable(reason)
            from sockharness.replay.frames import check_names

            check_names(self.case)
        setup = Setup(
            self.case,
            policy=policy,
            capture=bool(self.case.wire),
            scale=settings.timeout_scale(self.config),
            choice=self.choice,
            engines=engines(self.config),
        )
        location = self.case.location
        try:
            self._setup = setup.__enter__()
        except OSError as error:
            raise SpecError([Problem(location, f"cannot be set up: {error}")]) from None
        except EngineFailed as failed:
            raise ExpectationFailed(str(failed), location) from None

    def runtest(self) -> None:
        """Replay the steps; raise a failure with its text."""
        scale = settings.timeout_scale(self.config)
        assert self._setup is not None, "set-up comes first"
        outcome = Replayer(self._setup, scale).run()
        if outcome.row:
            self.user_properties.append(("differs", outcome.row))
        if outcome.verdict is Verdict.DIFFERS:
            pytest.xfail(f"{self.choice} differs ({outcome.row}): {outcome.headline}")
        if outcome.verdict is not Verdict.PASSED:
            from sockharness.report.text import failure_text

            options = _options(self.config)
            text = failure_text(outcome, again=again(self, *options), title=self.spec.title)
            raise ExpectationFailed(text, outcome.failures[0].location)

    def teardown(self) -> None:
        """Close everything that the case opened."""
        setup, self._setup = self._setup, None
        try:
            if setup is not None:
                setup.__exit__(None, None, None)
        except EngineFailed as failed:
            raise ExpectationFailed(str(failed), self.case.location) from None
        finally:
            super().teardown()

    @property
    def id(self) -> Any:
        """Its node id in parts, as pytest reads them from text: `echo[one]` is name and parameters.

        pytest 9.2 makes the parts with the item, and as there is no `parametrize`, the brackets
        belong to the name there; but it remembers failures (`--lf`) by the parts that it reads.
        """
        parts: Any = super().id
        if self._read_back is None or self._read_back[0] is not parts:
            self._read_back = parts, type(parts).parse(str(parts))
        return self._read_back[1]

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the location that pytest reports."""
        return self.path, self.case.location.line - 1, self.name


class BrokenSpec(pytest.Item):
    """A wrong file: its set-up raises the reason."""

    def __init__(self, *, error: SpecError, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._error = error

    def setup(self) -> None:
        """Raise what is wrong with the file."""
        raise self._error

    def runtest(self) -> None:
        """Never reached: set-up raises."""
        raise AssertionError("the set-up of a broken spec raises")

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the location of the first problem."""
        return self.path, self._error.problems[0].location.line - 1, self.name


def _replays() -> None:
    """Stand for the test function: `SpecItem.runtest` does the work."""


_engines = pytest.StashKey[Engines]()
_asked = pytest.StashKey[dict[str, EngineChoice]]()


def engines(config: pytest.Config) -> Engines:
    """Return the engines of this run; they end with it."""
    if _engines not in config.stash:
        config.stash[_engines] = Engines(bun=settings.value(config, "sock_bun"))
        config.add_cleanup(config.stash[_engines].close)
    return config.stash[_engines]


def engine_names(config: pytest.Config) -> str:
    """Name the engines of a run, with the version and path of Bun."""
    names = " ".join(str(choice) for choice in settings.choices(config))
    if "bun" not in names:
        return names
    bun = engines(config).bun
    return f"{names} ({bun.missing() or f'bun {bun.version}: {bun.path}'})"


def check_bun(config: pytest.Config) -> None:
    """Raise if the program named by `--sock-bun` is no Bun: a run of skips would hide that.

    Raises:
        pytest.UsageError: with the reason, and the option or variable that names it.
    """
    named = settings.source(config, "sock_bun")
    if named and (reason := engines(config).bun.missing()):
        raise pytest.UsageError(
            f"{named}: {reason}; name Bun 1.3 or newer, or nothing, to skip what needs it"
        )


def check_peers(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Raise for a peer in `--sock-engine` that no spec has, unless a spec is broken: it may have
    it.

    A worker of a parallel run cannot end the run, so there the items fail.

    Raises:
        pytest.UsageError: with the nearest name.
    """
    ours = [item for item in items if isinstance(item, SpecItem)]
    if not ours or any(isinstance(item, BrokenSpec) for item in items):
        return
    peers = {name for item in ours for name in item.case.peers}
    for item in ours:
        reason = unknown_peer(item.choice, peers)
        if not reason:
            continue
        error = pytest.UsageError(f"{settings.source(config, 'sock_engine')}: {reason}")
        if not hasattr(config, "workerinput"):
            raise error
        item.own_markers.clear()  # else it would be skipped
        item.refused = error


def _choices(config: pytest.Config) -> dict[str, EngineChoice]:
    """Return the engine choices by what each adds to an item's name: the default adds nothing."""
    if _asked not in config.stash:
        asked = settings.choices(config)
        plain = len(asked) == 1 and asked[0].ours
        known = {"" if plain else choice.label: choice for choice in asked}
        for choice in settings.pasted_choices(config):
            known.setdefault(choice.label, choice)
        config.stash[_asked] = known
    return config.stash[_asked]


def _options(config: pytest.Config) -> list[str]:
    """Return the options that an item needs to run on the same Bun; its name contains its
    engines."""
    path = config.getoption("sock_bun")
    return [f"--sock-bun={path}"] if path else []


def _mark(item: SpecItem, spec: Spec, case: Case) -> None:
    """Mark an item that cannot run here as skipped, with the reason."""
    reason = _unfit(item, spec, case)
    if not reason:
        needs = {*spec.needs, *case.needs}
        reason = probes.missing(needs & set(probes.NAMES) - {"capture"})
    if reason:
        item.add_marker(pytest.mark.skip(reason=reason))
    needs_capture = "capture" in spec.needs or case.wire
    if not needs_capture or settings.value(item.config, "sock_capture_missing") == "fail":
        return
    if reason := _no_capture(item.config, case):
        item.add_marker(pytest.mark.skip(reason=reason))


def _no_capture(config: pytest.Config, case: Case) -> str:
    """Return why a case's frames cannot be captured; in a network of its own they always can be."""
    off = settings.value(config, "sock_capture") == "off"
    return settings.capture_reason(config) if off or not case.hosts else ""


def _unfit(item: SpecItem, spec: Spec, case: Case) -> str:
    """Return why a case is not for these engines; empty if it is."""
    names = item.choice.engines(case)
    others = [name for name in names if spec.engines and name not in spec.engines]
    if others:
        line = next(iter(spec.engines.values())).line
        return f"'engines' (line {line}): the spec is for {', '.join(spec.engines)} only"
    if len(names) > 1 and "one_process" in spec.needs:
        line = spec.needs["one_process"].line
        return f"'one_process' (line {line}): between two processes, who is first is a race"
    if item.choice.ours:
        return ""
    ours = engines(item.config)
    reason = ours.cannot(item.choice, case)
    if reason or "bun" not in names or settings.value(item.config, "sock_bun_missing") == "fail":
        return reason
    return ours.bun.missing()
