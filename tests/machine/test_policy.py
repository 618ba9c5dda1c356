import pytest

from sockharness.address import Address
from sockharness.errors import SpecError, UsageError
from sockharness.location import Location
from sockharness.machine.policy import Allowance, Policy

HERE = Location("x.yaml", 3, 12)


def passes(policy: Policy, address: Address) -> bool:
    try:
        policy.judge(address, HERE)
    except SpecError:
        return False
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_needs_no_option(host: str) -> None:
    assert passes(Policy(), Address(host, 80))


OUTSIDE = [
    "0.0.0.0", "::", "8.8.8.8", "1.0.0.1", "10.1.2.3", "128.0.0.1", "169.254.169.254", "224.0.0.1",
    "255.255.255.255", "::2", "::7f00:1", "fe80::1", "ff02::1", "::ffff:8.8.8.8", "64:ff9b::7f00:1",
    "2002:7f00:1::", "fd00::1",
]  # fmt: skip


@pytest.mark.parametrize("host", OUTSIDE)
def test_any_other_address_is_refused_with_place_rule_and_option(host: str) -> None:
    address = Address(host, 80)

    with pytest.raises(SpecError) as caught:
        Policy().judge(address, HERE)

    (problem,) = caught.value.problems
    assert problem.location == HERE
    assert problem.message == f"{address} is not a loopback address"
    assert problem.hint == f"specs reach loopback only; allow it with --sock-allow-net={host}"


@pytest.mark.parametrize("host", OUTSIDE)
def test_the_option_that_a_refusal_names_allows_the_address(host: str) -> None:
    assert passes(Policy.parse([host]), Address(host, 80))


@pytest.mark.parametrize(
    ("text", "allowed", "refused"),
    [
        ("10.0.0.0/8", ["10.0.0.1:1", "10.255.0.9:65535"], ["11.0.0.1:1", "::a00:1:1"]),
        ("10.0.0.7", ["10.0.0.7:1"], ["10.0.0.8:1"]),
        ("10.0.0.0/8:80", ["10.0.0.1:80"], ["10.0.0.1:79", "10.0.0.1:81"]),
        ("10.0.0.0/8:80-82", ["10.0.0.1:80", "10.0.0.1:82"], ["10.0.0.1:83", "10.0.0.1:79"]),
        ("fd00::/8", ["fd12::1:9"], ["fe00::1:9", "10.0.0.1:9"]),
        ("[fd00::1]:80", ["fd00::1:80"], ["fd00::1:81", "fd00::2:80"]),
        ("[fd00::]/8:80-81", ["fd00::5:81"], ["fd00::5:82"]),
        ("0.0.0.0/0:0-65535", ["8.8.8.8:53"], ["::2:53", "::ffff:8.8.8.8:53"]),
        ("::/0", ["::2:53"], ["8.8.8.8:53"]),
    ],
)
def test_an_allowance_covers_its_network_and_ports(
    text: str, allowed: list[str], refused: list[str]
) -> None:
    policy = Policy.parse([text])

    assert all(passes(policy, address(each)) for each in allowed)
    assert not any(passes(policy, address(each)) for each in refused)


def address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return Address(host, int(port))


def test_allowances_add_up() -> None:
    policy = Policy.parse(["10.0.0.1", "10.0.0.2:80"])

    assert passes(policy, Address("10.0.0.1", 5))
    assert passes(policy, Address("10.0.0.2", 80))
    assert not passes(policy, Address("10.0.0.2", 5))


@pytest.mark.parametrize(
    "text",
    [
        "", "all", "*", "localhost", "example.org:80", "127.1", "0x7f.1", "0x7f000001",
        "2130706433", "0177.0.0.1", "127.0.0.01", "134744072", "0x08080808", "1.1", "①②⑦.⓪.⓪.①",
        "127.0.0.1\0",
        "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8:", "10.0.0.0/8:http", "10.0.0.0/8:80-",
        "10.0.0.0/8:-80", "10.0.0.0/8:80:81", "10.0.0.0/8:\uff18\uff10", "10.0.0.0/8 ", "[::1",
        "::1]", "[]", "10.0.0.0/8:" + "9" * 5000, "10.0.0.0/8,11.0.0.0/8",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected CIDR\[:PORTS\] such as 10\.0\.0\.0/8:8000"):
        Allowance.parse(text)


@pytest.mark.parametrize("ports", ["2-1", "65536", "1-65536", "99999"])
def test_ports_are_in_order_and_in_range(ports: str) -> None:
    with pytest.raises(UsageError, match="expected ports from 0 to 65535 in order"):
        Allowance.parse(f"10.0.0.0/8:{ports}")
