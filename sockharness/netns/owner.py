"""The program that owns a network's namespaces: it makes sockets and processes inside them.

The parent is a pytest with threads, and a process with threads cannot enter a user namespace
(user_namespaces(7)). A test runner should stay in its namespace, too. So this program enters it at
the parent's request and returns descriptors. A socket stays in the namespace in which it was made.

Two processes run this file:

1. The first leaves the parent's namespaces, which for a PID namespace takes effect with the next
   child (pid_namespaces(7)). It forks that child, waits for its end, and ends likewise.
2. The child is process 1 of the new PID namespace. It serves requests until its socket says EOF or
   the parent's pidfd says that the parent is gone: a descriptor that leaked into some other process
   cannot keep it alive. When process 1 ends, for whatever reason, the kernel kills all processes
   started inside. With the last process and descriptor the namespaces and interfaces are gone.

It is started once per network, so it imports only built-in modules and ctypes. ctypes is needed
because Python 3.11 lacks unshare and setns. It has one process and one thread. Its only state is
the list of namespaces and the pipes of running programs.

A request is `marshal`ed (both ends are one interpreter) in one message, with descriptors beside it:

| request | descriptors | answer |
|---|---|---|
| `("namespace",)` | | a namespace's descriptor; namespaces are counted from 0 |
| `("socket", namespace, family, type, proto)` | | the socket |
| `("run", namespace, path, args, env, cwd)` | stdin, stdout, stderr, status pipe | a pidfd |

An answer is `(0, "")`, or `(errno, what failed)`. When a program ends, its wait status is written
to its status pipe as a decimal number.
"""

import _socket
import ctypes
import marshal
import os
import select
import struct
import sys

TYPE_CHECKING = False  # as in typing, whose import costs as much as all of these
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable
else:
    import _signal

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1

_MESSAGE = 1 << 20
_DESCRIPTORS = 4
_NAMESPACE = "/proc/self/ns/net"

# A terminal sends these to everybody; the owner ends when its parent does, and not before.
_LEFT_TO_THE_PARENT = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP)
# What a program finds as it is by default: those, and what an interpreter ignores.
_RESET = (*_LEFT_TO_THE_PARENT, _signal.SIGPIPE, _signal.SIGXFSZ)

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Enter the namespaces (`user` or `root`, in the arguments), and serve."""
    mode, control, parent = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for number in (control, parent):
        os.set_inheritable(number, False)  # noqa: FBT003 - nothing for programs inside
    sock = _socket.socket(fileno=control)
    for number in _LEFT_TO_THE_PARENT:
        _signal.signal(number, _signal.SIG_IGN)
    try:
        _leave(user=mode == "user")
    except OSError as error:
        _answer(sock, error)
        return
    child = os.fork()
    if not child:
        _libc.prctl(_PR_SET_PDEATHSIG, _signal.SIGKILL)
        try:  # noqa: SIM105 - contextlib would be one more import
            _Owner(sock, parent).serve()
        except ConnectionError:
            pass  # the parent was killed in the midst of a request
        os._exit(0)
    sock.close()  # so that its end is the child's end
    os.waitpid(child, 0)
    os._exit(0)  # at once: the parent waits for it


def _leave(*, user: bool) -> None:
    """Leave the parent's namespaces; in a new user namespace be its root, which may do all there.

    A user namespace maps one user only, so it needs no password and no right.
    """
    uid, gid = os.geteuid(), os.getegid()
    flags = _CLONE_NEWPID | _CLONE_NEWNET
    _call("unshare", flags | _CLONE_NEWUSER if user else flags)
    if user:
        # Without it a group could be dropped that was there to deny something (CVE-2014-8989).
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {uid} 1")
        _write("/proc/self/gid_map", f"0 {gid} 1")


class _Owner:
    """The server: the namespaces, as descriptors, and the pipes of the programs that run."""

    def __init__(self, sock: _socket.socket, parent: int) -> None:
        self._socket = sock
        self._parent = parent
        self._namespaces: list[int] = []
        self._programs: dict[int, int] = {}
        self._requests: dict[str, Callable[..., list[int]]] = {
            "namespace": self._namespace,
            "socket": self._make_socket,
            "run": self._run,
        }

    def serve(self) -> None:
        """Answer requests until the parent is gone or has closed its end."""
        ended, wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        _signal.signal(_signal.SIGCHLD, _ignore)
        _signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        poll = select.poll()
        for number in (self._socket.fileno(), self._parent, ended):
            poll.register(number, select.POLLIN)
        _answer(self._socket)
        while True:
            ready = {number for number, _ in poll.poll()}
            if self._parent in ready:
                return
            if ended in ready:
                os.read(ended, 4096)
                self._reap()
            if self._socket.fileno() in ready and not self._serve_one():
                return

    def _serve_one(self) -> bool:
        data, ancillary, _, _ = self._socket.recvmsg(
            _MESSAGE, _socket.CMSG_SPACE(_DESCRIPTORS * 4), _socket.MSG_CMSG_CLOEXEC
        )
        if not data:
            return False
        received = [number for item in ancillary for (number,) in struct.iter_unpack("i", item[2])]
        name, *arguments = marshal.loads(data)
        try:
            made = self._requests[name](*arguments, received)
        except OSError as error:
            _answer(self._socket, error)
            made = []
        else:
            _answer(self._socket, descriptors=made)
        for number in received + made:
            os.close(number)
        return True

    def _namespace(self, _: list[int]) -> list[int]:
        if self._namespaces:  # the first was made when the parent's were left
            _call("unshare", _CLONE_NEWNET)
        self._namespaces.append(os.open(_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC))
        return [os.dup(self._namespaces[-1])]

    def _make_socket(
        self, namespace: int, family: int, kind: int, proto: int, _: list[int]
    ) -> list[int]:
        self._enter(namespace)
        return [_socket.socket(family, kind, proto).detach()]

    def _run(
        self,
        namespace: int,
        path: str,
        args: list[bytes],
        env: dict[bytes, bytes],
        cwd: str,
        received: list[int],
    ) -> list[int]:
        """Start a program; it inherits its parent's namespace, so the owner enters that first."""
        self._enter(namespace)
        os.chdir(cwd)
        *stdio, status = received
        pid = os.posix_spawn(
            path,
            args,
            env,
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in enumerate(stdio)],
            setsigdef=_RESET,
        )
        self._programs[pid] = os.dup(status)
        return [os.pidfd_open(pid)]

    def _enter(self, namespace: int) -> None:
        _call("setns", self._namespaces[namespace], _CLONE_NEWNET)

    def _reap(self) -> None:
        """Collect ended programs and their orphans, since this is process 1."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            pipe = self._programs.pop(pid, None)
            if pipe is not None:
                _tell(pipe, status)


def _tell(pipe: int, status: int) -> None:
    try:
        os.write(pipe, b"%d" % status)
    except BrokenPipeError:
        pass  # nothing reads the exit status any more
    finally:
        os.close(pipe)


def _answer(
    sock: _socket.socket, error: OSError | None = None, *, descriptors: list[int] | None = None
) -> None:
    answer = (error.errno, error.filename or error.strerror) if error else (0, "")
    ancillary: list[tuple[int, int, bytes]] = []
    if descriptors:
        rights = struct.pack(f"{len(descriptors)}i", *descriptors)
        ancillary.append((_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights))
    sock.sendmsg([marshal.dumps(answer)], ancillary)


def _call(name: str, *arguments: int) -> None:
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _ignore(*_: object) -> None:
    """Ignore a signal: the wake-up descriptor reports it."""


if __name__ == "__main__":
    main()
