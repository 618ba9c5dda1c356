"""1,000 echo specs beside 1,000 hand-written asyncio tests of the same exchange.

Both are measured in two layouts: one file per spec or test, and all in one file (the cases of one
spec, the functions of one module). The times are those of whole runs of pytest, start included.
"""

from pathlib import Path

from benchmarks.measure import interleaved, pytest_command

SPEC = """\
sockspec: 1
name: an echo
peers:
  server: {tcp: {listen: loopback}, on: {data: [echo]}}
  client: {tcp: {connect: server}}
exchange:
  - client -> server: "PING\\r\\n"
  - server -> client: "PING\\r\\n"
"""
HEAD = """\
import asyncio

async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()

async def converse():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"PING\\r\\n")
        assert await asyncio.wait_for(reader.readexactly(6), 5) == b"PING\\r\\n"
        writer.close()
        await writer.wait_closed()
"""
CASES = SPEC.replace("peers:", "let: {line: x}\ncases:\n{cases}peers:").replace(
    '"PING\\r\\n"', "$line"
)
CASE = """  case-{number}: {{line: "PING\\r\\n"}}
"""
TEST = """
def test_echo_{number}():
    asyncio.run(converse())
"""


def measure(folder: Path, *, count: int, rounds: int) -> dict[str, object]:
    """Return the seconds of each of the four runs."""
    specs, files, one = folder / "specs", folder / "files", folder / "test_one.py"
    specs.mkdir()
    files.mkdir()
    for number in range(count):
        (specs / f"echo-{number}.yaml").write_text(SPEC)
        (files / f"test_echo_{number}.py").write_text(HEAD + TEST.format(number=number))
    cases = "".join(CASE.format(number=number) for number in range(count))
    whole = folder / "echo.yaml"
    whole.write_text(CASES.replace("{cases}", cases))
    one.write_text(HEAD + "".join(TEST.format(number=number) for number in range(count)))
    seconds = interleaved(
        {
            "specs, a file each": pytest_command("--sockspec", str(specs)),
            "asyncio, a file each": pytest_command(str(files), plugin=False),
            "specs, one file": pytest_command("--sockspec", str(whole)),
            "asyncio, one file": pytest_command(str(one), plugin=False),
        },
        folder,
        rounds=rounds,
    )
    return {"tests": count, "seconds": seconds}
