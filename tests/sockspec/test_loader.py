import random
import time
from pathlib import Path

import pytest

from sockharness.errors import Problem, SpecError
from sockharness.match.joined import Capture
from sockharness.match.regex import Regex
from sockharness.match.sized import Length, Sha256
from sockharness.sockspec import loader, model
from sockharness.sockspec.model.bindings import Bindings
from tests.gallery.plugin import Gallery

SPECS = Path(__file__).parents[2] / "specs"
PEERS = """\
peers:
  server: {tcp: {listen: loopback}}
  client: {tcp: {connect: server}}
"""
MINIMAL = f"""\
sockspec: 1
{PEERS}exchange:
  - client -> server: "hi"
"""


def load(tmp_path: Path, text: str) -> model.Spec:
    path = tmp_path / "some-words.yaml"
    path.write_text(text)
    return loader.load(path, shown="some-words.yaml")


def problems(tmp_path: Path, text: str) -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, text)
    return list(caught.value.problems)


def places(found: list[Problem]) -> list[str]:
    return [f"{problem.location.line}:{problem.location.column}" for problem in found]


def case_of(tmp_path: Path, text: str) -> model.Case:
    (case,) = load(tmp_path, text).cases
    return case


def step_of(tmp_path: Path, step: str, *, top: str = "") -> model.Step:
    return case_of(tmp_path, f"{MINIMAL}  - {step}\n{top}").steps[-1]


def payload_of(tmp_path: Path, payload: str, *, top: str = "") -> model.Payload:
    step = step_of(tmp_path, f"server: {{received: {payload}}}", top=top)
    assert isinstance(step, model.Received)
    return step.payload


# ---- the whole


def test_a_spec_of_few_lines_is_complete(tmp_path: Path) -> None:
    spec = load(tmp_path, MINIMAL)

    (case,) = spec.cases
    assert (spec.path, spec.title, spec.needs) == ("some-words.yaml", "", {})
    assert (case.id, case.wire, case.allow, case.handlers) == ("", (), frozenset(), {})
    assert str(case.location) == "some-words.yaml:1:1"


