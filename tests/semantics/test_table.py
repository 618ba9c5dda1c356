"""The page of Bun's semantics is complete, matches its proofs, and is up to date."""

from pathlib import Path

import pytest

from sockharness.sockspec.decode import words
from tests.semantics import generate
from tests.semantics.generate import ROOT, Book, Proof, Rule

TEST = ROOT / "tests" / "test_x.py"


@pytest.fixture(scope="module")
def book() -> Book:
    return generate.read()


def rule(id_: str, differs: tuple[str, ...] = (), not_applicable: str = "") -> Rule:
    return Rule(id_, "A section", "it does so", differs, not_applicable, "")


def proofs(*shows: str) -> dict[str, list[Proof]]:
    return {id_: [Proof(TEST, "test_that", shows)] for id_ in shows}


def test_the_pages_are_what_the_rules_and_proofs_make_of_them(book: Book) -> None:
    assert generate.complaints(book) == []


def test_every_rule_that_applies_and_every_difference_is_proven(book: Book) -> None:
    assert book.gaps == []


@pytest.mark.parametrize(("name", "count"), [("TCP", 208), ("TLS", 103), ("UDP", 193)])
def test_the_catalogue_is_whole(book: Book, name: str, count: int) -> None:
    assert len([rule for rule in book.rules if rule.id.startswith(f"{name}-")]) == count


def test_a_spec_may_name_the_rows_that_there_are(book: Book) -> None:
    assert set(words.ROWS) == book.differences


def test_an_entry_without_proof_is_a_gap() -> None:
    book = Book((rule("TCP-001"), rule("TCP-002", (), "no")), frozenset({"D1"}), {})

    assert book.gaps == ["TCP-001", "D1"]
    assert "| TCP-001 | it does so | **gap** |  |" in generate.page(book)
    assert "2 rules: 1 **gap**, 1 not applicable." in generate.page(book)


def test_the_page_says_same_or_different_and_leads_to_the_proof() -> None:
    rules = (rule("TCP-001"), rule("TCP-002", ("D1",)))
    text = generate.page(Book(rules, frozenset({"D1"}), proofs("TCP-001", "TCP-002")))

    link = "[test_x.py::test_that](../tests/test_x.py)"
    assert f"| TCP-001 | it does so | same | {link} |" in text
    assert f"| TCP-002 | it does so | different (D1) | {link} |" in text
    assert "## A section" in text


@pytest.mark.parametrize(
    ("rules", "shown", "problem"),
    [
        ((rule("TCP-001", (), "no"),), ("TCP-001",), "not applicable, yet it differs or has a"),
        ((rule("TCP-001"),), ("TCP-999",), "test_x.py::test_that: no rule TCP-999"),
        ((rule("TCP-001"),), ("D99",), "test_x.py::test_that: no rule D99"),
        ((rule("TCP-001", ("D99",)),), (), "TCP-001: no row D99"),
    ],
)
def test_a_claim_that_cannot_be_is_a_problem(
    rules: tuple[Rule, ...], shown: tuple[str, ...], problem: str
) -> None:
    (told,) = Book(rules, frozenset({"D1"}), proofs(*shown)).problems

    assert problem in told


def test_the_last_cell_of_a_difference_is_made_anew() -> None:
    text = f"top\n{generate.BEGIN}\n| D1 | a | b | old |\n| D2 | a | b | ? |\n{generate.END}\nend\n"

    made = generate.differences(text, proofs("D1"))

    assert made == text.replace("old", "[test_x.py::test_that](../tests/test_x.py)").replace(
        "| ? |", "| **gap** |"
    )


def test_a_difference_shows_a_few_proofs_and_a_list_below_has_all() -> None:
    text = f"top\n{generate.BEGIN}\n| D1 | a | b | old |\n{generate.END}\nend\n"
    many = {"D1": [Proof(TEST, f"test_{number}", ("D1",)) for number in range(5)]}

    made = generate.differences(text, many)

    links = [f"[test_x.py::test_{number}](../tests/test_x.py)" for number in range(5)]
    assert f"| D1 | a | b | {'<br>'.join(links[:3])}<br>and 2 more |\n\n<details>" in made
    assert "\n".join(f"  - {link}" for link in links) in made
    assert generate.differences(made, many) == made
    assert generate.differences(made, {}) == text.replace("old", "**gap**")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("sections = []\n[TCP-002]\nrule = 'x'\n", "expected rules from TCP-001 on"),
        ("sections = []\n[TCP-001]\nrule = 'x'\nproof = 'y'\n", "unknown key 'proof'"),
    ],
)
def test_a_wrong_entry_is_refused(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "tcp.toml"
    path.write_text(text)

    with pytest.raises(ValueError, match=error):
        generate.rules_of(path)
