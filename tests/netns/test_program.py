import os
import signal
import subprocess
from pathlib import Path

import pytest

from sockharness.netns import Host, Network


@pytest.fixture
def host(network: Network) -> Host:
    return network.host("a")


def test_a_program_runs_in_the_hosts_namespace(host: Host) -> None:
    command = ["readlink", "/proc/self/ns/net"]

    with host.run(command, stdout=subprocess.PIPE, text=True) as program:
        output, errors = program.communicate(timeout=10)

    assert output == f"net:[{os.fstat(host.fileno()).st_ino}]\n"
    assert errors is None


def test_how_it_ended_is_told(host: Host) -> None:
    assert host.run(["sh", "-c", "exit 3"]).wait(10) == 3
    assert host.run(["sh", "-c", "kill -KILL $$"]).wait(10) == -signal.SIGKILL


def test_more_than_a_pipe_holds_goes_in_and_out_at_once(host: Host) -> None:
    data = bytes(range(256)) * 4096

    with host.run(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        output, _ = program.communicate(data, timeout=120)

    assert output == data


def test_a_program_may_leave_its_input_unread(host: Host) -> None:
    with host.run(["true"], stdin=subprocess.PIPE) as program:
        assert program.communicate(bytes(1 << 20), timeout=10) == (None, None)
        assert program.returncode == 0


def test_a_conversation_line_by_line(host: Host) -> None:
    with host.run(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        for line in ("one\n", "two\n"):
            program.stdin.write(line)
            program.stdin.flush()
            assert program.stdout.readline() == line


def test_it_has_the_environment_and_the_folder_it_is_given(host: Host, tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", 'echo "$COLOUR" "$(pwd -P)"; ls -1 /proc/self/fd | wc -l']
    environment = {"COLOUR": "grün", "PATH": os.environ["PATH"]}

    with host.run(
        command, stdout=subprocess.PIPE, env=environment, cwd=tmp_path, text=True
    ) as program:
        first, descriptors = program.communicate(timeout=10)[0].splitlines()

    assert first == f"grün {tmp_path.resolve()}"
    assert int(descriptors) == 4  # 0, 1, 2 and the one with which ls reads


def test_streams_go_where_they_are_sent(host: Host, tmp_path: Path) -> None:
    command = ["sh", "-c", "echo out; echo err >&2; cat"]

    with (tmp_path / "log").open("w+b") as log:
        host.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log.fileno()).wait(10)
        log.seek(0)
        assert log.read() == b"out\nerr\n"
    with host.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as program:
        assert program.communicate(timeout=10) == (b"out\nerr\n", None)


def test_signals_reach_it_and_their_handling_is_the_default(host: Host) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        with host.run(["cat"], stdin=subprocess.PIPE) as program:
            assert program.poll() is None
            program.send_signal(number)
            assert program.wait(10) == -number
            program.kill()  # nobody is there; nothing happens


def test_its_pid_is_the_one_that_this_process_sees(host: Host) -> None:
    with host.run(["cat"], stdin=subprocess.PIPE) as program:
        assert os.stat(f"/proc/{program.pid}/ns/net").st_ino == os.fstat(host.fileno()).st_ino
        program.terminate()


def test_waiting_ends_at_the_time_out_with_what_was_said(host: Host) -> None:
    command = ["sh", "-c", "echo soon; exec cat"]
    with host.run(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline() == "soon\n"

        with pytest.raises(subprocess.TimeoutExpired):
            program.wait(0.01)

        program.stdin.close()
        assert program.wait(10) == 0


def test_what_was_said_before_the_time_out_is_in_the_exception(host: Host) -> None:
    reading, writing = os.pipe()
    ready, said = os.pipe()
    with (
        open(reading, "rb") as stdin,
        open(writing, "wb"),
        open(ready, "rb") as ready_to_read,
        open(said, "wb") as stderr,
        host.run(
            ["sh", "-c", "echo soon; echo said >&2; exec cat"],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as program,
    ):
        assert ready_to_read.readline() == b"said\n"
        with pytest.raises(subprocess.TimeoutExpired) as caught:
            program.communicate(timeout=0.1)
        program.kill()

    assert caught.value.output == b"soon\n"


@pytest.mark.parametrize("command", ["no-such-program", "./no-such-program", "/no/such/program"])
def test_a_program_that_is_not_there_is_an_error_with_its_name(host: Host, command: str) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        host.run([command], stdout=subprocess.PIPE)

    assert caught.value.filename == command


def test_a_file_that_cannot_be_run_and_a_folder_that_is_not_there(
    host: Host, tmp_path: Path
) -> None:
    (tmp_path / "plain").write_text("text")

    with pytest.raises(PermissionError):
        host.run([tmp_path / "plain"])
    with pytest.raises(FileNotFoundError):
        host.run(["true"], cwd=tmp_path / "gone")

    assert host.run(["true"]).wait(10) == 0


def test_a_repr_tells_what_runs(host: Host) -> None:
    with host.run(["cat"], stdin=subprocess.PIPE) as program:
        assert repr(program) == f"<Program cat pid={program.pid} runs>"
        program.kill()
        program.wait(10)
        assert repr(program) == f"<Program cat pid={program.pid} returncode=-9>"
