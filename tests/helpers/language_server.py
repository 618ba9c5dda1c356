"""A client of a YAML language server, as an editor has one (Language Server Protocol 3.17).

A message is JSON behind a header with its length. The client sends requests and notifications. The
server answers requests, publishes diagnostics after a document was opened, and requests the
configuration from its client; the configuration names the schema.
"""

import json
import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

DEADLINE = 30.0
INSTALLED = Path(__file__).parents[2] / ".npm/node_modules/.bin/yaml-language-server"
"""The path that `make language-server` installs the server to, in this clone."""

Json = dict[str, Any]


class LanguageServer:
    """A running server.

    Args:
        process: the server; messages go through its standard streams.
        settings: the configuration, by section.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", settings: Json) -> None:
        self._process = process
        self._settings = settings
        self._numbers = count(1)
        self._unread = b""
        self._messages: list[Json] = []
        self._selector = selectors.DefaultSelector()
        assert process.stdout is not None
        self._selector.register(process.stdout, selectors.EVENT_READ)

    def start(self, folder: Path) -> None:
        """Initialise the server for a folder."""
        capabilities = {"workspace": {"configuration": True}, "textDocument": {}}
        parameters = {"processId": os.getpid(), "rootUri": folder.as_uri()}
        self.ask("initialize", {**parameters, "capabilities": capabilities})
        self._notify("initialized", {})
        self._notify("workspace/didChangeConfiguration", {"settings": self._settings})

    def open(self, uri: str, text: str) -> list[Json]:
        """Open a document and return the server's diagnostics."""
        return self.open_all({uri: text})[uri]

    def open_all(self, documents: Mapping[str, str]) -> dict[str, list[Json]]:
        """Open documents at once and return the diagnostics of each, by URI."""
        for uri, text in documents.items():
            document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
            self._notify("textDocument/didOpen", {"textDocument": document})
        return {uri: self._diagnostics(uri) for uri in documents}

    def _diagnostics(self, uri: str) -> list[Json]:
        def wanted(message: Json) -> bool:
            published = message.get("method") == "textDocument/publishDiagnostics"
            return published and message["params"]["uri"] == uri

        diagnostics: list[Json] = self._wait_for(wanted)["params"]["diagnostics"]
        return diagnostics

    def ask_at(self, question: str, uri: str, line: int, character: int) -> Any:
        """Ask about a position of a document, such as `textDocument/hover`; both count from 0."""
        position = {"line": line, "character": character}
        return self.ask(question, {"textDocument": {"uri": uri}, "position": position})

    def ask(self, method: str, parameters: Json) -> Any:
        """Send a request and return its result."""
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": parameters})
        answer = self._wait_for(lambda message: message.get("id") == number)
        assert "error" not in answer, answer
        return answer["result"]

    def _notify(self, method: str, parameters: Json) -> None:
        self._send({"method": method, "params": parameters})

    def _send(self, message: Json) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _wait_for(self, wanted: Callable[[Json], bool]) -> Json:
        deadline = time.monotonic() + DEADLINE
        while True:
            for message in self._messages:
                if wanted(message):
                    self._messages.remove(message)
                    return message
            self._read(deadline)

    def _read(self, deadline: float) -> None:
        assert self._process.stdout is not None
        if not self._selector.select(max(0.0, deadline - time.monotonic())):
            raise TimeoutError(f"the language server did not answer; it sent {self._messages}")
        data = os.read(self._process.stdout.fileno(), 65536)
        if not data:
            raise EOFError(f"the language server ended; it sent {self._messages}")
        self._unread += data
        for message in self._complete():
            if "id" in message and "method" in message:
                self._answer(message)
            else:
                self._messages.append(message)

    def _complete(self) -> Iterator[Json]:
        while b"\r\n\r\n" in self._unread:
            header, _, rest = self._unread.partition(b"\r\n\r\n")
            size = int(header.lower().partition(b"content-length:")[2].split()[0])
            if len(rest) < size:
                return
            self._unread = rest[size:]
            yield json.loads(rest[:size])

    def _answer(self, question: Json) -> None:
        result: object = None
        if question["method"] == "workspace/configuration":
            asked = question["params"]["items"]
            result = [self._settings.get(item.get("section", ""), {}) for item in asked]
        self._send({"id": question["id"], "result": result})


@contextmanager
def yaml_language_server(schema: Path, folder: Path) -> Iterator[LanguageServer]:
    """Run the server with a schema for all YAML files; skip the test without a server."""
    command = [_installed(), "--stdio"]
    yaml = {
        "schemas": {schema.as_uri(): "*.yaml"},
        "schemaStore": {"enable": False},
        "validate": True,
        "completion": True,
        "hover": True,
    }
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=folder) as process:
        try:
            server = LanguageServer(process, {"yaml": yaml})
            server.start(folder)
            yield server
        finally:
            process.terminate()


def _installed() -> str:
    found = shutil.which("yaml-language-server")
    if INSTALLED.exists():
        found = str(INSTALLED)
    if found is None:
        pytest.skip("no yaml-language-server; install it with `make language-server`")
    return found