def test_a_file_is_its_own_name_for_messages_if_none_is_given(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(MINIMAL)

    assert loader.load(path).path == str(path)


def test_the_keys_of_the_top_are_read(tmp_path: Path) -> None:
    spec = load(
        tmp_path,
        f"{MINIMAL}name: a title\nneeds: [ipv6]\nshows: [TCP-022, D1]\n"
        "allow: [unread_bytes, extra_connections]",
    )

    assert spec.title == "a title"
    assert spec.shows == ("TCP-022", "D1")
    assert {need: str(place) for need, place in spec.needs.items()} == {
        "ipv6": "some-words.yaml:8:9"
    }
    assert spec.cases[0].allow == {"unread_bytes", "extra_connections"}


def test_each_case_has_its_names_place_and_bytes(tmp_path: Path) -> None:
    spec = load(
        tmp_path,
        "sockspec: 1\nlet: {x: a, y: b}\ncases:\n  one: {x: c}\n  two: {y: $x}\n"
        f"{PEERS}exchange:\n  - client -> server: {{concat: [$x, $y]}}\n",
    )

    said = [
        step.payload.data(Bindings())
        for case in spec.cases
        for step in case.steps
        if isinstance(step, model.Arrow)
    ]
    assert [case.id for case in spec.cases] == ["one", "two"]
    assert [case.location.line for case in spec.cases] == [4, 5]
    assert said == [b"cb", b"aa"]


def test_peers_that_use_a_name_differ_from_case_to_case(tmp_path: Path) -> None:
    spec = load(
        tmp_path,
        "sockspec: 1\ncases: {one: {x: a}, two: {x: b}}\npeers:\n"
        "  server: {tcp: {listen: loopback}, on: {open: [write: $x]}}\n"
        "  client: {tcp: {connect: server}}\n"
        "exchange:\n  - server -> client: $x\n",
    )

    handlers = [case.peers["server"].handlers for case in spec.cases]
    written = [each.actions["open"][0] for each in handlers if each is not None]
    assert [each.payload.data(Bindings()) for each in written if isinstance(each, model.Write)] == [
        b"a",
        b"b",
    ]


def test_peers_that_use_no_name_are_the_same_in_all_cases(tmp_path: Path) -> None:
    spec = load(
        tmp_path,
        "sockspec: 1\ncases: {one: {x: a}, two: {x: b}}\n"
        f"handlers: {{loud: {{data: [echo]}}}}\n{PEERS}exchange:\n"
        "  - client -> server: $x\n  - client: {reload: loud}\n",
    )

    one, two = spec.cases
    assert list(one.peers) == list(two.peers) == ["server", "client"]
    assert one.peers["server"] == two.peers["server"]
    assert one.handlers == two.handlers


@pytest.mark.parametrize("path", sorted(SPECS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_spec_of_ours_is_good(path: Path) -> None:
    assert loader.load(path).cases


# ---- problems


def test_all_problems_of_a_file_are_told_at_once_in_its_order(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "sockspec: 1\n"
        "nmae: x\n"
        "needs: [ipv5, ipv6, capure]\n"
        "let: {a: {hex: f}, b: {hex: ff}}\n"
        "peers:\n"
        "  server: {tcp: {listen: nowhere, port: 99999, nodelay: true}, "
        "on: {dta: [], data: [ech]}}\n"
        "  client: {tcp: {connect: server}}\n"
        "exchange:\n"
        "  - clinet -> server: $a\n"
        "  - client: {sees: closed, within: 1}\n"
        "  - client -> server: $b\n"
        "wire:\n"
        "  - {where: {TCP.flags: S}, count: x}\n"
        "allow: [nothing]\n",
    )

    assert places(found) == [
        "2:1", "3:9", "3:21", "4:16", "6:26", "6:41", "6:48", "6:69", "6:85",
        "9:5", "10:20", "10:36", "13:36", "14:9",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "columns"),
    [
        ("{capture: 1x, length: -4}", (34, 46)),
        ("{capture: 1x, regex: '('}", (34, 45)),
        ("{capture: 1x, lenght: 4}", (34, 38)),
        ("{capture: 1x, length: 1, lenght: 4}", (34, 49)),
        ("{sha256: z, length: 0, example: $n}", (33, 44, 56)),
        ("{length: x, example: {hex: f}}", (33, 51)),
        ("{bytes: x, pattern: y}", (32, 44)),
        ("{repeat: {hex: f}, times: 0}", (39, 50)),
        ("{concat: [{hex: f}, ok, $n]}", (40, 48)),
        ("{rest_of: $n, after: 3}", (34, 45)),
    ],
)
def test_all_that_is_wrong_with_a_description_of_bytes_is_told(
    payload: str, columns: tuple[int, ...], tmp_path: Path
) -> None:
    found = problems(tmp_path, f"{MINIMAL}  - server: {{received: {payload}}}\n")

    assert places(found) == [f"7:{column}" for column in columns]


def test_a_problem_that_all_cases_share_is_told_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "sockspec: 1\ncases: {one: {x: a}, two: {x: {hex: f}}, three: {x: $y}}\n"
        f"{PEERS}exchange:\n  - client -> server: $x\n  - client: ends\n",
    )

    assert places(found) == ["2:37", "2:53", "8:13"]


def test_problems_at_one_place_keep_the_order_in_which_they_were_found(tmp_path: Path) -> None:
    found = problems(tmp_path, "sockspec: 1\nname: x\n")

    assert [problem.message for problem in found] == ["no 'peers' key", "no 'exchange' key"]


def test_the_text_of_all_problems_quotes_each_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gallery: Gallery
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.yaml").write_text(MINIMAL + "  - clinet: end\n  - client: \x41nd\n")

    with pytest.raises(SpecError) as caught:
        loader.load(Path("x.yaml"))

    gallery.check(str(caught.value))


def test_a_name_that_hides_its_text_cannot_hide_it_in_messages(tmp_path: Path) -> None:
    hidden = "e\u202evil\u200b"
    path = tmp_path / "x.yaml"
    path.write_text(
        f'sockspec: 1\npeers: {{"{hidden}": {{tcp: {{listen: loopback}}}}}}\nexchange:\n'
        f'  - "{hidden}x": end\n  - "{hidden}": end\n"{hidden}": 1\n'
    )

    with pytest.raises(SpecError) as caught:
        loader.load(path)

    assert len(caught.value.problems) == 3
    assert str(caught.value).replace("\n", "").isprintable()


def test_wrong_peers_are_not_told_again_by_each_step(tmp_path: Path) -> None:
    found = problems(tmp_path, MINIMAL.replace("peers:", "peers: 5\nhandlers:"))

    assert found[0].message == "expected peers by name, got '5'"
    assert all(problem.location.line <= 4 for problem in found)


def test_of_very_many_problems_the_first_twenty_are_told(tmp_path: Path) -> None:
    found = problems(tmp_path, MINIMAL + "  - nobody: end\n" * 90)

    assert len(found) == 21
    assert found[-1].message == "… and 70 more problems"


def test_of_too_many_problems_not_all_are_counted(tmp_path: Path) -> None:
    found = problems(tmp_path, MINIMAL + "  - nobody: end\n" * 3000)

    assert found[-1].message == "… and 80 more problems, or still more"


# ---- peers


def test_a_listener_has_its_address_and_options(tmp_path: Path) -> None:
    case = case_of(
        tmp_path,
        MINIMAL.replace(
            "listen: loopback",
            "listen: loopback6, port: 0, backlog: 5, allow_half_open: true, "
            "pause_on_connect: false, send_buffer: 1MiB, recv_buffer: 512",
        ),
    )

    server = case.peers["server"].transport
    assert isinstance(server, model.Listen)
    assert (server.address, server.port, server.backlog) == ("::1", 0, 5)
    assert server.options == model.StreamOptions(
        allow_half_open=True, pause_on_connect=False, send_buffer=1 << 20, recv_buffer=512
    )
    assert case.peers["server"].listens


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("loopback", "127.0.0.1"),
        ("loopback6", "::1"),
        ("127.0.0.9", "127.0.0.9"),
        ("'0:0::1'", "::1"),
        ('"::"', "::"),
        ("0.0.0.0", "0.0.0.0"),
        ("'::ffff:127.0.0.1'", "::ffff:7f00:1"),
    ],
)
def test_a_host_is_a_word_or_an_address(text: str, host: str, tmp_path: Path) -> None:
    case = case_of(tmp_path, MINIMAL.replace("listen: loopback", f"listen: {text}"))

    server = case.peers["server"].transport
    assert isinstance(server, model.Listen)
    assert server.address.replace("127.0.0.1", "7f00:1") == host.replace("127.0.0.1", "7f00:1")


