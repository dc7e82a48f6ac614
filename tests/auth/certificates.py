"""Certificates as the makers of token servers make them, well and badly."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.auth.forging import NOW

_MOMENT = datetime.fromtimestamp(NOW, UTC)
_NO_USE = dict.fromkeys(
    (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


@dataclass(frozen=True)
class Signer:
    """A certificate and its key; `parents` are the certificates between it and the root."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    parents: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def x5c(self) -> list[str]:
        return [
            base64.b64encode(each.public_bytes(Encoding.DER)).decode() for each in (self.certificate, *self.parents)
        ]

    def sign(self, name: str, **options: Any) -> "Signer":
        """A certificate below this one."""
        return _make(name, self, **options)


def root(name: str = "root", **options: Any) -> Signer:
    """An authority that signed itself."""
    return _make(name, None, **({"ca": True} | options))


def _make(
    name: str, parent: Signer | None, *, ca: bool | None = None, use: str = "", since: int = -1, days: int = 30
) -> Signer:
    """Without `ca` and `use` a certificate has no extensions, as those of `openssl x509 -req`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = _MOMENT + timedelta(days=since)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(parent.certificate.subject if parent else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    if use:
        builder = builder.add_extension(x509.KeyUsage(**(_NO_USE | {use: True})), critical=True)
    certificate = builder.sign(parent.key if parent else key, hashes.SHA256())
    # Roots are not sent along.
    above = () if parent is None or parent.certificate.issuer == parent.certificate.subject else parent
    return Signer(key, certificate, (above.certificate, *above.parents) if above else ())
