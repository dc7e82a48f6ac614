"""Certificates that tokens bring with them (``x5c``, RFC 7515 section 4.1.6), believed if a root of ours vouches."""

import base64
import binascii
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from auth.errors import AuthMisconfigured, CredentialsRefused
from auth.jwk import KeyUnusable, PublicKey, by_name, public_key

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.x509.verification import Policy

#: The leaf and its intermediates.
_LONGEST: Final = 8


class Roots:
    """The certificates of a ``rootcertbundle``.

    The keys in them are trusted by their names, as distribution does, and whatever they vouch for.
    """

    def __init__(self, certificates: list[x509.Certificate]) -> None:
        self._certificates = certificates
        self.keys = by_name(("", public_key(each.public_key())) for each in certificates)

    @classmethod
    def read(cls, path: "Path") -> "Roots":
        """Read a file of PEM. Raises AuthMisconfigured."""
        try:
            return cls(x509.load_pem_x509_certificates(path.read_bytes()))
        except OSError as error:
            raise AuthMisconfigured(f"{path} cannot be read: {error.strerror}") from error
        except ValueError as error:  # KeyUnusable is one
            raise AuthMisconfigured(f"{path} is no bundle of certificates in PEM: {error}") from error

    def leaf(self, chain: tuple[str, ...], now: float) -> PublicKey:
        """Give the key of a chain's first certificate, if the chain leads to a root. Raises CredentialsRefused."""
        if not 0 < len(chain) <= _LONGEST:
            raise CredentialsRefused(f"the token's chain is not of 1 to {_LONGEST} certificates")
        moment = datetime.fromtimestamp(now, UTC)
        try:
            leaf, *others = (x509.load_der_x509_certificate(base64.b64decode(each, validate=True)) for each in chain)
            if leaf not in self._certificates:
                _verifier(self._certificates, moment).verify(leaf, others)
            elif not leaf.not_valid_before_utc <= moment <= leaf.not_valid_after_utc:
                raise CredentialsRefused("the token's certificate has expired, or is not valid yet")
            return public_key(leaf.public_key())
        except (binascii.Error, KeyUnusable, VerificationError, ValueError, x509.DuplicateExtension) as error:
            raise CredentialsRefused(f"the token's certificates are not trusted: {error}") from None


def _verifier(roots: list[x509.Certificate], moment: datetime) -> "x509.verification.ClientVerifier":
    """Check signatures, times, path lengths and who may sign what.

    What else the profile for the web's servers demands, such as names, the self-made authorities of token servers do
    not have.
    """
    authority = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _signs_certificates)
    )
    leaf = ExtensionPolicy.permit_all().may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _signs)
    return (
        PolicyBuilder()
        .store(Store(roots))
        .time(moment)
        .extension_policies(ca_policy=authority, ee_policy=leaf)
        .build_client_verifier()
    )


def _is_authority(_policy: "Policy", _certificate: x509.Certificate, found: x509.BasicConstraints) -> None:
    if not found.ca:
        raise ValueError("a certificate that is no authority's has signed another")


def _signs_certificates(_policy: "Policy", _certificate: x509.Certificate, found: x509.KeyUsage | None) -> None:
    if found is not None and not found.key_cert_sign:
        raise ValueError("a certificate that is not for signing certificates has signed one")


def _signs(_policy: "Policy", _certificate: x509.Certificate, found: x509.KeyUsage | None) -> None:
    if found is not None and not found.digital_signature:
        raise ValueError("the certificate is not for signatures")