@pytest.mark.parametrize(
    "text",
    [
        "127.1", "127.0.1", "0177.0.0.1", "127.0.0.01", "0x7f.1", "0x7f.0.0.1", "0x7f000001",
        "2130706433", "017700000001", "134744072", "0x08080808", "1.1", "127.0.0.1.", ".127.0.0.1",
        "127.0.0.1/8", "127.0.0.256", "127.0.0.-1", "'127.0.0.1 '", "①②⑦.⓪.⓪.①",
        "\uff11\uff12\uff17.0.0.1", "127。0。0。1", '"127.0.0.1\\0evil"', "localhost",
        "'[::1]'", "'::1%lo'", "'fe80::1%eth0'", "'1:2:3:4:5:6:7:8:9'", "'::ffff:127.1'",
        "'*'", "example.org",
    ],
)  # fmt: skip
def test_any_other_spelling_of_an_address_is_refused(text: str, tmp_path: Path) -> None:
    (listens,) = problems(tmp_path, MINIMAL.replace("listen: loopback", f"listen: {text}"))
    (connects,) = problems(
        tmp_path, MINIMAL.replace("connect: server", f"connect: {text}, port: 80")
    )

    assert listens.message.endswith(", expected loopback, loopback6 or an IP address")
    assert connects.message.endswith(" is neither a peer nor an address")


def test_a_client_connects_to_a_peer_or_to_an_address(tmp_path: Path) -> None:
    case = case_of(
        tmp_path,
        f"sockspec: 1\n{PEERS}  other: {{tcp: {{connect: 127.0.0.2, port: 80, recv_buffer: 1}}}}\n"
        "exchange:\n  - client -> server: a\n  - other: end\n",
    )

    client, other = case.peers["client"].transport, case.peers["other"].transport
    assert isinstance(client, model.Connect)
    assert isinstance(other, model.Connect)
    assert (client.peer, client.address, client.port) == ("server", "", 0)
    assert (other.peer, other.address, other.port) == ("", "127.0.0.2", 80)
    assert other.options.recv_buffer == 1


def test_a_peer_without_handlers_speaks_the_script(tmp_path: Path) -> None:
    case = case_of(tmp_path, MINIMAL.replace("{listen: loopback}", "{listen: loopback}, on: {}"))

    assert not case.peers["server"].scripted
    assert case.peers["client"].scripted


def test_handlers_hold_actions(tmp_path: Path) -> None:
    case = case_of(
        tmp_path,
        "sockspec: 1\nhandlers: {v1: {drain: []}}\npeers:\n  server:\n"
        "    tcp: {listen: loopback}\n    on:\n"
        '      data: [echo, write: "a", write_all: "b", timeout: 2m, reload: v1, end: "c"]\n'
        "      end: [end, shutdown, shutdown: read, stop: true, stop, close]\n"
        "      open: [raise: no room, reload: {data: [flush]}]\n"
        "  client: {tcp: {connect: server}, on: v1}\n"
        "exchange:\n  - server -> client: a\n",
    )

    handlers = case.peers["server"].handlers
    assert handlers is not None
    names = {event: [action.name for action in does] for event, does in handlers.actions.items()}
    assert names == {
        "data": ["echo", "write", "write_all", "timeout", "reload", "end"],
        "end": ["end", "shutdown", "shutdown", "stop", "stop", "close"],
        "open": ["raise", "reload"],
    }
    calls = [action for action in handlers.actions["end"] if isinstance(action, model.Call)]
    assert [call.flag for call in calls] == [False, True, True, False, False]
    assert case.peers["client"].handlers == case.handler_set("v1") == case.handlers["v1"]
    assert case.handler_set(handlers) is handlers


