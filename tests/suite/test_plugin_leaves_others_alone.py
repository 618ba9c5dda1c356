"""A project that has nothing to do with specs does not notice that the plugin is installed."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SPEC = b"sockspec: 1\n"


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _circular(path: Path) -> None:
    path.symlink_to(path.name)


def _folder(path: Path) -> None:
    path.mkdir()


def _unreadable(path: Path) -> None:
    path.write_bytes(SPEC)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")


ODD = pytest.mark.parametrize("make", [_dangling, _circular, _folder, _unreadable])


@ODD
@pytest.mark.parametrize("place", ["odd.yaml", "below/odd.yml"])
def test_a_yaml_file_that_cannot_be_read_is_passed_over(
    pytester: pytest.Pytester, make: Callable[[Path], None], place: str
) -> None:
    path = pytester.path / place
    path.parent.mkdir(exist_ok=True)
    make(path)

    result = pytester.runpytest()

    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    _assert_unnoticed(result)


@ODD
def test_named_itself_it_is_pytests_affair(
    pytester: pytest.Pytester, make: Callable[[Path], None]
) -> None:
    make(pytester.path / "odd.yaml")

    result = pytester.runpytest("odd.yaml")

    ordinary = (pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.USAGE_ERROR)
    assert result.ret in ordinary
    _assert_unnoticed(result)


@pytest.mark.parametrize("arguments", [(), ("odd.yaml",)], ids=["plain", "named"])
def test_a_pipe_is_not_read(pytester: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    path = pytester.path / "odd.yaml"
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR)  # with both ends and enough bytes there, nobody hangs
    try:
        os.write(pipe, SPEC.ljust(2**14))

        result = pytester.runpytest(*arguments)

        assert len(os.read(pipe, 2**15)) == 2**14
    finally:
        os.close(pipe)
    _assert_unnoticed(result)


def test_the_oldest_pytest_can_import_the_plugin() -> None:
    program = "import pytest; del pytest.TerminalReporter; import sockharness.plugin"

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def _assert_unnoticed(result: pytest.RunResult) -> None:
    __tracebackhide__ = True
    told = [*result.outlines, *result.errlines]
    ours = [line for line in told if "sockharness" in line and not line.startswith("plugins:")]
    assert not ours
    assert not [line for line in told if "INTERNALERROR" in line or "Traceback" in line]
