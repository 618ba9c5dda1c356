import errno
import pickle
from pathlib import Path

import pytest

from sockharness.errors import (
    ClosedError,
    ExpectationFailed,
    Problem,
    SockharnessError,
    SpecError,
    Unavailable,
    UsageError,
    code_of,
    os_error,
    with_code,
)
from sockharness.location import Location

PLACE = Location("gone.yaml", 3, 5, 2)


def test_a_problem_is_a_line_with_its_hint() -> None:
    assert str(Problem(PLACE, "wrong")) == "line 3: wrong"
    assert str(Problem(PLACE, "wrong", "mend it")) == "line 3: wrong (mend it)"


def test_a_report_has_message_place_source_and_hint(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a\nbcd\n")

    report = Problem(Location(str(path), 2, 2, 2), "wrong", "mend it").report()

    assert report == [
        "line 2: wrong",
        f"  {path}:2:2",
        "     1 | a",
        "     2 | bcd",
        "       |  ^^",
        "  hint: mend it",
    ]


def test_a_report_of_a_file_that_is_gone_still_tells() -> None:
    assert Problem(PLACE, "wrong").report() == ["line 3: wrong", "  gone.yaml:3:5"]


def test_a_spec_error_tells_all_its_problems() -> None:
    error = SpecError([Problem(PLACE, "wrong"), Problem(PLACE, "wrong, too")])

    assert str(error) == "line 3: wrong\n  gone.yaml:3:5\n\nline 3: wrong, too\n  gone.yaml:3:5"


@pytest.mark.parametrize(
    "error",
    [
        SpecError([Problem(PLACE, "wrong", "mend it")]),
        ExpectationFailed("text"),
        Unavailable("no right"),
        UsageError("no"),
        ClosedError("closed"),
    ],
)
def test_an_error_can_cross_processes(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)


def test_the_class_of_an_error_tells_who_must_act() -> None:
    assert issubclass(SpecError, SockharnessError)
    assert issubclass(ExpectationFailed, AssertionError)
    assert issubclass(ClosedError, UsageError)
    assert issubclass(UsageError, RuntimeError)


def test_an_error_of_the_system_has_its_code() -> None:
    error = os_error(errno.ECONNREFUSED)

    assert isinstance(error, ConnectionRefusedError)
    assert code_of(error) == "ECONNREFUSED"
    assert with_code(error) is error


def test_an_error_without_a_number_is_named_by_its_class() -> None:
    assert code_of(with_code(OSError("x"))) == "OSError"
    assert code_of(ValueError("x")) == "ValueError"