def test_wrong_named_handlers_are_told_once(tmp_path: Path) -> None:
    text = MINIMAL.replace("connect: server}", "connect: server}, on: v1")

    found = problems(tmp_path, f"{text}handlers: {{v1: []}}\n")

    assert [problem.message for problem in found] == ["expected handlers by event, got a list"]


# ---- steps


def test_an_arrow_names_both_ends(tmp_path: Path) -> None:
    step = step_of(tmp_path, '{server@2 -> client: "a", within: 1.5s}')

    assert isinstance(step, model.Arrow)
    assert (str(step.sender), str(step.receiver), step.within) == ("server@2", "client", 1.5)
    assert step.payload == model.Literal(b"a")


@pytest.mark.parametrize(
    "word", ["close", "terminate", "shutdown", "pause", "resume", "flush", "end", "connect"]
)
def test_a_bare_word_is_an_action(word: str, tmp_path: Path) -> None:
    step = step_of(tmp_path, f"client: {word}")

    assert isinstance(step, model.Act)
    assert step.action.name == word


def test_a_client_that_is_told_to_connect_does_not_connect_by_itself(tmp_path: Path) -> None:
    case = case_of(tmp_path, MINIMAL + "  - client: connect\n")

    assert not case.connects_by_itself("client")
    assert case.connects_by_itself("server")


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ('client: {write: "a"}', "write"),
        ('client: {write_all: "a"}', "write_all"),
        ('client: {end: "a", returns: 1}', "end"),
        ("client: {timeout: 250ms}", "timeout"),
        ("client: {shutdown: read}", "shutdown"),
        ("client: {reload: {data: []}}", "reload"),
        ("server: {reload: v1}", "reload"),
        ("server: {stop: true}", "stop"),
        ("server: stop", "stop"),
        ("server -> client: {write: a}", "write"),
    ],
)
def test_an_action_may_have_a_value(step: str, name: str, tmp_path: Path) -> None:
    found = step_of(tmp_path, step, top="handlers: {v1: {}}" if "v1" in step else "")

    assert isinstance(found, model.Act)
    assert found.action.name == name


def test_a_step_on_an_arrow_is_about_its_left_end(tmp_path: Path) -> None:
    step = step_of(tmp_path, "server -> client: {sees: end}")

    assert isinstance(step, model.Sees)
    assert step.peer.name == "server"
    assert step.peer.other is not None
    assert step.peer.other.name == "client"


@pytest.mark.parametrize(
    ("step", "event", "error", "message"),
    [
        ("client: {sees: open}", "open", "any", ""),
        ("client: {sees: close}", "close", "none", ""),
        ("client: {sees: close, error: ECONNRESET}", "close", "ECONNRESET", ""),
        ("client: {sees: error, message: boom}", "error", "any", "boom"),
        ("server: {sees: uncaught_exception}", "uncaught_exception", "any", ""),
    ],
)
def test_what_is_seen_has_an_error_or_none(
    step: str, event: str, error: str, message: str, tmp_path: Path
) -> None:
    found = step_of(tmp_path, step)

    assert isinstance(found, model.Sees)
    assert (found.event, found.error, found.message) == (event, error, message)


def test_a_negative_lasts(tmp_path: Path) -> None:
    step = step_of(tmp_path, "client: {never: data, for: 200ms}")

    assert isinstance(step, model.Never)
    assert (step.event, step.lasting) == ("data", 0.2)


def test_the_limit_beside_an_expectation_wins_over_that_of_the_step(tmp_path: Path) -> None:
    inner = step_of(tmp_path, "{client: {sees: end, within: 1s}, within: 2s}")
    outer = step_of(tmp_path, "{client: {sees: end}, within: 2m}")

    assert isinstance(inner, model.Sees)
    assert isinstance(outer, model.Sees)
    assert (inner.within, outer.within) == (1.0, 120.0)


