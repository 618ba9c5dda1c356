"""This process's end of the owner of namespaces: start it, ask it, end it (`owner.py`)."""

import errno
import marshal
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sockharness.errors import ClosedError, Unavailable, with_code

_PROGRAM = Path(__file__).with_name("owner.py")
_PATIENCE = 10.0  # seconds; the owner answers in less than a millisecond
_MESSAGE = 1 << 16
_DESCRIPTORS = 1


class Owner:
    """A running owner; made by `start`. Threads may share it: a request waits for the other's."""

    __slots__ = ("_control", "_lock", "_process")

    def __init__(self, process: "subprocess.Popen[bytes]", control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._lock = threading.Lock()

    @classmethod
    def start(cls) -> "Owner":
        """Start one in a new user namespace, or else, if this is root, without one.

        Raises:
            Unavailable: both are forbidden; the text says why.
        """
        try:
            return cls._start("user")
        except OSError as error:
            reason = _why_no_user_namespace(error)
        if os.geteuid() == 0:
            try:
                return cls._start("root")
            except OSError as error:
                reason += f"; nor may this root make one by itself: {error}"
        raise Unavailable(f"network namespaces need {reason}")

    @classmethod
    def _start(cls, mode: str) -> "Owner":
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control.settimeout(_PATIENCE)
        parent = os.pidfd_open(os.getpid())
        try:
            process = subprocess.Popen(
                # Isolated and without site: it needs no more, and starts in half the time.
                [sys.executable, "-I", "-S", _PROGRAM, mode, str(theirs.fileno()), str(parent)],
                pass_fds=(theirs.fileno(), parent),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        except BaseException:
            control.close()
            raise
        finally:
            theirs.close()
            os.close(parent)
        owner = cls(process, control)
        try:
            owner._receive()
        except BaseException:
            owner.close()
            raise
        return owner

    def __repr__(self) -> str:
        return f"<Owner {'closed' if self.closed else f'pid={self.pid}'}>"

    @property
    def pid(self) -> int:
        """Return the number of the process."""
        return self._process.pid

    @property
    def closed(self) -> bool:
        """Return whether `close` was called."""
        return self._control.fileno() < 0

    def ask(self, *request: Any, descriptors: Sequence[int] = ()) -> int:
        """Send a request with descriptors; return the descriptor in the answer.

        The caller still owns the descriptors that it sends.

        Raises:
            ClosedError: the network was closed, or its owner was killed.
            OSError: the owner's system call failed.
        """
        with self._lock:
            if self.closed:
                raise ClosedError("this network is closed")
            try:
                socket.send_fds(self._control, [marshal.dumps(request)], descriptors)
            except BrokenPipeError:
                raise _gone() from None
            (descriptor,) = self._receive()
            return descriptor

    def close(self) -> None:
        """End the owner and all programs inside; return when they have ended."""
        with self._lock:
            self._control.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()  # and the kernel kills the rest
            self._process.wait()

    def _receive(self) -> list[int]:
        # Not socket.recv_fds, which drops its flags in some versions of Python.
        try:
            answer, ancillary, _, _ = self._control.recvmsg(
                _MESSAGE, socket.CMSG_SPACE(_DESCRIPTORS * 4), socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:
            raise _gone() from None
        if not answer:
            raise _gone()
        number, what = marshal.loads(answer)
        if number:
            raise with_code(OSError(number, os.strerror(number), what))
        return [number for item in ancillary for (number,) in struct.iter_unpack("i", item[2])]


def _gone() -> ClosedError:
    return ClosedError("the owner of this network's namespaces was ended by somebody else")


def _why_no_user_namespace(error: OSError) -> str:
    remedy = {
        errno.EPERM: "which is forbidden here: see the settings kernel.unprivileged_userns_clone "
        "and kernel.apparmor_restrict_unprivileged_userns, or a container's seccomp profile",
        errno.EACCES: "whose set-up is forbidden here: see the rules of AppArmor or SELinux",
        errno.ENOSPC: "of which there are too many: see the settings user.max_user_namespaces, "
        "user.max_net_namespaces and user.max_pid_namespaces",
        errno.ENOSYS: "which this kernel does not have",
        errno.EINVAL: "which this kernel does not have",
    }.get(error.errno or 0, "which failed")
    return f"a user namespace, {remedy} ({error}); or run as root"
