"""Certificates for tests, good and bad; light to import."""

from sockharness.certificates.authority import Authority as Authority
from sockharness.certificates.authority import Certificate as Certificate
from sockharness.certificates.catalogue import BadCertificate as BadCertificate