@pytest.mark.parametrize(
    ("text", "good", "bad", "shown"),
    [
        ("-1", [-1], [0], "-1"),
        ("4KiB", [4096], [4], "4096"),
        ("{at_least: 1, less_than: 3}", [1, 2], [0, 3], "at least 1 and less than 3"),
        ("{at_most: 3}", [3], [4], "at most 3"),
    ],
)
def test_what_a_call_returns_has_bounds(
    text: str, good: list[int], bad: list[int], shown: str, tmp_path: Path
) -> None:
    step = step_of(tmp_path, f"client: {{write: a, returns: {text}}}")

    assert isinstance(step, model.Act)
    assert step.returns is not None
    assert all(map(step.returns.hold, good))
    assert not any(map(step.returns.hold, bad))
    assert str(step.returns) == shown


def test_a_listener_with_two_clients_must_say_which(tmp_path: Path) -> None:
    text = (
        f"sockspec: 1\n{PEERS}  other: {{tcp: {{connect: server}}}}\nexchange:\n"
        "  - client -> server: a\n  - other -> server: a\n"
    )

    good = "  - server@1: end\n  - server -> other: {sees: end}\n  - server: stop\n"
    assert len(case_of(tmp_path, text + good).steps) == 5
    for step in ("server: end", "server: {sees: end}", "server: {write: a}"):
        (problem,) = problems(tmp_path, f"{text}  - {step}\n")
        assert problem.message == "'server' has 2 connections"
        assert problem.hint == "write 'server@1' for the first, or 'server -> client'"


def test_a_wire_check_has_fields_and_a_count(tmp_path: Path) -> None:
    case = case_of(
        tmp_path,
        f"{MINIMAL}wire:\n"
        "  - {where: {TCP.flags: S, TCP.dport: $server.port}, count: 1, within: 1s}\n"
        "  - {where: {TCP.flags: PA}, each: {Raw.load: hi}}\n",
    )

    first, second = case.wire
    assert [(test.field, test.value) for test in first.where] == [
        ("TCP.flags", "S"),
        ("TCP.dport", model.Reference("server.port")),
    ]
    assert (str(first.count), first.each, first.within) == ("1", (), 1.0)
    assert second.count is None
    assert [test.field for test in second.each] == ["Raw.load"]


def test_a_field_cannot_be_bytes_of_let(tmp_path: Path) -> None:
    (problem,) = problems(
        tmp_path, f"{MINIMAL}let: {{x: a}}\nwire:\n  - {{where: {{TCP.flags: $x}}, count: 1}}\n"
    )

    assert problem.message == "got '$x', expected a text or a live value such as $server.port"


# ---- bytes


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('"a\\r\\n\\x7f\\0"', b"a\r\n\x7f\0"),
        ("é", "é".encode()),
        ('"é\\\\x80"', "é\\x80".encode()),
        ("it is $4", b"it is $4"),
        ("$4", b"$4"),
        ('""', b""),
        ("|\n        a\n        b\n", b"a\nb\n"),
        ("{hex: ff 00}", b"\xff\x00"),
        ("{base64: /wA=}", b"\xff\x00"),
        ("{base64: '/w A='}", b"\xff\x00"),
        ("{text: $x}", b"$x"),
        ("{bytes: 8}", b"\0\0\0\0\0\0\0\1"),
        ("{bytes: 6, pattern: counter}", b"\0\0\0\0\0\0"),
        ("{bytes: 3, pattern: zero}", b"\0\0\0"),
        ("{repeat: ab, times: 3}", b"ababab"),
        ("{repeat: {repeat: ab, times: 2}, times: 2}", b"abababab"),
        ("{concat: [a, {hex: 00}, {concat: [b, c]}]}", b"a\0bc"),
        ("{file: data.bin}", b"\x00from a file\xff"),
        ("{file: sub/../data.bin}", b"\x00from a file\xff"),
    ],
)
def test_bytes_are_written_in_many_ways(text: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"\x00from a file\xff")
    (tmp_path / "sub").mkdir()
    step = step_of(tmp_path, f"server:\n      received: {text}")

    assert isinstance(step, model.Received)
    assert step.payload.data(Bindings()) == data
    assert step.payload.matcher(Bindings()).expected() == data


def test_what_is_only_described_becomes_a_matcher(tmp_path: Path) -> None:
    digest = "0" * 64

    assert payload_of(tmp_path, "{length: 4}").matcher(Bindings()) == Length(4)
    assert isinstance(payload_of(tmp_path, "{regex: 'a+\\n'}").matcher(Bindings()), Regex)
    assert payload_of(tmp_path, f"{{sha256: {digest}, length: 4}}").matcher(Bindings()) == Sha256(
        digest, 4
    )
    captured = case_of(
        tmp_path,
        f"{MINIMAL}  - server: {{received: {{capture: a, length: 4}}}}\n  - server -> client: $a\n",
    ).steps[1]
    assert isinstance(captured, model.Received)
    assert captured.payload.matcher(Bindings()) == Capture("a", Length(4))


