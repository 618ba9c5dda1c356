"""The choice of an engine for each peer, as users write it."""

from pathlib import Path

import pytest

from sockharness.drivers.choice import EngineChoice, choices, choices_of_id
from sockharness.errors import UsageError
from sockharness.sockspec import loader
from sockharness.sockspec.model import Case

SPEC = """\
sockspec: 1
peers:
  server: {tcp: {listen: loopback}}
  anna: {tcp: {connect: server}}
  bert: {tcp: {connect: server}}
exchange:
  - anna: {sees: open}
  - bert: {sees: open}
"""


@pytest.fixture
def case(tmp_path: Path) -> Case:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return loader.load(path).cases[0]


def cast(case: Case, text: str) -> dict[str, str]:
    choice = EngineChoice.parse(text)
    return {name: choice.engine(peer) for name, peer in case.peers.items()}


def test_an_engine_speaks_for_every_peer(case: Case) -> None:
    assert set(cast(case, "bun").values()) == {"bun"}


def test_a_peer_that_is_not_named_runs_on_ours(case: Case) -> None:
    assert cast(case, "anna:bun") == {"server": "sockharness", "anna": "bun", "bert": "sockharness"}


def test_client_means_every_peer_that_connects_and_is_not_named_itself(case: Case) -> None:
    assert cast(case, "client:bun,bert:sockharness") == {
        "server": "sockharness",
        "anna": "bun",
        "bert": "sockharness",
    }


def test_several_engines_are_as_many_choices() -> None:
    assert [
        str(each) for each in choices(["sockharness,bun", "server:bun,client:sockharness"])
    ] == [
        "sockharness",
        "bun",
        "server:bun,client:sockharness",
    ]


def test_what_is_named_twice_is_one_choice() -> None:
    assert len(choices(["bun", "bun,sockharness"])) == 2


def test_the_default_is_ours() -> None:
    (choice,) = choices([])

    assert choice.ours
    assert not choices(["bun"])[0].ours


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bnu", "no engine 'bnu'; did you mean 'bun'?"),
        ("server=bun", "no engine 'server=bun'; an engine for a peer is written 'server:bun'"),
        ("node", "no engine 'node'; there are sockharness, bun"),
        ("server:", "no engine ''; there are sockharness, bun"),
        (":bun", "expected PEER:ENGINE, got ':bun'"),
        ("server:bun,server:bun", "'server' is named twice"),
        ("", "no engine ''; there are sockharness, bun"),
    ],
)
def test_a_wrong_choice_says_what_there_is(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        choices([text])

    assert str(caught.value) == told


@pytest.mark.parametrize("text", ["sockharness", "bun", "server:bun,client:sockharness"])
def test_an_id_names_its_engines(text: str) -> None:
    label = choices([text])[0].label

    assert choices_of_id(f"specs/echo.yaml::echo[{label}]") == text
    assert choices_of_id(f"specs/echo.yaml::echo[a-line-{label}]") == text


@pytest.mark.parametrize(
    "name", ["echo.yaml::echo", "echo.yaml::echo[a-line]", "test_x.py::test[]"]
)
def test_an_id_without_engines_names_none(name: str) -> None:
    assert choices_of_id(name) == ""
