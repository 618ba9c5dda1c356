"""The reports of a wrong handshake."""

import pytest

from sockharness.engine.tls import codes
from sockharness.errors import TLSError
from sockharness.story.events import Event, HandshakeFacts
from sockharness.story.expectations import ROOM
from sockharness.story.handshakes import (
    alert_judge,
    handshake_failure,
    handshake_judge,
    is_failed_handshake,
    reason_of,
)
from tests.gallery.mismatches import described
from tests.gallery.plugin import Gallery

GOOD = HandshakeFacts(
    success=True,
    authorized=True,
    version="TLSv1.3",
    cipher="TLS_AES_256_GCM_SHA384",
    certificate="web",
    names="DNS:localhost",
)
EXPIRED = codes.verdict(10)[0]


def handshake(facts: HandshakeFacts = GOOD, error: BaseException | None = None) -> Event:
    return Event(name="handshake", peer="client", connection=1, facts=facts, error=error)


def failed(error: BaseException | None) -> Event:
    return handshake(HandshakeFacts(success=False), error)


def test_what_is_there_is_as_wanted() -> None:
    wanted = {"success": "true", "certificate": "web", "alpn": "none", "reused": "false"}

    assert handshake_judge(facts=wanted, error="none", alert="none")(handshake()) is None


def test_nothing_wanted_is_nothing_to_complain_of() -> None:
    assert handshake_judge(facts={})(failed(EXPIRED)) is None


@pytest.mark.parametrize(
    ("fact", "wanted", "headline"),
    [
        ("certificate", "none", "client got certificate web, expected none"),
        ("version", "TLSv1.2", "client got version TLSv1.3, expected TLSv1.2"),
        ("alpn", "h2", "client got alpn none, expected h2"),
        ("authorized", "false", "client got authorized true, expected false"),
        ("cipher", "AES256-SHA", "client got cipher TLS_AES_256_GCM_SHA384"),
        ("success", "false", "client handshake succeeded, expected a failure"),
    ],
)
def test_a_fact_that_is_otherwise_is_named_with_what_was_wanted(
    fact: str, wanted: str, headline: str
) -> None:
    mismatch = handshake_judge(facts={fact: wanted})(handshake())

    assert mismatch is not None
    assert mismatch.headline == headline
    assert len(mismatch.headline) <= ROOM
    assert wanted in mismatch.note or fact == "success"
    assert "certificate  web (DNS:localhost)" in mismatch.details


def test_of_several_facts_the_one_that_explains_the_others_is_told(gallery: Gallery) -> None:
    bad = HandshakeFacts(success=True, certificate="stale")

    mismatch = handshake_judge(facts={"authorized": "true", "certificate": "web"})(
        handshake(bad, EXPIRED)
    )

    assert mismatch is not None
    gallery.check(described(mismatch))


@pytest.mark.parametrize(
    ("error", "headline", "short"),
    [
        (EXPIRED, "client handshake failed: CERT_HAS_EXPIRED", "CERT_HAS_EXPIRED"),
        (
            codes.alert_received(48),
            "client handshake failed: alert unknown_ca",
            "unknown_ca",
        ),
        (
            codes.of_openssl("http request"),
            "client handshake failed: HTTP_REQUEST",
            "HTTP_REQUEST",
        ),
        (
            codes.of_openssl("peer did not return a certificate"),
            "client: PEER_DID_NOT_RETURN_A_CERTIFICATE",
            "PEER_DID_NOT_RETURN_A_CERTIFICATE",
        ),
        (codes.disconnected(), "client handshake failed: ECONNRESET", "ECONNRESET"),
        (TLSError("X" * 60), "client handshake failed", "X" * 60),
        (None, "client handshake failed", ""),
    ],
)
def test_a_failure_is_named_by_what_says_most(
    error: BaseException | None, headline: str, short: str
) -> None:
    event = failed(error)

    assert is_failed_handshake(event)
    assert handshake_failure(event).headline == headline
    assert reason_of(event) == short


def test_a_wrong_code_is_told_with_how_to_state_it(gallery: Gallery) -> None:
    mismatch = handshake_judge(facts={}, error="CERT_REVOKED")(failed(EXPIRED))

    assert mismatch is not None
    gallery.check(described(mismatch))
    assert "write `error: CERT_HAS_EXPIRED` if that is meant" in mismatch.note


def test_a_message_has_to_hold_the_text(gallery: Gallery) -> None:
    judge = handshake_judge(facts={}, message="HTTP_REQUEST")

    assert judge(failed(codes.of_openssl("http request"))) is None
    mismatch = judge(failed(EXPIRED))
    assert mismatch is not None
    gallery.check(described(mismatch))
    assert "CERT_HAS_EXPIRED: certificate has expired" in mismatch.note


@pytest.mark.parametrize(
    ("error", "wanted", "headline"),
    [
        (codes.alert_received(48), "unknown_ca", None),
        (codes.alert_received(48), "none", "client got alert unknown_ca, expected none"),
        (EXPIRED, "unknown_ca", "client got alert none, expected unknown_ca"),
        (EXPIRED, "none", None),
        (EXPIRED, "", None),
    ],
)
def test_the_alert_is_the_one_that_the_other_side_sent(
    error: TLSError, wanted: str, headline: str | None
) -> None:
    later = Event(name="error", peer="client", connection=1, error=error)

    for mismatch in (
        alert_judge(wanted)(later),
        handshake_judge(facts={}, alert=wanted)(failed(error)),
    ):
        assert (mismatch and mismatch.headline) == headline


def test_what_failed_agreed_on_nothing() -> None:
    details = handshake_failure(failed(EXPIRED)).details

    assert details[0] == (
        "handshake    success false, authorized false, CERT_HAS_EXPIRED: certificate has expired"
    )
    assert not [line for line in details if line.startswith("agreed")]