def test_an_example_is_what_a_scripted_sender_writes(tmp_path: Path) -> None:
    step = step_of(tmp_path, "client -> server: {regex: '.*\\n', example: \"x\\n\"}")

    assert isinstance(step, model.Arrow)
    assert step.payload.data(Bindings()) == b"x\n"


def test_a_spec_says_what_is_otherwise_on_an_engine(tmp_path: Path) -> None:
    spec = load(
        tmp_path,
        f"{MINIMAL}"
        "  - {server -> client: b, differs: {bun: D1, server -> client: c, within: 1s}}\n"
        "  - client: {sees: close, within: 2s, differs: {client:bun: D5, error: EPIPE}}\n"
        "  - client: {never: data, for: 1s, differs: {bun: D9}}\n"
        "engines: [sockharness, bun]\ndiffers: {bun: D2, server:bun: D13}\n",
    )

    (case,) = spec.cases
    assert list(spec.engines) == ["sockharness", "bun"]
    assert {key: (each.row, each.peer) for key, each in case.differs.items()} == {
        "bun": ("D2", ""),
        "server:bun": ("D13", "server"),
    }
    arrow, sees, never = (case.steps[number] for number in sorted(case.differing))
    assert isinstance(arrow, model.Arrow)
    assert (arrow.payload, arrow.within) == (model.Literal(b"b"), None)
    assert isinstance(sees, model.Sees)
    assert (sees.error, sees.within) == ("none", 2.0)
    there = [next(iter(case.differing[number].values())) for number in sorted(case.differing)]
    other_arrow, other_sees, _ = (each.instead for each in there)
    assert isinstance(other_arrow, model.Arrow)
    assert (other_arrow.payload, other_arrow.within) == (model.Literal(b"c"), 1.0)
    assert isinstance(other_sees, model.Sees)
    assert (other_sees.error, other_sees.within) == ("EPIPE", 2.0)
    assert isinstance(never, model.Never)
    assert there[2].instead is None


def test_a_peer_with_handlers_needs_no_example(tmp_path: Path) -> None:
    case = case_of(
        tmp_path,
        MINIMAL.replace("connect: server}", "connect: server}, on: {}").replace(
            '"hi"', "{length: 4}"
        ),
    )

    assert len(case.steps) == 1


def test_what_was_captured_is_a_name_from_then_on(tmp_path: Path) -> None:
    captures = (
        "  - server: {received: {capture: first, length: 2}}\n"
        "  - server: {received: {regex: '(?P<second>a)b'}}\n"
        "  - client: {write: a, returns: {capture: third}}\n"
    )
    uses = "  - client -> server: {concat: [$first, $second, $third, $server.host]}\n"

    step = case_of(tmp_path, MINIMAL + captures + uses).steps[-1]

    assert isinstance(step, model.Arrow)
    names = Bindings(lambda peer, fact: f"<{peer} {fact}>")
    names.capture({"first": b"1", "second": b"2", "third": 3})
    assert step.payload.data(names) == b"123<server host>"
    found = problems(tmp_path, MINIMAL + uses + captures)
    assert places(found) == ["7:33", "7:41", "7:50"]


def test_a_capture_under_let_is_a_name_once_it_is_used(tmp_path: Path) -> None:
    session = "{capture: number, regex: '(?P<digit>[0-9]).', example: 12}"
    let = f"let: {{session: {{concat: [a, {session}]}}}}\n"
    step = "  - client -> server: $session\n  - client -> server: {concat: [$number, $digit]}\n"

    assert len(case_of(tmp_path, MINIMAL + step + let).steps) == 3


@pytest.mark.parametrize("payload", ["{capture: x, length: 1}", "{regex: '(?P<x>a)'}"])
def test_a_name_of_let_cannot_be_captured(payload: str, tmp_path: Path) -> None:
    (problem,) = problems(
        tmp_path, f"{MINIMAL}  - server: {{received: {payload}}}\nlet: {{x: a}}\n"
    )

    assert problem.message == "'x' is a name under 'let' already"


def test_the_rest_of_bytes_begins_behind_a_captured_count(tmp_path: Path) -> None:
    step = case_of(
        tmp_path,
        f"{MINIMAL}  - client: {{write: abcd, returns: {{capture: n}}}}\n"
        "  - client: {write_all: {rest_of: {concat: [ab, cd]}, after: $n}}\n",
    ).steps[-1]

    assert isinstance(step, model.Act)
    assert isinstance(step.action, model.WriteAll)
    names = Bindings()
    names.capture({"n": 3})
    assert step.action.payload.data(names) == b"d"
    assert step.action.payload.matcher(names).expected() == b"d"


