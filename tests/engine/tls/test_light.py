"""A program without TLS does not load the TLS modules."""

import subprocess
import sys

PLAIN = """
import sys
import sockharness

listener = sockharness.listen(
    socket={"data": lambda socket, data: socket.end(data)}, hostname="127.0.0.1", port=0
)
sockharness.connect(
    socket={
        "open": lambda socket: socket.write(b"x"),
        "data": lambda *_: None,
        "close": lambda *_: listener.stop(),
    },
    hostname="127.0.0.1",
    port=listener.port,
)
sockharness.run()
sockharness.TLSError, sockharness.TLSOptions
print([name for name in ("OpenSSL", "cryptography", "ssl", "_cffi_backend") if name in sys.modules])
"""


def test_plain_sockets_load_no_cryptography() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PLAIN], capture_output=True, text=True, check=True, timeout=120
    )

    assert done.stdout.strip() == "[]"
