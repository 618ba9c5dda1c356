import pytest

from sockharness.address import Address, is_loopback


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (Address("127.0.0.1", 80), "127.0.0.1:80"),
        (Address("::1", 80), "[::1]:80"),
        (Address(path="/run/x"), "unix:/run/x"),
        (Address(path="\0x"), "unix:@x"),
    ],
)
def test_an_address_is_shown_as_people_write_it(address: Address, text: str) -> None:
    assert str(address) == text


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.255.255.254", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"]
)
def test_loopback_is_the_host_itself(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0", "::", "128.0.0.1", "126.255.255.255", "8.8.8.8", "10.0.0.1", "169.254.169.254",
        "::2", "fe80::1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
        "224.0.0.1", "255.255.255.255", "ff02::1",
    ],
)  # fmt: skip
def test_any_other_address_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "localhost", ""])
def test_a_text_that_is_no_literal_is_not_judged(host: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        is_loopback(host)