def test_a_description_has_no_rest(tmp_path: Path) -> None:
    (problem,) = problems(
        tmp_path,
        f"{MINIMAL}  - client: {{write: a, returns: {{capture: n}}}}\n"
        "  - server: {received: {rest_of: {concat: [a, {length: 4, example: abcd}]}, after: $n}}\n",
    )

    assert problem.message == "expected bytes, got a description of bytes"


def test_files_are_read_from_the_folder_of_the_spec_and_below_only(tmp_path: Path) -> None:
    folder = tmp_path / "specs"
    folder.mkdir()
    (tmp_path / "secret").write_text("x")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "sub").mkdir()

    def message(name: str) -> str:
        (problem,) = problems(folder, MINIMAL.replace('"hi"', f"{{file: {name}}}"))
        return problem.message

    assert message("../secret") == "'../secret' is outside the spec's folder"
    assert message("link") == "'link' is outside the spec's folder"
    assert message("sub") == "'sub' is not a regular file here"
    assert message("circle").startswith("'circle' ")
    assert message("x" * 300).endswith("cannot be read: File name too long")
    assert message('"a\\0b"') == "'a␀b' cannot be read: not a name of a file"


def test_a_file_of_more_than_16_mib_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(16 * 1024 * 1024 + 1)

    (problem,) = problems(tmp_path, MINIMAL.replace('"hi"', "{file: big}"))

    assert problem.message == "expected a file of at most 16777216 bytes"


def test_a_file_that_changed_is_read_anew(tmp_path: Path) -> None:
    def content() -> bytes:
        return payload_of(tmp_path, "{file: data}").data(Bindings())

    (tmp_path / "data").write_bytes(b"old")
    before = content()
    (tmp_path / "data").write_bytes(b"newer")

    assert (before, content()) == (b"old", b"newer")


# ---- what would cost too much


def timed(tmp_path: Path, text: str) -> tuple[float, list[Problem]]:
    began = time.thread_time()  # of this thread: other programs cost nothing
    found: list[Problem] = []
    try:
        load(tmp_path, text)
    except SpecError as error:
        found = list(error.problems)
    return time.thread_time() - began, found


