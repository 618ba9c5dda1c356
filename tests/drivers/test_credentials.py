"""The certificates of specs: made once a process, distinguished by name."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from sockharness.drivers.credentials import UNKNOWN, Credentials
from sockharness.location import Location
from sockharness.sockspec.model import Certificate

PLACE = Location("a.yaml", 1, 1)
LOCALHOST = Certificate(names=("localhost",), location=PLACE)


def fingerprint(pem: bytes) -> str:
    import ssl

    return sha256(ssl.PEM_cert_to_DER_cert(pem.decode())).hexdigest()


def test_a_description_is_made_into_a_certificate_once_a_process() -> None:
    one, other = Credentials({"web": LOCALHOST}), Credentials({"web": LOCALHOST})

    assert one.certificate("web") is other.certificate("web")
    assert one.certificate("") is other.certificate("")
    assert one.ca_pem == other.ca_pem


def test_two_names_are_two_certificates_even_with_the_same_description() -> None:
    credentials = Credentials({"old": LOCALHOST, "new": LOCALHOST})
    old, new = credentials.certificate("old"), credentials.certificate("new")

    assert credentials.name_of(fingerprint(old.chain_pem)) == "old"
    assert credentials.name_of(fingerprint(new.chain_pem)) == "new"


def test_a_certificate_is_known_by_its_fingerprint_however_that_is_written() -> None:
    credentials = Credentials({"web": LOCALHOST})
    plain = fingerprint(credentials.certificate("web").chain_pem)
    colons = ":".join(plain[at : at + 2] for at in range(0, 64, 2)).upper()

    assert credentials.name_of(colons) == "web"
    assert credentials.name_of("") == "none"
    assert credentials.name_of("00" * 32) == UNKNOWN
    assert credentials.name_of(fingerprint(credentials.certificate("").chain_pem)) == "default"


@pytest.mark.parametrize("kind", ["expired", "revoked", "self_signed"])
def test_a_bad_certificate_is_of_the_catalogue(kind: str) -> None:
    credentials = Credentials({"bad": Certificate(bad=kind, location=PLACE)})

    made = credentials.certificate("bad")

    assert made.kind is not None
    assert made.kind.name.lower() == kind


def test_a_revocation_list_is_there_only_where_a_certificate_is_revoked() -> None:
    good = Credentials({"web": LOCALHOST})
    revoked = Credentials({"gone": Certificate(bad="revoked", location=PLACE)})

    assert good.crl_pem == b""
    assert revoked.crl_pem.startswith(b"-----BEGIN X509 CRL-----")


PROGRAM = """
import sys
from pathlib import Path
from tests.helpers.replaying import replay
assert not replay(Path(sys.argv[1]), sys.argv[2], peers="", scale=1).failures
names = ("OpenSSL", "cryptography", "trustme")
print(sorted({name.partition(".")[0] for name in sys.modules} & set(names)))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("peers", "loaded"),
    [("tcp", []), ("tls", ["OpenSSL", "cryptography", "trustme"])],
)
def test_cryptography_is_loaded_by_specs_with_tls_only(
    peers: str, loaded: list[str], tmp_path: Path
) -> None:
    spec = f"""\
sockspec: 1
peers:
  server: {{{peers}: {{listen: loopback}}, on: {{data: [echo]}}}}
  client: {{{peers}: {{connect: server}}}}
exchange:
  - client -> server: "hi"
  - server -> client: "hi"
"""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), spec],
        env={"PATH": "", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == f"{loaded}\n", done.stdout + done.stderr
