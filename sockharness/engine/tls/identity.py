"""Whether a certificate is for a name or an address (RFC 6125, RFC 9525, as Bun and Node do it),
and whether it may sign others.

Names of the certificate's subject count only when it has no alternative names of use, and never for
an address. `*` stands for exactly one left label, of a name with three labels or more (TLS-019).
"""

import ipaddress
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from sockharness.engine.tls import codes
from sockharness.errors import TLSError

_PREFIX = "Hostname/IP does not match certificate's altnames: "


def complaint(hostname: str, certificate: x509.Certificate) -> TLSError | None:
    """Return the error if a certificate is not for this name, which may be an IP address."""
    names = alternative_names(certificate)
    address = address_of(hostname)
    if address is not None:
        reason = _about_address(address, names)
    else:
        reason = _about_name(hostname, names, certificate)
    return None if reason is None else TLSError(codes.WRONG_NAME, _PREFIX + reason)


def extension_of(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> Any:
    """Return the value of an extension; `None` if it is missing or unreadable."""
    try:
        return certificate.extensions.get_extension_for_oid(oid).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return None


def alternative_names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    """Return the subject's alternative names; an empty list if they are missing or malformed."""
    names = extension_of(certificate, ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    return list(names) if isinstance(names, x509.SubjectAlternativeName) else []


def may_sign(certificate: x509.Certificate) -> bool:
    """Return whether a certificate may sign others; it may by default (RFC 5280, 4.2.1.3)."""
    usage = extension_of(certificate, ExtensionOID.KEY_USAGE)
    return not isinstance(usage, x509.KeyUsage) or usage.key_cert_sign


def address_of(hostname: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address if a name is one."""
    try:
        return ipaddress.ip_address(hostname.removeprefix("[").removesuffix("]").partition("%")[0])
    except ValueError:
        return None


def _about_address(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, names: list[x509.GeneralName]
) -> str | None:
    listed = [name.value for name in names if isinstance(name, x509.IPAddress)]
    if address in listed:
        return None
    return f"IP: {address} is not in the cert's list: {', '.join(map(str, listed))}"


def _about_name(
    hostname: str, names: list[x509.GeneralName], certificate: x509.Certificate
) -> str | None:
    labels = hostname.lower().removesuffix(".").split(".")
    usable = [name for name in names if isinstance(name, (x509.DNSName, x509.IPAddress))]
    if usable:
        patterns = [name.value for name in names if isinstance(name, x509.DNSName)]
        if any(_fits(labels, pattern) for pattern in patterns):
            return None
        return f"Host: {hostname}. is not in the cert's altnames: {shown(names)}"
    common = [
        str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    ]
    if any(_fits(labels, name) for name in common):
        return None
    return f"Host: {hostname}. is not cert's CN: {', '.join(common)}"


def _fits(labels: list[str], pattern: str) -> bool:
    wanted = pattern.lower().removesuffix(".").split(".")
    if len(wanted) != len(labels) or "" in wanted or "" in labels:
        return False
    if wanted[0] == "*":
        return len(wanted) > 2 and "*" not in labels[0] and wanted[1:] == labels[1:]
    return wanted == labels and "*" not in pattern


def shown(names: list[x509.GeneralName]) -> str:
    """Return alternative names as one text, in OpenSSL's notation (TLS-020, TLS-091)."""
    return ", ".join(_shown(name) for name in names)


def _shown(name: x509.GeneralName) -> str:
    if isinstance(name, x509.DNSName):
        return f"DNS:{_quoted(name.value)}"
    if isinstance(name, x509.IPAddress):
        return f"IP Address:{_openssl_address(name.value)}"
    if isinstance(name, x509.UniformResourceIdentifier):
        return f"URI:{_quoted(name.value)}"
    if isinstance(name, x509.RFC822Name):
        return f"email:{_quoted(name.value)}"
    if isinstance(name, x509.DirectoryName):
        return f"DirName:{_quoted(name.value.rfc4514_string())}"
    return "othername:<unsupported>"


def _openssl_address(address: object) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        groups = address.exploded.split(":")
        return ":".join(f"{int(group, 16):X}" for group in groups)
    return str(address)


def _quoted(text: str) -> str:
    """Quote a value in which a comma or a quote would look like the end of it."""
    if not any(character in text for character in ",'\"\\") and text.isprintable():
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace(",", "\\u002c")
    return f'"{escaped}"'
