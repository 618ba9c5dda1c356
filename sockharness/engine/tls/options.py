"""The options of TLS, and their checks before anything is opened.

`TLSOptions` holds the given options. `checked` makes `Checked` of it or of a mapping: files are
read, types and values looked at. Whether key, certificate and the like fit together is found when
the context is built, also inside the call. Nothing here loads cryptography.

A mapping means TLS, also an empty one (D19). For names that Bun spells in camel case a hint says
how they are spelled here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sockharness.engine import options
from sockharness.engine.tls import material
from sockharness.engine.tls.material import Material
from sockharness.nearest import nearest

# RFC 7301: a name has 1 to 255 bytes, the list of all with their lengths at most 65535.
_LONGEST_PROTOCOL = 255
_LONGEST_LIST = 65535
_VERSIONS = range(0x0301, 0x0305)
# What only one side can have, and what the other may have meant by it.
_OF_CLIENTS = {
    "server_name": "; a listener has certificates by name in sni",
    "session": "",
}
_OF_SERVERS = {
    "sni": "; a client asks for a name by server_name",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSOptions:
    """The options of TLS, for `tls=` of `listen`, `connect` and `upgrade_tls`.

    Its `repr` leaves out all that may hold a private key.

    Args:
        key, cert: private keys and certificate chains, PEM; see `material`.
        ca: the authorities to trust in place of the system's store (TLS-026).
        crl: revocation lists; they have to cover the whole chain (TLS-035).
        passphrase: of encrypted keys.
        server_name: a client's name to ask for and to check; else the host of `connect` (TLS-019).
        request_cert: a server asks for the client's certificate.
        reject_unauthorized: refuse a peer whose certificate is not good.
        alpn_protocols: names, the preferred first; a server's order decides (TLS-076, D21).
        min_version, max_version: as `ssl.TLSVersion`, 0x0303 is TLS 1.2; 1.2 to 1.3 if absent.
        ciphers: OpenSSL's list for TLS 1.2 and below; `TLS_…` names choose those of TLS 1.3 (D42).
        session: of a client's earlier connection, to be resumed.
        sni: a server's other key and certificate by name: `{"a.example": {"key": …, "cert": …}}`;
            `*.example` matches one label (D22).
    """

    key: Material = field(default=None, repr=False)
    cert: Material = field(default=None, repr=False)  # the key may be in the same text
    ca: Material = field(default=None, repr=False)
    crl: Material = field(default=None, repr=False)
    passphrase: str | bytes | None = field(default=None, repr=False)
    server_name: str | None = None
    request_cert: bool = False
    reject_unauthorized: bool = True
    alpn_protocols: Sequence[str] | None = None
    min_version: int | None = None
    max_version: int | None = None
    ciphers: str | None = None
    session: Any = None
    sni: Mapping[str, Any] | None = field(default=None, repr=False)


NAMES = tuple(each.name for each in fields(TLSOptions))
_NAMES_IN_SNI = ("key", "cert", "passphrase")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Options that were checked, with files read; hashable, so that contexts can be kept.

    Attributes:
        alpn: the names as bytes.
        session: a `ResumableSession` or `None`; not part of what a context is made of.
        sni: name or pattern, as `ascii_name` makes it, and what is served under it.
    """

    key: tuple[bytes, ...] = field(repr=False)
    cert: tuple[bytes, ...] = field(repr=False)
    ca: tuple[bytes, ...] = field(repr=False)
    crl: tuple[bytes, ...] = field(repr=False)
    passphrase: bytes | None = field(repr=False)
    server_name: str | None
    request_cert: bool
    reject_unauthorized: bool
    alpn: tuple[bytes, ...]
    min_version: int
    max_version: int
    ciphers: str
    sni: "tuple[tuple[str, Checked], ...]"


def stated(given: TLSOptions) -> dict[str, Any]:
    """Return the options by name that are not the default."""
    values = {each: getattr(given, each.name) for each in fields(TLSOptions)}
    return {each.name: value for each, value in values.items() if value != each.default}


def checked(function: str, tls: object, *, server: bool) -> tuple[Checked, Any]:
    """Return the checked options and the session to resume.

    Raises:
        TypeError, ValueError: an option is wrong.
        TLSError: an option that must be PEM is not.
        OSError: a file cannot be read.
    """
    given = _given(function, tls)
    result = _checked(given)
    _check_side(f"{function}: tls", given, server=server)
    half = _half(result)
    if server and (half or not (result.key or result.sni)):
        expected = f"{function}: tls: expected key and cert, or sni"
        raise ValueError(f"{expected}, got {half or 'neither'} (D19)")
    return result, given.session


def _check_side(where: str, given: TLSOptions, *, server: bool) -> None:
    """Refuse options without effect on this side."""
    for name, hint in (_OF_CLIENTS if server else _OF_SERVERS).items():
        if getattr(given, name):
            raise ValueError(f"{where}: {name} is for a {'client' if server else 'server'}{hint}")


def _half(given: Checked) -> str:
    """Return the given one of key and certificate, if the other is missing."""
    if bool(given.key) == bool(given.cert):
        return ""
    return "key without cert" if given.key else "cert without key"


def _given(
    where: str,
    tls: object,
    *,
    wanted: str = "True, a mapping or TLSOptions",
    names: Sequence[str] = NAMES,
) -> TLSOptions:
    if tls is True and names is NAMES:
        return TLSOptions()
    if isinstance(tls, TLSOptions):
        return tls
    if not isinstance(tls, Mapping):
        raise TypeError(options.complain_unseen(f"{where}: tls", wanted, tls))
    for name in tls:
        if name not in names:
            # Cut, for it may be a key in the wrong place.
            raise TypeError(f"{where}: tls: unknown option {name!r:.40}{_suggestion(name, names)}")
    return TLSOptions(**tls)


