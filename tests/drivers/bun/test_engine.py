"""Real Bun as an engine: an ordinary user of its sockets, in a child process."""

import os
import select
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sockharness.address import Address
from sockharness.clock import MonotonicClock
from sockharness.drivers.bun import engine as bun
from sockharness.drivers.bun import program as bun_program
from sockharness.drivers.bun.engine import BunEngine
from sockharness.drivers.bun.jsonl import Message
from sockharness.drivers.bun.program import BunProgram
from sockharness.drivers.choice import EngineChoice
from sockharness.drivers.driver import Engines
from sockharness.drivers.engine import EngineFailed, Run
from sockharness.engine.loop.reactor import Reactor
from sockharness.errors import SpecError, UsageError
from sockharness.machine.policy import Policy
from sockharness.replay.replayer import Replayer
from sockharness.replay.setup import Setup
from sockharness.report.text import failure_text
from sockharness.sockspec import loader, model
from sockharness.sockspec.model.bindings import Bindings
from sockharness.story.events import Kind
from sockharness.story.outcome import Outcome, Verdict
from sockharness.story.timeline import Timeline
from tests.helpers.programs import run_program

ECHO = """\
sockspec: 1
peers:
  server: {tcp: {listen: loopback}, on: {data: [echo]}}
  client: {tcp: {connect: server}}
exchange:
"""
CLOCKS = 0.0005
"""The largest difference, in seconds, between a time from the child and ours."""
MIXES = ("bun", "server:bun,client:sockharness", "server:sockharness,client:bun")
SetUp = Callable[..., Setup]


def replay(setup: Setup, *, scale: float = 1.0) -> Outcome:
    with setup:
        return Replayer(setup, scale).run()


def port_of(setup: Setup) -> int:
    port = setup.addresses.fact("server", "port")
    assert isinstance(port, int)
    return port


def names(setup: Setup, peer: str) -> list[str]:
    """Return the events and calls of a peer; calls end with `()`."""
    return [
        f"{event.name}()" if event.kind is Kind.ACTION else event.name
        for event in setup.timeline.entries
        if event.peer == peer
    ]


@pytest.mark.parametrize("choice", MIXES)
def test_a_conversation_passes(set_up: SetUp, choice: str) -> None:
    text = ECHO + '  - client -> server: "hi"\n  - server -> client: "hi"\n'

    outcome = replay(set_up(text, choice=choice))

    assert outcome.verdict is Verdict.PASSED, failure_text(outcome)


@pytest.mark.parametrize("choice", MIXES)
def test_a_wrong_byte_fails_and_is_told(set_up: SetUp, choice: str) -> None:
    text = ECHO + '  - client -> server: "hi"\n  - server -> client: "ho"\n'

    outcome = replay(set_up(text, choice=choice))

    assert outcome.headline == 'line 7: client got "hi", expected "ho"'
    assert outcome.hint == "differs: {bun: ROW}, see docs/bun-differences.md"
    assert "bun" in outcome.engines.values()
    assert " (bun)" in failure_text(outcome)


@pytest.mark.parametrize("choice", MIXES)
def test_bytes_of_every_value_arrive_as_they_were_said(set_up: SetUp, choice: str) -> None:
    text = ECHO.replace("peers:", "let: {blob: {bytes: 3MiB, pattern: counter}}\npeers:")

    outcome = replay(
        set_up(text + "  - client -> server: $blob\n  - server -> client: $blob\n", choice=choice)
    )

    assert outcome.verdict is Verdict.PASSED, failure_text(outcome)


def test_what_happens_inside_a_call_stands_between_its_beginning_and_what_follows(
    set_up: SetUp,
) -> None:
    text = ECHO.replace("data: [echo]", 'data: [write: "bye", end, write: "more"]')
    setup = set_up(text + '  - client -> server: "x"\n  - server -> client: "bye"\n')

    replay(setup)

    assert names(setup, "server") == ["open", "data", "write()", "end()", "close", "write()"]
    results = [event.result for event in setup.timeline.entries if event.name == "write"]
    assert results == [3, -1]


