"""`ref` and `unref` decide whether `run()` goes on (TCP-166..169); each test runs a program.

Each program starts a timer that does not keep `run()` going. The timer fires only if something
else does; it reports this and releases it.
"""

from pathlib import Path

import pytest

from tests.helpers.programs import run_program

PROGRAM = """\
import gc, socket as raw
import sockharness

handlers = {"data": print}
reactor = sockharness.Reactor.current()
listener = sockharness.listen(socket=handlers, hostname="127.0.0.1", port=0)

def accept():
    client = raw.create_connection(("127.0.0.1", listener.port))
    assert reactor.run_until(lambda: listener.connections, 5)
    return client, listener.connections[0]

def connect(**options):
    server = raw.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    made = sockharness.connect(socket=handlers, hostname="127.0.0.1", port=port, **options)
    return server, made.result(5)

def saturated():
    server = raw.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(0)
    for _ in range(2):
        waiting = raw.socket()
        waiting.settimeout(0)
        waiting.connect_ex(server.getsockname())
        kept.append(waiting)
    kept.append(server)
    return server.getsockname()[1]

kept = []

%s

def let_go():
    print("held")
    release()

reactor.call_later(0.05, let_go).unref()
sockharness.run()
print("done")
for each in kept:
    each.close()
reactor.close()
"""

KEEPS = {
    "a listener": "release = listener.stop",
    "a listener behind unref, unref, ref": """
listener.unref(); listener.unref(); listener.ref()
release = listener.unref""",
    "a listener that nobody holds": """
release = listener.stop
del listener
gc.collect()""",
    "an accepted socket behind listener.unref": """
theirs, accepted = accept()
kept.append(theirs)
listener.unref()
release = accepted.unref""",
    "an accepted socket behind listener.stop": """
theirs, accepted = accept()
listener.stop()
release = theirs.close""",
    "a client": """
listener.stop()
server, client = connect()
kept.append(server)
release = client.end""",
    "a client behind unref, ref": """
listener.stop()
server, client = connect()
kept.append(server)
client.unref(); client.unref(); client.ref()
release = client.unref""",
    "a paused client": """
listener.stop()
server, client = connect(pause_on_connect=True)
kept.append(server)
release = client.end""",
    "a client that has shut down": """
listener.stop()
server, client = connect()
kept.append(server)
client.shutdown()
release = client.close""",
    "a client with a time-out": """
listener.stop()
server, client = connect()
kept.append(server)
client.timeout(1000)
release = client.close""",
    "a connect that is pending": """
listener.stop()
connecting = sockharness.connect(socket=handlers, hostname="127.0.0.1", port=saturated())
release = connecting.cancel""",
}

LETS_GO = {
    "a listener behind unref": "listener.unref()",
    "a stopped listener": "listener.stop()",
    "a stopped listener behind ref": "listener.stop(); listener.ref()",
    "an accepted socket behind unref": """
theirs, accepted = accept()
kept.append(theirs)
listener.unref()
accepted.unref()""",
    "a client behind unref": """
listener.stop()
server, client = connect()
kept.append(server)
client.unref()""",
    "a closed client behind ref": """
listener.stop()
server, client = connect()
kept.append(server)
client.end()
client.ref()""",
    "a time-out of a client behind unref": """
listener.stop()
server, client = connect()
kept.append(server)
client.timeout(1000)
client.unref()""",
}


@pytest.mark.slow
@pytest.mark.shows("TCP-100", "TCP-166", "TCP-167", "TCP-168", "TCP-169")
@pytest.mark.parametrize("what", KEEPS)
def test_run_is_kept_going_by(what: str) -> None:
    ended = run_program(PROGRAM % KEEPS[what])

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "held\ndone\n", "")


@pytest.mark.slow
@pytest.mark.shows("TCP-166", "TCP-167", "TCP-168")
@pytest.mark.parametrize("what", LETS_GO)
def test_run_is_not_kept_going_by(what: str) -> None:
    ended = run_program(PROGRAM % LETS_GO[what])

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


EXITS = """\
import sys
import sockharness
listener = sockharness.listen(socket={"data": print}, unix=sys.argv[1])
sockharness.Reactor.current().run_once(0)
"""


@pytest.mark.slow
@pytest.mark.shows("TCP-194")
def test_a_process_that_just_exits_leaves_its_socket_file(tmp_path: Path) -> None:
    path = tmp_path / "s"

    ended = run_program(EXITS, str(path))

    assert ended.returncode == 0
    assert path.is_socket()
