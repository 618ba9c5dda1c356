"""Foreign suites in the same environment pay nothing."""

import subprocess
import sys

import pytest

HEAVY = ("yaml", "scapy", "cryptography", "OpenSSL", "asyncio", "trio", "trustme")

PROGRAM = """
import sys
import pytest

class Look:
    def pytest_sessionfinish(self):
        ours = [name for name in sys.modules if name.partition(".")[0] in {names!r}]
        print("\\nloaded:", *sorted(ours))

sys.exit(pytest.main(["-p", "sockharness.plugin", "-q", {file!r}], plugins=[Look()]))
"""


@pytest.mark.slow
def test_nothing_heavy_is_loaded_when_the_plugin_is_not_used(pytester: pytest.Pytester) -> None:
    file = pytester.makepyfile(test_plain="def test_plain(): pass")
    program = PROGRAM.format(names=("sockharness", *HEAVY), file=str(file))

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert "1 passed" in done.stdout, done.stdout + done.stderr
    loaded = next(line for line in done.stdout.splitlines() if line.startswith("loaded:")).split()
    assert not [name for name in loaded if name.partition(".")[0] in HEAVY]
    assert "sockharness.engine.reactor" not in loaded
    assert "sockharness.collector" not in loaded