def test_events_are_in_order_and_have_a_time_within_the_replay(set_up: SetUp) -> None:
    text = ECHO + '  - client -> server: "hi"\n  - server -> client: "hi"\n'
    setup = set_up(text)

    replay(setup)

    times = [event.at for event in setup.timeline.entries]
    assert times == sorted(times)
    assert 0 < times[0] <= times[-1] < setup.timeline.now()


def test_the_time_of_a_new_child_is_compared_with_ours(engines: Engines) -> None:
    clock, told = MonotonicClock(), list[Message]()
    with BunProgram(engines.bun.path) as program:
        child = program.child()
        child.on_message = told.append
        before = clock.now()
        child.send({"ack": 1, "do": []}, timeout=5)
        child.wait(lambda: bool(told), timeout=5)
        after = clock.now()

    assert before - CLOCKS < told[0]["at"] + program.offset < after + CLOCKS


def test_what_is_told_between_two_waits_is_done_in_one_turn(set_up: SetUp) -> None:
    text = """\
sockspec: 1
peers:
  server: {tcp: {listen: loopback}, on: {end: []}}
  client: {tcp: {connect: server}}
exchange:
  - client: {sees: open}
  - server: {sees: open}
  - client: end
  - server: end
  - client: {sees: close}
  - server: {sees: close}
  - server: {never: end, for: 20ms}
"""
    for _ in range(10):
        outcome = replay(set_up(text))

        assert outcome.verdict is Verdict.PASSED, failure_text(outcome)


def test_a_call_that_fails_is_told_though_its_result_comes_later(set_up: SetUp) -> None:
    text = """
sockspec: 1
peers:
  server: {tcp: {listen: loopback, pause_on_connect: true}}
  client: {tcp: {connect: server}}
exchange:
  - client: shutdown
  - client: {write: ab}
"""

    outcome = replay(set_up(text))

    assert outcome.headline == "line 8: client cannot write: its writing side is shut"


def test_a_fact_that_is_known_only_later_can_be_written_by_a_handler(set_up: SetUp) -> None:
    text = ECHO.replace("{data: [echo]}", "{open: [write: $server.port]}")
    setup = set_up(text + "  - server -> client: $server.port\n")

    outcome = replay(setup)

    assert outcome.verdict is Verdict.PASSED, failure_text(outcome)


def test_errors_of_the_system_are_those_of_python(set_up: SetUp) -> None:
    text = ECHO.replace("data: [echo]", "data: [terminate]")
    setup = set_up(
        text + '  - client -> server: "x"\n  - client: {sees: close, error: ECONNRESET}\n'
    )

    outcome = replay(setup)

    assert outcome.verdict is Verdict.PASSED, failure_text(outcome)
    (error,) = [event.error for event in setup.timeline.entries if event.error is not None]
    assert isinstance(error, ConnectionResetError)


def test_an_address_is_judged_before_bun_gets_it(set_up: SetUp) -> None:
    setup = set_up(ECHO.replace("listen: loopback", "listen: 192.0.2.7") + "  - client: end\n")

    with pytest.raises(SpecError, match=r"192\.0\.2\.7:0 is not a loopback address"):
        replay(setup)


