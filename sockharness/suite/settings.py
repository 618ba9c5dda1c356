"""The options of a run. The command line goes before the environment, that before the ini file.

Each setting is one row of `SETTINGS`. Its name gives its option, its ini name (the same with
underscores) and its environment variable (`SOCKHARNESS_` and the name without `sock`).
"""

import os
from typing import TYPE_CHECKING, Any, Literal

import pytest

from sockharness.record import record

if TYPE_CHECKING:
    from sockharness.drivers.choice import EngineChoice
    from sockharness.machine.policy import Policy


@record
class Setting:
    """One option of a run."""

    name: str
    metavar: str
    help: str
    choices: tuple[str, ...] = ()
    default: str = ""
    many: bool = False

    @property
    def option(self) -> str:
        """Its name on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return "SOCKHARNESS_" + self.name.removeprefix("sock_").upper()


SETTINGS = (
    Setting(
        "sock_engine",
        "NAME[,NAME]",
        "the engine of the peers of specs: sockharness (default) or bun; sockharness,bun runs each "
        "spec on both, server:bun,client:sockharness mixes them (repeatable)",
        many=True,
    ),
    Setting("sock_bun", "PATH", "the Bun program; without this, the one on PATH"),
    Setting(
        "sock_bun_missing",
        "WHAT",
        "what to do with items that need Bun if there is none: skip (default) or fail",
        choices=("skip", "fail"),
        default="skip",
    ),
    Setting(
        "sock_timeout_scale",
        "F",
        "multiply every time limit by F; 2 or more on a slow machine",
        default="1",
    ),
    Setting(
        "sock_allow_net",
        "CIDR[:PORTS]",
        "let specs connect to a network other than loopback (repeatable)",
        many=True,
    ),
    Setting(
        "sock_capture",
        "WHEN",
        "capture frames if a spec or fixture asks for it (auto, the default), or never (off)",
        choices=("auto", "off"),
        default="auto",
    ),
    Setting(
        "sock_capture_missing",
        "WHAT",
        "what to do with tests that need a capture if none is possible: skip (default) or fail",
        choices=("skip", "fail"),
        default="skip",
    ),
)


def add_options(parser: pytest.Parser) -> None:
    """Add the options and ini names."""
    group = parser.getgroup("sockharness", "sockets: specs and fixtures")
    group.addoption(
        "--sockspec",
        action="append",
        default=[],
        metavar="PATH",
        help="collect the specs (*.yaml, *.yml) of a file or folder (repeatable); "
        "without other arguments run nothing else",
    )
    parser.addini(
        "sockspec_paths",
        "files or folders with specs to collect if the command line names nothing",
        type="paths",
    )
    for setting in SETTINGS:
        extra: dict[str, Any] = {"choices": setting.choices} if setting.choices else {}
        action = "append" if setting.many else "store"
        group.addoption(
            setting.option,
            action=action,
            metavar=setting.metavar,
            help=setting.help,
            dest=setting.name,
            default=None,
            **extra,
        )
        kind: Literal["args", "string"] = "args" if setting.many else "string"
        parser.addini(setting.name, setting.help, type=kind, default=None)


def check_choices(config: pytest.Config) -> None:
    """Read each setting that has choices, so that a wrong one is reported before the run.

    Raises:
        pytest.UsageError: with its source and the choices.
    """
    for setting in SETTINGS:
        if setting.choices:
            value(config, setting.name)


def value(config: pytest.Config, name: str) -> str:
    """Return a setting that has one value.

    Raises:
        pytest.UsageError: it came from the environment or the ini file, and is no choice.
    """
    setting = next(setting for setting in SETTINGS if setting.name == name)
    given = config.getoption(name)
    if given is None:  # an empty option was given all the same, an empty variable was not
        given = os.environ.get(setting.variable) or config.getini(name) or setting.default
    text = str(given)
    if setting.choices and text not in setting.choices:
        expected = ", ".join(setting.choices)
        raise pytest.UsageError(f"{source(config, name)}: expected one of {expected}, got {text!r}")
    return text


def values(config: pytest.Config, name: str) -> list[str]:
    """Return a setting that may have several values."""
    setting = next(setting for setting in SETTINGS if setting.name == name)
    environment = os.environ.get(setting.variable, "").split()
    return list(config.getoption(name) or environment or config.getini(name) or ())


def source(config: pytest.Config, name: str) -> str:
    """Return the source of a setting, for a message; empty if it is the default."""
    setting = next(setting for setting in SETTINGS if setting.name == name)
    if config.getoption(name) is not None:
        return setting.option
    if os.environ.get(setting.variable):
        return setting.variable
    if not config.getini(name):
        return ""
    return f"{name} in {config.inipath.name}" if config.inipath else name


_policy = pytest.StashKey["Policy"]()
_scale = pytest.StashKey[float]()


def policy(config: pytest.Config) -> "Policy":
    """Return the networks that specs may reach; read once a run.

    Raises:
        pytest.UsageError: `--sock-allow-net` is wrong.
    """
    if _policy not in config.stash:
        config.stash[_policy] = _read_policy(config)
    return config.stash[_policy]


def _read_policy(config: pytest.Config) -> "Policy":
    from sockharness.errors import UsageError
    from sockharness.machine.policy import Policy

    try:
        return Policy.parse(values(config, "sock_allow_net"))
    except UsageError as error:
        raise pytest.UsageError(f"{source(config, 'sock_allow_net')}: {error}") from None


def choices(config: pytest.Config) -> "tuple[EngineChoice, ...]":
    """Return the engine choices of the run.

    Raises:
        pytest.UsageError: `--sock-engine` is wrong.
    """
    from sockharness.drivers.choice import choices as parse
    from sockharness.errors import UsageError

    try:
        return parse(values(config, "sock_engine"))
    except UsageError as error:
        raise pytest.UsageError(f"{source(config, 'sock_engine')}: {error}") from None


def pasted_choices(config: pytest.Config) -> "tuple[EngineChoice, ...]":
    """Return the engine choices in the ids on the command line.

    So an id that was copied from a run with `--sock-engine` works without it.
    """
    from sockharness.drivers.choice import choices as parse
    from sockharness.drivers.choice import choices_of_id

    named = [choices_of_id(argument) for argument in config.args if "::" in argument]
    return parse(filter(None, named)) if any(named) else ()


def runs_bun(config: pytest.Config) -> bool:
    """Return whether Bun plays a peer of any spec, by the option or by an id."""
    asked = any("bun" in text for text in values(config, "sock_engine"))
    if not asked and not any("::" in argument for argument in config.args):
        return False
    return any("bun" in each.names for each in (*choices(config), *pasted_choices(config)))


def timeout_scale(config: pytest.Config) -> float:
    """Return the factor for every time limit; read once a run.

    Raises:
        pytest.UsageError: it is no number from 0.001 to 1000.
    """
    if _scale not in config.stash:
        config.stash[_scale] = _read_scale(config)
    return config.stash[_scale]


def _read_scale(config: pytest.Config) -> float:
    text = value(config, "sock_timeout_scale")
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0.001 <= scale <= 1000:
        raise pytest.UsageError(
            f"{source(config, 'sock_timeout_scale')}: expected a number from 0.001 to 1000, "
            f"got {text!r}"
        )
    return scale


def capture_reason(config: pytest.Config) -> str:
    """Return why frames cannot be captured in this run; empty if they can."""
    if value(config, "sock_capture") == "off":
        return "captures are off (--sock-capture=off)"
    from sockharness.machine import probes

    return probes.capture()
