"""The special rules of unix sockets (TCP-191..198)."""

import os
from pathlib import Path

import pytest

from sockharness.engine.loop.reactor import Reactor
from sockharness.engine.streams import connect, listen
from sockharness.errors import code_of
from tests.helpers.conversation import DEADLINE, Talk


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, so that paths are relative and have a known length."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.shows("TCP-191")
def test_a_relative_path_works_on_both_sides(reactor: Reactor, folder: Path) -> None:
    talk = Talk(reactor, unix="s")
    assert talk.log.trace() == "s.open c.open"
    assert (folder / "s").is_socket()

    talk.client.end("hi")

    assert talk.trace() == "s.open c.open c.close(None) s.data(hi) s.end s.close(None)"


@pytest.mark.shows("TCP-194")
@pytest.mark.parametrize("close_active", [False, True])
def test_every_stop_removes_the_path(reactor: Reactor, folder: Path, close_active: bool) -> None:
    listener = listen(socket={"data": print}, unix="s", reactor=reactor)

    listener.stop(close_active)

    assert not (folder / "s").exists()
    listener.stop(True)


@pytest.mark.shows("TCP-195")
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("length", [1, 107])
def test_a_path_of_up_to_107_bytes_is_used_as_it_is(reactor: Reactor, length: int) -> None:
    path = "x" * length

    talk = Talk(reactor, unix=path)

    assert talk.listener.unix == path
    talk.client.write("x")
    assert talk.trace().endswith("s.data(x)")


@pytest.mark.shows("TCP-195")
@pytest.mark.usefixtures("folder")
def test_a_path_that_is_longer_works_by_its_directory(reactor: Reactor) -> None:
    directory = "/".join(["d" * 100] * 8)
    os.makedirs(directory)
    path = f"{directory}/{'x' * 80}"

    talk = Talk(reactor, unix=path)

    talk.client.write("x")
    assert talk.trace().endswith("s.data(x)")
    assert talk.listener.unix == path
    talk.listener.stop()
    assert not os.path.exists(path)


@pytest.mark.shows("TCP-195")
@pytest.mark.usefixtures("folder")
def test_a_last_component_that_is_too_long_is_einval_on_both_sides(reactor: Reactor) -> None:
    path = "x" * 108

    with pytest.raises(OSError, match=r"too long, 108 bytes of at most [89][0-9]") as listening:
        listen(socket={"data": print}, unix=path, reactor=reactor)
    with pytest.raises(OSError, match=r"too long, 108 bytes of at most [89][0-9]") as connecting:
        connect(socket={"data": print}, unix=path, reactor=reactor).result(DEADLINE)

    assert code_of(listening.value) == code_of(connecting.value) == "EINVAL"


@pytest.mark.shows("TCP-197")
def test_half_open_works_for_shutdown(reactor: Reactor, folder: Path) -> None:
    talk = Talk(reactor, unix=str(folder / "s"), listen_options={"allow_half_open": True})
    talk.settle()
    talk.log.clear()
    talk.client.shutdown()
    talk.settle()

    talk.server.write("late")
    talk.settle()
    talk.server.end()

    assert talk.trace() == "s.end c.data(late) s.close(None) c.close(None)"