def test_a_port_that_is_taken_is_an_error_of_the_spec(set_up: SetUp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        second = set_up(
            ECHO.replace("loopback}", f"loopback, port: {port}}}") + "  - client: end\n"
        )

        with pytest.raises(
            SpecError, match=f"server cannot listen on 127\\.0\\.0\\.1:{port}: EADDRINUSE"
        ):
            replay(second)


def test_a_bun_that_is_in_use_is_not_taken_away(set_up: SetUp) -> None:
    text = ECHO + '  - client -> server: "hi"\n  - server -> client: "hi"\n'
    with set_up(text) as first:
        with pytest.raises(UsageError, match="this bun is in use"), set_up(text):
            raise AssertionError("never reached")
        assert Replayer(first).run().verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo no >&2; exit 4", "Bun 1.4.5 did not start: it died: status 4\nbun: {}\n"),
        ("kill -SEGV $$", "Bun 1.4.5 did not start: it died: SIGSEGV\n"),
        ("echo hello world", "Bun 1.4.5 did not start: it sent no JSON: hello world\n"),
        ("exec sleep 60", "Bun 1.4.5 did not start: it did not answer within 2 s\n"),
    ],
)
def test_a_bun_that_does_not_start_is_told_once_and_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    path = tmp_path / "bun"
    ran = tmp_path / "ran"
    path.write_text(f"#!/bin/sh\n[ $1 = --version ] && exec echo 1.4.5\necho >>{ran}\n{script}\n")
    path.chmod(0o755)
    case = loader.load(_echo(tmp_path)).cases[0]
    texts = []
    with Engines(bun=str(path)) as engines:
        assert engines.bun.missing() == ""
        monkeypatch.setattr(bun_program, "START", 2.0 if "sleep" in script else 30.0)
        for _ in range(2):
            setup = Setup(case, policy=Policy(), choice=EngineChoice.parse("bun"), engines=engines)
            with pytest.raises(EngineFailed) as failed:
                replay(setup)
            texts.append(str(failed.value))

    assert texts[0].startswith(told.format(path))
    assert f"bun: {path}\n" in texts[0]
    assert ("bun wrote on stderr:\n  no\n" in texts[0]) is ("no >" in script)
    assert texts[0].endswith(f"try '{path} --version', or name another with --sock-bun=PATH")
    assert texts[1] == texts[0]
    assert ran.read_text() == "\n"


def _echo(folder: Path) -> Path:
    path = folder / "echo.yaml"
    path.write_text(ECHO + "  - client: {sees: open}\n")
    return path


def test_one_child_is_kept_and_knows_nothing_of_earlier_specs(
    set_up: SetUp, engines: Engines, free_port: int
) -> None:
    listening = ECHO.replace("listen: loopback", f"listen: loopback, port: {free_port}")
    with set_up(listening + "  - client: {sees: open}\n") as first:
        assert port_of(first) == free_port
    pid = engines.bun.child().pid
    text = f"""\
sockspec: 1
peers: {{client: {{tcp: {{connect: 127.0.0.1, port: {free_port}}}}}}}
exchange: [client: {{sees: connect_error, error: ECONNREFUSED}}]
"""

    outcome = replay(set_up(text))

    assert outcome.verdict is Verdict.PASSED, failure_text(outcome)
    assert engines.bun.child().pid == pid


def test_a_crash_shows_and_the_next_spec_has_a_new_child(set_up: SetUp, engines: Engines) -> None:
    text = ECHO + '  - client -> server: "hi"\n  - server -> client: "hi"\n'
    with set_up(text) as setup:
        pid = engines.bun.child().pid
        with open(f"/proc/{pid}/fd/2", "ab", buffering=0) as stderr:
            stderr.write(b"panic: oh no\n")
        os.kill(pid, signal.SIGKILL)
        outcome = Replayer(setup).run()

    told = failure_text(outcome).splitlines()
    assert told[0] == "line 6: bun died: SIGKILL"
    assert "  bun wrote on stderr:" in told
    assert "    panic: oh no" in told
    assert outcome.hint == ""
    assert replay(set_up(text)).verdict is Verdict.PASSED
    assert engines.bun.child().pid != pid


