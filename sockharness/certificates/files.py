"""Files for programs under test: they hold secrets, so `close` removes them."""

import os
import tempfile
import threading
from pathlib import Path

from sockharness.errors import ClosedError


class PrivateFiles:
    """Files in a folder that only their owner may enter; the folder is made for the first file."""

    def __init__(self) -> None:
        self.closed = False
        self._lock = threading.Lock()
        self._paths: dict[tuple[str, bytes], str] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def path(self, name: str, data: bytes) -> str:
        """Return the path of a file with this data; write the file at the first call."""
        with self._lock:
            if self.closed:
                raise ClosedError("the authority was closed, and its files are gone")
            if (name, data) not in self._paths:
                self._paths[name, data] = self._write(name, data)
            return self._paths[name, data]

    def close(self) -> None:
        """Remove all files."""
        with self._lock:
            self.closed = True
            if self._folder is not None:
                self._folder.cleanup()

    def _write(self, name: str, data: bytes) -> str:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="sockharness-")
        path = Path(self._folder.name, f"{len(self._paths)}-{name}.pem")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
        return str(path)
