"""The names of alerts, and what OpenSSL alone finds wrong."""

import pytest

from sockharness import BadCertificate
from sockharness.engine.tls import codes


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "close_notify"),
        (45, "certificate_expired"),
        (48, "unknown_ca"),
        (90, "user_canceled"),
        (116, "certificate_required"),
        (200, "200"),
    ],
)
def test_an_alert_has_the_name_of_the_rfc(number: int, name: str) -> None:
    assert codes.alert_name(number) == name


@pytest.mark.parametrize("kind", BadCertificate)
def test_a_verdict_of_openssl_has_the_alert_that_openssl_sends(kind: BadCertificate) -> None:
    if kind is BadCertificate.WRONG_HOST:
        assert codes.alert_name(codes.WRONG_NAME_ALERT) == kind.alert
    else:
        _, alert = codes.verdict(kind.verify_code)
        assert codes.alert_name(alert) == kind.alert


def test_a_key_that_is_too_short_is_refused_by_name() -> None:
    error, _ = codes.verdict(66)

    assert error.code == "EE_KEY_TOO_SMALL"
