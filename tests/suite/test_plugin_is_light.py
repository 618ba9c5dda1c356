"""Foreign suites in the same environment pay nothing."""

import os
import subprocess
import sys

import pytest

HEAVY = ("yaml", "scapy", "cryptography", "OpenSSL", "asyncio", "trio", "trustme")

ALONE = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PATH": "",
    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
}

PROGRAM = """
import sys
import pytest

class Look:
    def pytest_sessionfinish(self):
        ours = [name for name in sys.modules if name.partition(".")[0] in {names!r}]
        print("\\nloaded:", *sorted(ours))

sys.exit(pytest.main(["-p", "sockharness.plugin", "-q", {file!r}], plugins=[Look()]))
"""


def _loaded(program: str) -> list[str]:
    """Run the program, whose one test has to pass; return the words of what it had loaded."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=ALONE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert "1 passed" in done.stdout, done.stdout + done.stderr
    return next(line for line in done.stdout.splitlines() if line.startswith("loaded:")).split()


@pytest.mark.slow
def test_nothing_heavy_is_loaded_when_the_plugin_is_not_used(pytester: pytest.Pytester) -> None:
    file = pytester.makepyfile(test_plain="def test_plain(): pass")
    program = PROGRAM.format(names=("sockharness", *HEAVY), file=str(file))

    loaded = _loaded(program)
    assert not [name for name in loaded if name.partition(".")[0] in HEAVY]
    assert "sockharness.engine.loop.reactor" not in loaded
    assert "sockharness.suite.collector" not in loaded


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fixture", "expected"),
    [
        ("tcp_server", []),
        ("tcp_client", []),
        ("tls_ca", ["cryptography", "trustme"]),
        ("tls_pair", ["OpenSSL", "cryptography", "trustme"]),
    ],
)
def test_cryptography_is_loaded_with_tls_only(
    pytester: pytest.Pytester, fixture: str, expected: list[str]
) -> None:
    heavy = ("cryptography", "OpenSSL", "trustme", "ssl")
    file = pytester.makepyfile(test_it=f"def test_it({fixture}): pass")
    program = PROGRAM.format(names=heavy, file=str(file))

    loaded = _loaded(program)
    assert sorted({name.partition(".")[0] for name in loaded[1:]} - {"ssl"}) == expected


@pytest.mark.slow
def test_importing_the_package_and_naming_what_has_to_do_with_tls_loads_no_cryptography() -> None:
    program = f"""
import sys, sockharness
sockharness.TlsPair, sockharness.BadCertificate, sockharness.TcpClient, sockharness.Authority
print([name for name in sys.modules if name.partition(".")[0] in {HEAVY!r}])
"""

    done = subprocess.run(
        [sys.executable, "-c", program],
        env=ALONE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stdout == "[]\n", done.stdout + done.stderr
