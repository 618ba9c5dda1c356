import pytest

from sockharness.errors import UsageError
from sockharness.sockspec.model.bindings import Bindings, Value


def facts(peer: str, fact: str) -> Value | None:
    known: dict[tuple[str, str], Value] = {("server", "port"): 8080, ("server", "host"): "::1"}
    return known.get((peer, fact))


def test_a_captured_value_is_written_as_bytes() -> None:
    names = Bindings()
    names.capture({"data": b"\xff", "number": 12, "text": "é"})

    assert [names.data(name) for name in ("data", "number", "text")] == [
        b"\xff",
        b"12",
        "é".encode(),
    ]


def test_a_value_counts_as_a_number_or_by_its_length() -> None:
    names = Bindings()
    names.capture({"data": b"abc", "number": 12})

    assert (names.number("data"), names.number("number")) == (3, 12)


def test_a_later_capture_wins() -> None:
    names = Bindings()
    names.capture({"a": 1})
    names.capture({"a": 2})

    assert names.value("a") == 2


def test_a_fact_is_asked_of_its_peer() -> None:
    names = Bindings(facts)

    assert (names.value("server.port"), names.data("server.host")) == (8080, b"::1")


@pytest.mark.parametrize("name", ["server", "server.backlog", "client.port"])
def test_what_is_not_known_has_no_value(name: str) -> None:
    with pytest.raises(UsageError, match=rf"^\${name} has no value yet$"):
        Bindings(facts).value(name)
    with pytest.raises(UsageError):
        Bindings().value(name)


def test_a_misspelt_name_gets_the_nearest_one() -> None:
    names = Bindings()
    names.capture({"session": b""})

    with pytest.raises(UsageError, match="did you mean 'session'"):
        names.value("sesion")