DEAR = {
    "cases times steps": MINIMAL + "  - client -> server: a\n" * 1500
    + "cases:\n" + "".join(f"  c{number}: {{}}\n" for number in range(1500)),
    "unknown keys": MINIMAL + "".join(f"unknown-{number}: 1\n" for number in range(9000)),
    "unknown peers": "sockspec: 1\npeers:\n"
    + "".join(f"  peer-{number}: {{tcp: {{listen: loopback}}}}\n" for number in range(1000))
    + "exchange:\n" + "".join(f"  - pear-{number}: end\n" for number in range(1000)),
    "undefined names": MINIMAL + "".join(f"  - client -> server: $nam{n}\n" for n in range(2000))
    + "let:\n" + "".join(f"  name{number}: a\n" for number in range(2000)),
    "a long pattern": MINIMAL + f"  - server: {{received: {{regex: '{'a?' * 400_000}'}}}}\n",
    "a deep pattern": MINIMAL
    + f"  - server: {{received: {{regex: '{'(' * 499}{')' * 499}'}}}}\n" * 3,
    "big repetitions": MINIMAL + "  - client -> server: {repeat: a, times: 67108864}\n" * 1000,
    "names of names": MINIMAL + "let:\n  a: {concat: [x, y]}\n"
    + "".join(
        f"  {name}: {{concat: [{', '.join([f'${before}'] * 9)}]}}\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "long words": MINIMAL + f"  - {'k' * 500_000}: end\n{'n' * 500_000}: 1\n",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("text", DEAR.values(), ids=DEAR)
def test_a_file_that_looks_dear_is_cheap(text: str, tmp_path: Path) -> None:
    seconds, found = timed(tmp_path, text)

    assert seconds < 1.5
    assert len("\n".join(map(str, found))) < 100_000


def test_names_of_names_do_not_grow_without_bound(tmp_path: Path) -> None:
    found = problems(tmp_path, DEAR["names of names"])

    assert found[0].message == "expected at most 67108864 bytes in 1000 parts in all, got more"


def test_cases_are_limited_by_what_they_repeat(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, DEAR["cases times steps"])

    assert problem.message == "expected at most 100000 nodes in all cases together, got more"


# ---- anything at all

PIECES = [*"{}[]:,-\"\\'#&*!|>%@`$ \n\t", "<<: ", "\r\n", "\0", "\x1b", "\u202e", "é", "->", "$x"]


def mutants(count: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    sources = [path.read_text() for path in sorted(SPECS.rglob("*.yaml"))]
    made = []
    for _ in range(count):
        text = chance.choice(sources)
        for _ in range(chance.randint(1, 3)):
            start = chance.randrange(len(text))
            end = start + chance.choice([0, 1, 1, 3, 12])
            middle = chance.choice(["", chance.choice(PIECES), text[start:end] * 2])
            text = text[:start] + middle + text[end:]
        made.append(text)
    return made


@pytest.mark.parametrize("seed", range(24))
def test_a_mutated_spec_is_a_spec_or_an_error_with_its_place(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "mutant.yaml"
    for text in mutants(25, seed):
        path.write_text(text)

        for problem in problems_or_spec(path):
            assert 1 <= problem.location.line <= text.count("\n") + 2, text
            assert problem.location.column >= 1
            assert (problem.message + problem.hint).isprintable()


def problems_or_spec(path: Path) -> tuple[Problem, ...]:
    try:
        spec = loader.load(path)
    except SpecError as error:
        return error.problems
    assert spec.cases
    return ()


def test_bytes_at_random_are_an_error_with_its_place(tmp_path: Path) -> None:
    chance = random.Random(7)
    path = tmp_path / "random.yaml"
    for _ in range(100):
        path.write_bytes(chance.randbytes(chance.randint(1, 40)))

        with pytest.raises(SpecError) as caught:
            loader.load(path)

        assert len(caught.value.problems) == 1


def test_only_a_peer_that_listens_has_a_port(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(
        "sockspec: 1\n"
        "peers:\n"
        "  server: {tcp: {listen: loopback}}\n"
        "  client: {tcp: {connect: server}}\n"
        "exchange:\n"
        "  - client -> server: $client.port\n"
    )

    with pytest.raises(SpecError, match=r"line 6: \$client\.port is not defined here"):
        loader.load(path)


# ---- names that nothing uses


LET = f"""\
sockspec: 1
let: {{line: "a"}}
{PEERS}exchange:
  - client -> server: $line
"""


def test_a_misspelt_name_of_a_case_is_told(tmp_path: Path) -> None:
    text = LET.replace("peers:", "cases: {long: {lien: 'b'}, short: {}}\npeers:")

    (found,) = problems(tmp_path, text)

    assert (found.location.line, found.location.column) == (3, 16)
    assert (found.message, found.hint) == ("$lien is used nowhere", "did you mean 'line'?")


def test_a_name_that_one_case_lacks_is_told(tmp_path: Path) -> None:
    text = LET.replace('let: {line: "a"}', 'cases: {a: {line: "x"}, b: {}}')

    (found,) = problems(tmp_path, text)

    assert found.message == "$line is not defined in case 'b'"
    assert found.hint == "define it there too, or under 'let'"


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ("let: {x: a}", "$x is used nowhere"),
        ("cases: {one: {x: a}, two: {x: b}}", "$x is used nowhere"),
        ("let: {x: a, y: $x}", "$y is used nowhere"),
        ("handlers: {v1: {}}", "the handlers 'v1' are used nowhere"),
    ],
)
def test_what_nothing_uses_is_told_once(top: str, message: str, tmp_path: Path) -> None:
    found = problems(tmp_path, f"{MINIMAL}{top}\n")

    assert [each.message for each in found] == [message]


@pytest.mark.parametrize(
    "step",
    [
        "server: {received: {capture: n, length: 2}}",
        "client: {write: a, returns: {at_least: 1, capture: n}}",
    ],
)
def test_what_is_captured_must_be_read(step: str, tmp_path: Path) -> None:
    (found,) = problems(tmp_path, f"{MINIMAL}  - {step}\n")

    assert found.message == "$n is captured but read nowhere"


def test_a_group_of_a_pattern_may_stay_unread(tmp_path: Path) -> None:
    payload_of(tmp_path, "{regex: '(?P<n>a)\\n'}")


def test_a_client_that_connects_twice_has_two_connections(tmp_path: Path) -> None:
    case = case_of(
        tmp_path, f"{MINIMAL}  - client: connect\n  - client: connect\n  - client@2: end\n"
    )

    assert len(case.steps) == 4


@pytest.mark.parametrize("key", ["a" + "-" * 20_000 + "!", "$a " * 5_000, "-" * 20_000])
def test_a_long_key_is_cheap(key: str, tmp_path: Path) -> None:
    began = time.thread_time()

    found = problems(tmp_path, f'{MINIMAL}  - ? "{key}"\n    : end\n')

    assert found[0].message.startswith("unknown peer")
    assert time.thread_time() - began < 1
