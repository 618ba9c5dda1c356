"""The time that `tcp_server` adds to a test, and that the plugin adds to pytest's start.

The first of the empty tests uses the fixture, so both sides pay for the modules that a run loads
once. The difference is the cost of each further test.
"""

from pathlib import Path

from benchmarks.measure import installed_command, interleaved, pytest_command

ONCE = "def test_once(tcp_server): pass\n"
EMPTY = "def test_{number}(): pass\n"
FIXTURE = "def test_{number}(tcp_server): pass\n"
EXPECTS = "def test_{number}(tcp_server): tcp_server.when(b'x').reply(b'y')\n"


def measure(folder: Path, *, count: int, rounds: int) -> dict[str, object]:
    """Return the seconds of runs of `count` tests: empty, with the fixture, with a rule too."""
    empty = _file(folder, "test_empty.py", EMPTY, count, first=ONCE)
    fixture = _file(folder, "test_fixture.py", FIXTURE, count, first=ONCE)
    expects = _file(folder, "test_expects.py", EXPECTS, count, first=ONCE)
    seconds = interleaved(
        {
            "empty": pytest_command(empty),
            "fixture": pytest_command(fixture),
            "with a rule": pytest_command(expects),
        },
        folder,
        rounds=rounds,
    )
    return {"tests": count, "seconds": seconds}


def measure_start(folder: Path, *, rounds: int) -> dict[str, object]:
    """Return the seconds of a pytest that does not use the plugin, with and without it.

    Both search for plugins, as pytest does by default.
    """
    plain = _file(folder, "test_plain.py", EMPTY, 1)
    seconds = interleaved(
        {
            "bare": installed_command(plain, plugin=False),
            "with the plugin": installed_command(plain, plugin=True),
        },
        folder,
        rounds=rounds,
        autoload=True,
    )
    return {"seconds": seconds}


def _file(folder: Path, name: str, text: str, count: int, *, first: str = "") -> str:
    path = folder / name
    path.write_text(first + "".join(text.format(number=number) for number in range(count)))
    return str(path)
