"""A private CA for one run, and leaf certificates from it."""

import datetime
import ipaddress
from pathlib import Path
from typing import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

EXPIRED_SINCE = datetime.timedelta(minutes=5)
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


def name_of(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Leaf:
    def __init__(self, cert: Path, key: Path):
        self.cert, self.key = cert, key


class Authority:
    """Writes ca.pem and the leaves' files into `folder`."""

    def __init__(
        self,
        folder: Path,
        name: str = "Doorbell test CA",
        valid_since: datetime.timedelta = datetime.timedelta(hours=1),
        valid_for: datetime.timedelta = datetime.timedelta(days=2),
    ):
        """The times are counted from now, back and forward."""
        self.folder, self.valid_since, self.valid_for = folder, valid_since, valid_for
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self.build(
            name_of(name),
            name_of(name),
            self.key.public_key(),
            [
                (x509.BasicConstraints(ca=True, path_length=0), True),
                (x509.KeyUsage(False, False, False, False, False, True, True, False, False), True),
                (x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False),
            ],
        )
        self.file = folder / "ca.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def build(
        self,
        subject: x509.Name,
        issuer: x509.Name,
        public_key: ec.EllipticCurvePublicKey,
        extensions: Sequence[tuple[x509.ExtensionType, bool]],
        expired: bool = False,
    ) -> x509.Certificate:
        now = datetime.datetime.utcnow()
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - self.valid_since)
            .not_valid_after(now - EXPIRED_SINCE if expired else now + self.valid_for)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256())

    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def leaf(
        self, stem: str, names: Sequence[str] = LOCAL_NAMES, expired: bool = False
    ) -> Leaf:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.build(
            name_of(names[0]),
            self.certificate.subject,
            key.public_key(),
            [
                (x509.BasicConstraints(ca=False, path_length=None), True),
                (x509.SubjectAlternativeName([alternative(name) for name in names]), False),
                (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
                (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
                (x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False),
            ],
            expired,
        )
        made = Leaf(self.folder / f"{stem}.pem", self.folder / f"{stem}.key")
        made.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        made.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return made
