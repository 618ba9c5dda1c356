"""Specs as pytest items: `SpecFile` collects, `SpecItem` replays.

A spec is a `pytest.Function`, so fixtures, marks, `-k`, `--lf`, JUnit and parallel runs know it.
A file that is wrong becomes one item, named by the file's stem, whose set-up raises the
`SpecError`: a collection error would keep the other files from running. Only `--collect-only`,
which runs nothing, reports it as one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sockharness import probes, settings
from sockharness.errors import ExpectationFailed, Problem, SpecError, Unavailable
from sockharness.longrepr import again, shown_path
from sockharness.outcome import Verdict
from sockharness.replay.replayer import Replayer
from sockharness.replay.stage import Stage
from sockharness.report.text import failure_text
from sockharness.spec import loader
from sockharness.spec.model import Case, Spec


class SpecFile(pytest.File):
    """A file with a spec: one item for each of its cases."""

    def collect(self) -> Iterator[pytest.Item]:
        """Load the spec; a wrong one is an item too."""
        shown = shown_path(self.config, self.path)
        try:
            spec = loader.load(self.path, shown=shown)
        except SpecError as error:
            if self.config.option.collectonly:
                raise self.CollectError(str(error)) from None
            yield BrokenSpec.from_parent(self, name=self.path.stem, error=error)
            return
        for case in spec.cases:
            name = f"{self.path.stem}[{case.id}]" if case.id else self.path.stem
            item = SpecItem.from_parent(self, name=name, callobj=_replays, spec=spec, case=case)
            _mark(item, spec, case)
            yield item


class SpecItem(pytest.Function):
    """One case of a spec; set-up makes its peers listen and connect, the call replays its steps."""

    def __init__(self, *, spec: Spec, case: Case, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self.case = case
        self._stage: Stage | None = None
        if spec.title:
            self.user_properties.append(("title", spec.title))

    def setup(self) -> None:
        """Set the stage."""
        super().setup()
        policy = settings.policy(self.config)
        if self.case.wire:
            if reason := settings.capture_reason(self.config):
                raise Unavailable(reason)
            from sockharness.replay.frames import check_names

            check_names(self.case)
        try:
            self._stage = Stage(self.case, policy=policy, capture=bool(self.case.wire)).__enter__()
        except OSError as error:
            place = self.case.location
            raise SpecError([Problem(place, f"cannot be set up: {error}")]) from None

    def runtest(self) -> None:
        """Replay; what is not as it should be raises the text of it."""
        scale = settings.timeout_scale(self.config)
        assert self._stage is not None, "set-up comes first"
        outcome = Replayer(self._stage, scale).run()
        if outcome.verdict is not Verdict.PASSED:
            text = failure_text(outcome, again=again(self), title=self.spec.title)
            raise ExpectationFailed(text, outcome.failures[0].location)

    def teardown(self) -> None:
        """Close all that the case opened."""
        stage, self._stage = self._stage, None
        try:
            if stage is not None:
                stage.__exit__(None, None, None)
        finally:
            super().teardown()

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the place that pytest reports."""
        return self.path, self.case.location.line - 1, self.name


class BrokenSpec(pytest.Item):
    """A file that is no spec: its set-up says why."""

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
        """Return the place of the first problem."""
        return self.path, self._error.problems[0].location.line - 1, self.name


def _replays() -> None:
    """Stand for the test function: `SpecItem.runtest` does the work."""


def _mark(item: pytest.Item, spec: Spec, case: Case) -> None:
    """Mark an item that this machine cannot run as skipped, with the reason."""
    needs = set(spec.needs) | ({"capture"} if case.wire else set())
    reason = probes.missing(needs - {"capture"})
    if reason:
        item.add_marker(pytest.mark.skip(reason=reason))
    if "capture" not in needs or settings.value(item.config, "sock_capture_missing") == "fail":
        return
    if reason := settings.capture_reason(item.config):
        item.add_marker(pytest.mark.skip(reason=reason))
