# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Certificates of gateways: a small authority of one's own, certificates of hosts, and what is wrong with one. Pure.

Certificates and keys travel as PEM. ``now`` is always an argument, with a time zone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:  # ansible-core requires it; ansible-test imports this file without it
    pass

AUTHORITY_DAYS = 3650
# Apple's systems accept no server certificate of more than 825 days, whoever signed it (support.apple.com/HT210176).
HOST_DAYS = 365
# A host's certificate is renewed when less than this is left.
RENEWAL_DAYS = 120
# Clocks differ: a certificate is valid from a little earlier.
BACKDATED = timedelta(hours=1)
LONGEST_COMMON_NAME = 64  # RFC 5280, ub-common-name


@dataclass(frozen=True)
class Pair:
    """A certificate, with the chain that belongs to it, and its private key."""

    certificate: str
    key: str


class Unusable(Exception):
    """What is wrong with a certificate or a key, in words."""


def make_authority(now: datetime) -> Pair:
    """A new authority, which may sign certificates of hosts and nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("jetson.thor gateways")
    certificate = (
        _builder(name, name, key, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(_pem(certificate), _key_pem(key))


def make_certificate(authority: Pair, names: Sequence[str], now: datetime) -> Pair:
    """A certificate with a key of its own for a server with these names and addresses."""
    issuer, issuer_key = _certificate(authority.certificate), _private_key(authority.key)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise Unusable("The key of the authority is not one that this collection has made.")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name(names[0][:LONGEST_COMMON_NAME]), issuer.subject, key, now, HOST_DAYS)
        .add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return Pair(_pem(certificate), _key_pem(key))


def due(pair: Pair | None, authority: str, names: Sequence[str], now: datetime) -> str | None:
    """Why a host needs a new certificate from this authority; None if it does not."""
    if pair is None:
        return "there is none yet"
    try:
        check(pair, now)
        found = _certificate(pair.certificate)
        found.verify_directly_issued_by(_certificate(authority))
    except Unusable as error:
        return str(error)
    except (ValueError, TypeError, InvalidSignature):
        return "another authority has signed it"
    left = found.not_valid_after_utc - now
    if left < timedelta(days=RENEWAL_DAYS):
        return f"it ends in {left.days} days"
    if missing := [name for name in names if name not in names_of(pair.certificate)]:
        return f"it is not for {', '.join(missing)}"
    return None


def check(pair: Pair, now: datetime) -> None:
    """Raise Unusable if a key does not belong to its certificate, or the certificate is not valid now."""
    certificate, key = _certificate(pair.certificate), _private_key(pair.key)
    if _public(certificate) != _public(key):
        raise Unusable("The key does not belong to the certificate.")
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > ends:
        raise Unusable(f"The certificate ended on {ends:%Y-%m-%d %H:%M} UTC.")
    if now < begins:
        raise Unusable(f"The certificate is valid from {begins:%Y-%m-%d %H:%M} UTC on.")


def names_of(certificate: str) -> list[str]:
    """The names and addresses that a certificate is for."""
    try:
        found = _certificate(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]


def covers(certificate: str, name: str) -> bool:
    """Whether clients that call a server by this name or address accept its certificate.

    ``*`` stands for the whole first label and for nothing else (RFC 9525, 6.3).
    """
    name = name.lower()
    _first, dot, rest = name.partition(".")
    found = {one.lower() for one in names_of(certificate)}
    return name in found or bool(dot and f"*.{rest}" in found)


def validity(certificate: str) -> tuple[datetime, datetime]:
    """When a certificate begins and ends to be valid."""
    found = _certificate(certificate)
    return found.not_valid_before_utc, found.not_valid_after_utc


def fingerprint(certificate: str) -> str:
    """The SHA-256 of a certificate, as a client sees it."""
    return _certificate(certificate).fingerprint(hashes.SHA256()).hex()


def _certificate(pem: str) -> x509.Certificate:
    """The first certificate of a file: the server's own, before its chain."""
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise Unusable(
            "The certificate cannot be read: it must be a PEM file, with the server's own one first."
        ) from error


def _private_key(pem: str) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise Unusable("The key cannot be read: it must be a PEM file without a passphrase.") from error


def _public(holder: x509.Certificate | PrivateKeyTypes) -> bytes:
    """The public key of a certificate or a private key."""
    return holder.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - BACKDATED,
        not_valid_after=now + timedelta(days=days),
    )


def _usage(sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternatives(names: Iterable[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            if not name.isascii():
                raise Unusable(f"A certificate cannot be for {name!r}, which is not ASCII.") from None
            found.append(x509.DNSName(name))
    return found


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