def _suggestion(name: object, names: Sequence[str]) -> str:
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(name)).lower()
    known = {each: each for each in names}
    others = {"servername": "server_name", "alpnprotocols": "alpn_protocols"}
    others["alpn"] = "alpn_protocols"
    known |= {each: meant for each, meant in others.items() if meant in names}
    near = nearest(snake, known)
    return f"; did you mean {known[near]!r}?" if near else f"; known are {', '.join(names)}"


def _checked(given: TLSOptions) -> Checked:
    for name in ("request_cert", "reject_unauthorized"):
        options.flag(name, getattr(given, name))
    low, high = (
        _version("min_version", given.min_version),
        _version("max_version", given.max_version),
    )
    return Checked(
        key=_pem("key", given.key, material.KEY),
        cert=_pem("cert", given.cert, material.CERTIFICATE),
        ca=_pem("ca", given.ca, material.CERTIFICATE),
        crl=_pem("crl", given.crl, material.CRL),
        passphrase=_passphrase(given.passphrase),
        server_name=(
            None if given.server_name is None else server_name("server_name", given.server_name)
        ),
        request_cert=given.request_cert,
        reject_unauthorized=given.reject_unauthorized,
        alpn=protocols("alpn_protocols", given.alpn_protocols),
        min_version=low,
        max_version=high,
        ciphers=_ciphers(given.ciphers),
        sni=_sni(given.sni),
    )


def _pem(option: str, value: object, kind: str) -> tuple[bytes, ...]:
    given = material.texts(option, value)
    for _ in material.all_blocks(option, given, kind):
        pass
    return given


def _passphrase(value: object) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return options.utf8("passphrase", value)
    raise TypeError(options.complain_unseen("passphrase", "str or bytes", value))


def server_name(option: str, value: object) -> str:
    """Return a name that a client can ask for."""
    if not isinstance(value, str):
        raise TypeError(options.complain(option, "a name as str", value))
    if "\0" in value:
        raise ValueError(options.complain(option, "a name without NUL", value))
    options.utf8(option, value)
    return value


def protocols(option: str, value: object) -> tuple[bytes, ...]:
    """Return the names of a list for ALPN as bytes."""
    if value is None:
        return ()
    if isinstance(value, (str, bytes, bytearray)) or not isinstance(value, Iterable):
        raise TypeError(options.complain(option, "a list of names (D21)", value))
    names = tuple(_protocol(option, each) for each in value)
    if sum(len(name) + 1 for name in names) > _LONGEST_LIST:
        raise ValueError(f"{option}: expected at most {_LONGEST_LIST} bytes with the lengths")
    return names


def _protocol(option: str, value: object) -> bytes:
    if not isinstance(value, (str, bytes)):
        raise TypeError(options.complain(option, "names as str", value))
    name = options.utf8(option, value) if isinstance(value, str) else value
    if not 1 <= len(name) <= _LONGEST_PROTOCOL:
        raise ValueError(
            options.complain(option, f"names of 1 to {_LONGEST_PROTOCOL} bytes", value)
        )
    return name


def _version(option: str, value: object) -> int:
    """Return a version's number, 0 for the default."""
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool):
        wanted = "a number such as ssl.TLSVersion.TLSv1_3, which is 0x0304"
        raise TypeError(options.complain(option, wanted, value))
    if value and value not in _VERSIONS:
        raise ValueError(options.complain(option, "0x0301 (TLS 1.0) to 0x0304 (TLS 1.3)", value))
    return int(value)


def _ciphers(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(options.complain("ciphers", "OpenSSL's list as str", value))
    return value


def _sni(value: object) -> tuple[tuple[str, Checked], ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise TypeError(options.complain_unseen("sni", "a mapping of names to options", value))
    served: dict[str, Checked] = {}
    for name, each in value.items():
        pattern = _pattern(name)
        if pattern in served:
            raise ValueError(f"sni: expected each name once, got {pattern!r} again by {name!r}")
        served[pattern] = _served(name, each)
    return tuple(served.items())


def _pattern(name: object) -> str:
    """Return a name, or a pattern whose first label is `*`, in the form of `ascii_name`."""
    if not isinstance(name, str):
        raise TypeError(options.complain("sni", "names as str", name))
    try:
        pattern = ascii_name(name)
    except UnicodeError:
        wanted = "names that IDNA can put into ASCII (xn--…)"
        raise ValueError(options.complain("sni", wanted, name)) from None
    rest = pattern.removeprefix("*.")
    if "*" in rest or "\0" in rest or not all(rest.split(".")):
        wanted = "names such as a.example, or *.a.example where * is one label"
        raise ValueError(options.complain("sni", wanted, name))
    return pattern


def ascii_name(name: str) -> str:
    """Return a host's name as clients ask for it: RFC 6066, section 3; in lower case, undotted.

    Raises:
        UnicodeError: it cannot be put into ASCII.
    """
    plain = name.lower().removesuffix(".")
    return plain if plain.isascii() else plain.encode("idna").decode()


def _served(name: object, value: object) -> Checked:
    where = f"sni[{name!r}]"
    wanted = "{'key': …, 'cert': …} or TLSOptions"
    given = _given(where, value, wanted=wanted, names=_NAMES_IN_SNI)
    served = _checked(given)
    for each in stated(given):
        if each not in _NAMES_IN_SNI:
            known = f"known are {', '.join(_NAMES_IN_SNI)}"
            raise ValueError(f"{where}: {each} cannot be chosen by name; {known}")
    if not (served.key and served.cert):
        raise ValueError(f"{where}: expected key and cert, got {_half(served) or 'neither'}")
    return served
