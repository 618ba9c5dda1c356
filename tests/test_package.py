"""The installed package is complete."""

import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_wheel_holds_the_types_the_entry_point_and_the_licence(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )

    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = [name for name in names if name.endswith("entry_points.txt")]
        parser = configparser.ConfigParser()
        parser.read_string(archive.read(entry_points).decode())
    hosts = {f"sockharness/drivers/bun/host{part}.ts" for part in ("", "_play", "_tls", "_udp")}
    assert {"sockharness/py.typed", "sockharness/sockspec/sockspec-1.schema.json", *hosts} <= set(
        names
    )
    assert parser["pytest11"] == {"sockharness": "sockharness.plugin"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "specs/", "benchmarks/"))]


def test_every_public_name_can_be_had_and_every_name_is_listed() -> None:
    import sockharness

    for name in sockharness.__all__:
        assert getattr(sockharness, name) is not None
    assert dir(sockharness) == sockharness.__all__
    with pytest.raises(AttributeError, match="no attribute 'listne'"):
        _ = sockharness.listne


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("udpSocket", "; did you mean 'udp_socket'?"),
        ("arrayBufferSink", "; did you mean 'ArrayBufferSink'?"),
        ("listne", "; did you mean 'listen'?"),
        ("xyzzy", ""),
        ("__path_of_no_one__", ""),
    ],
)
def test_an_unknown_name_gets_a_suggestion(name: str, told: str) -> None:
    import sockharness

    with pytest.raises(AttributeError) as raised:
        getattr(sockharness, name)

    assert str(raised.value) == f"module 'sockharness' has no attribute {name!r}{told}"


@pytest.mark.parametrize(
    "target", ["specs", "test", "test-xdist", "test-all", "check", "fix", "bench", "fuzz"]
)
def test_a_target_of_make_runs_in_another_environment(target: str, tmp_path: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("no make on PATH")
    elsewhere = tmp_path / "another"

    done = subprocess.run(
        ["make", "--dry-run", target, f"VENV={elsewhere}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert str(elsewhere) in done.stdout
    assert ".venv" not in done.stdout
