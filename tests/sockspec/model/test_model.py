import pytest

from sockharness.location import Location
from sockharness.match.exact import Exact
from sockharness.match.joined import Concat
from sockharness.match.sized import Length
from sockharness.sockspec.model import (
    Described,
    Joined,
    Literal,
    Pattern,
    Payload,
    PeerRef,
    Reference,
    Repeated,
    RestOf,
    pattern_bytes,
)
from sockharness.sockspec.model.bindings import Bindings

HERE = Location("x.yaml", 1, 1)


def names() -> Bindings:
    bound = Bindings()
    bound.capture({"word": b"ab", "count": 3})
    return bound


@pytest.mark.parametrize(
    ("payload", "data"),
    [
        (Literal(b"a"), b"a"),
        (Pattern(3, "zero"), b"\0\0\0"),
        (Pattern(9, "counter"), b"\0\0\0\0\0\0\0\1\0"),
        (Repeated(b"ab", 3), b"ababab"),
        (Reference("word"), b"ab"),
        (RestOf(Literal(b"abcde"), "count"), b"de"),
        (RestOf(Literal(b"a"), "count"), b""),
        (Joined((Literal(b"a"), Reference("count"))), b"a3"),
    ],
)
def test_what_one_side_writes_is_what_the_other_expects(payload: Payload, data: bytes) -> None:
    assert payload.data(names()) == data
    assert payload.matcher(names()).expected() == data


def test_a_description_is_matched_as_it_says_and_written_as_its_example() -> None:
    payload = Described(Length(3), Literal(b"abc"))

    assert payload.matcher(names()) == Length(3)
    assert payload.data(names()) == b"abc"


def test_joined_parts_are_matched_one_after_another() -> None:
    payload = Joined((Literal(b"a"), Described(Length(3))))

    assert payload.matcher(names()) == Concat([Exact(b"a"), Length(3)])


def test_the_counter_counts_in_big_endian_words() -> None:
    assert pattern_bytes(4 * 258, "counter")[-4:] == b"\x00\x00\x01\x01"
    assert [len(pattern_bytes(size, "counter")) for size in range(1, 9)] == list(range(1, 9))


def test_a_reference_to_a_peer_is_shown_as_it_is_written() -> None:
    assert str(PeerRef(name="a", location=HERE)) == "a"
    assert str(PeerRef(name="a", connection=2, location=HERE)) == "a@2"