def test_a_hang_shows_as_one_and_not_as_a_silent_peer(
    set_up: SetUp, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = ECHO + '  - client -> server: "hi"\n  - server -> client: "hi"\n'
    with set_up(text, choice="server:bun") as setup, monkeypatch.context() as hasty:
        os.kill(engines.bun.child().pid, signal.SIGSTOP)
        hasty.setattr(bun, "ANSWER", 0.1)
        outcome = Replayer(setup, 0.05).run()

    assert outcome.headline == "line 6: bun did not answer within 0.1 s"
    assert replay(set_up(text)).verdict is Verdict.PASSED


def test_a_hang_at_the_end_is_not_swallowed(
    set_up: SetUp, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = set_up(ECHO + "  - client: {sees: open}\n")

    def hang() -> None:
        os.kill(engines.bun.child().pid, signal.SIGSTOP)
        monkeypatch.setattr(bun, "RESET", 0.1)

    with pytest.raises(EngineFailed, match="bun did not answer within"), setup:
        hang()


def test_what_bun_writes_on_stderr_shows_in_a_failure(set_up: SetUp, engines: Engines) -> None:
    text = ECHO + '  - client -> server: "hi"\n  - server -> client: "ho"\n'
    with set_up(text) as setup:
        with open(f"/proc/{engines.bun.child().pid}/fd/2", "ab", buffering=0) as stderr:
            stderr.write(b"warning: something\n")
        outcome = Replayer(setup).run()

    assert "    warning: something" in failure_text(outcome).splitlines()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("send_buffer: 64KiB", "'send_buffer' of server (line 3): Bun's interface sets no sizes"),
        ("recv_buffer: 64KiB", "'recv_buffer' of server (line 3): Bun's interface sets no sizes"),
        ("backlog: 1", "'backlog' of server (line 3): Bun's interface sets no backlog"),
    ],
)
def test_what_bun_cannot_do_is_told_with_the_key(tmp_path: Path, options: str, told: str) -> None:
    path = tmp_path / "spec.yaml"
    text = ECHO.replace("loopback}", f"loopback, {options}}}")
    path.write_text(text + "  - client: {sees: open}\n")
    (case,) = loader.load(path).cases
    with Engines() as engines:
        reason = engines.cannot(EngineChoice.parse("bun"), case)

    assert reason.startswith(told)


def test_what_only_our_peer_asks_for_is_no_matter(tmp_path: Path, engines: Engines) -> None:
    path = tmp_path / "spec.yaml"
    text = ECHO.replace("loopback}", "loopback, recv_buffer: 64KiB}")
    path.write_text(text + "  - client: {sees: open}\n")
    (case,) = loader.load(path).cases

    assert engines.cannot(EngineChoice.parse("client:bun"), case) == ""


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 1.2.23", "Bun 1.2.23 at {} is too old: 1.3 or newer is needed"),
        ("echo v20.1.0", "no Bun at {0}: '{0} --version' says 'v20.1.0'"),
        ("exit 3", "no Bun at {0}: '{0} --version' ends with status 3"),
        (
            "echo not found >&2; exit 127",
            "no Bun at {0}: '{0} --version' ends with status 127 and says 'not found'",
        ),
        ("kill -SEGV $$", "no Bun at {0}: '{0} --version' dies by SIGSEGV"),
        ("echo 1.3.0", ""),
        ("echo 2.0.0", ""),
    ],
)
def test_a_program_that_is_no_new_bun_is_a_reason(tmp_path: Path, script: str, told: str) -> None:
    path = tmp_path / "bun"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)

    assert BunProgram(str(path)).missing() == told.format(path)


def test_without_bun_the_reason_names_the_ways_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("SOCKHARNESS_BUN", raising=False)

    assert BunProgram().missing() == (
        "no 'bun' on PATH; name it with --sock-bun=PATH or SOCKHARNESS_BUN"
    )
    assert BunProgram("/nowhere/bun").missing() == (
        "no Bun at /nowhere/bun: No such file or directory"
    )


def test_a_program_that_hangs_is_no_bun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bun"
    path.write_text("#!/bin/sh\nexec sleep 60\n")
    path.chmod(0o755)
    monkeypatch.setattr(bun_program, "START", 0.1)

    assert BunProgram(str(path)).missing() == (
        f"no Bun at {path}: '{path} --version' does not end within 0.1 s"
    )


def test_a_path_is_one_of_the_folder_where_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bun"
    path.write_text("#!/bin/sh\necho 1.4.5\n")
    path.chmod(0o755)
    monkeypatch.chdir(tmp_path)

    assert BunProgram("./bun").version == "1.4.5"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("SOCKHARNESS_BUN", raising=False)
    assert BunProgram().path == BunProgram("bun").path == str(path)


