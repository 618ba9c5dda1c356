"""Records are values that never change."""

from sockharness.record import record


@record
class Point:
    """A value."""

    x: int
    y: int = 0


@record(kw_only=True)
class Named:
    """A value that writes itself."""

    name: str

    def __repr__(self) -> str:
        return f"<{self.name}>"


def test_a_record_is_equal_to_another_with_the_same_values() -> None:
    assert Point(1) == Point(1, 0) != Point(1, 2)
    assert len({Point(1), Point(1, 0), Point(2)}) == 2


def test_a_record_shows_its_fields_unless_it_has_words_of_its_own() -> None:
    assert repr(Point(1)) == "Point(x=1, y=0)"
    assert repr(Named(name="a")) == "<a>"


def test_a_record_has_no_other_attributes() -> None:
    assert not hasattr(Point(1), "__dict__")