def test_plain_code_tells_it_what_to_do_and_gets_events(engines: Engines, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(ECHO + "  - client: {sees: open}\n")
    (case,) = loader.load(path).cases
    place = case.location
    timeline = Timeline()
    with Reactor() as reactor:
        run = Run(case=case, reactor=reactor, timeline=timeline, names=Bindings())
        engine = BunEngine(run, engines.bun)
        address = engine.listen(case.peers["server"], Address("127.0.0.1"))
        engine.connect(case.peers["client"], address)
        engine.settle()
        client = timeline.channel("client", 1)
        written = engine.act(client, model.Write(model.Literal(b"abc"), place))
        engine.act(client, model.Call("shutdown", place))
        engine.sync()
        assert not engine.pending(written)
        engine.settle()
        engine.close()

    assert written.result == 3
    told = [event.name for event in timeline.entries if event.peer == "server"]
    assert told == ["open", "data", "echo", "close"]
    assert client.remote is timeline.channel("server", 1)


def test_the_child_does_not_outlive_who_started_it(engines: Engines) -> None:
    program = f"""
import os, signal
from sockharness.drivers.bun.program import BunProgram
print(BunProgram({engines.bun.path!r}).child().pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

    done = run_program(program)

    assert done.returncode == -signal.SIGKILL
    assert_ends(int(done.stdout))


def assert_ends(pid: int) -> None:
    __tracebackhide__ = True
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([process], [], [], 10)
    os.close(process)
    assert ended, f"{pid} still runs"


def test_the_child_ends_with_the_program(engines: Engines) -> None:
    with BunProgram(engines.bun.path) as program:
        pid = program.child().pid

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("choice", ["bun", *MIXES[1:]])
def test_handlers_of_udp_and_of_streams_have_names_side_by_side(set_up: SetUp, choice: str) -> None:
    outcome = replay(
        set_up(
            """\
            sockspec: 1
            handlers:
              stream: {data: [write: "stream"]}
              datagrams: {data: [drop_membership, {send: "datagram", to: client}]}
            peers:
              server: {tcp: {listen: loopback}, on: {data: []}}
              member: {udp: {bind: group}, multicast: {group: auto}, on: {data: []}}
              caller: {tcp: {connect: server}}
              client: {udp: {bind: loopback}}
            exchange:
              - member: {reload: datagrams}
              - server: {reload: stream}
              - caller -> server: "?"
              - server -> caller: "stream"
              - client: {send: "?", to: member}
              - member: {received: "?"}
              - client: {received: "datagram"}
            """,
            choice=choice,
        )
    )

    assert outcome.verdict is Verdict.PASSED, failure_text(outcome)


@pytest.mark.parametrize("choice", MIXES)
def test_the_rest_of_a_write_all_is_sent_after_the_last_step(set_up: SetUp, choice: str) -> None:
    text = """\
sockspec: 1
let: {blob: {bytes: 16MiB, pattern: counter}}
allow: [unread_bytes]
peers:
  server: {tcp: {listen: loopback, pause_on_connect: true}}
  client: {tcp: {connect: server}}
exchange: [client: {write_all: $blob}, server: resume]
"""
    setup = set_up(text, choice=choice)

    outcome = replay(setup)

    assert outcome.verdict is Verdict.PASSED, failure_text(outcome)
    assert setup.timeline.channel("server", 1).received == 16 * 2**20


@pytest.mark.parametrize("choice", MIXES)
def test_what_is_owed_at_the_deadline_is_a_finding(set_up: SetUp, choice: str) -> None:
    text = """\
sockspec: 1
let: {blob: {bytes: 16MiB, pattern: counter}}
allow: [unread_bytes]
peers:
  server: {tcp: {listen: loopback, pause_on_connect: true}}
  client: {tcp: {connect: server}}
exchange: [client: {write_all: $blob}]
"""
    outcome = replay(set_up(text, choice=choice), scale=0.05)

    (failure,) = outcome.failures
    assert failure.mismatch.headline == "client write_all did not finish its 16777216 bytes"
    assert failure.mismatch.note.endswith(" bytes still waited after 0.25 s")
