"""The key that anchors of the audit are signed with: Ed25519, in a file only for its owner."""

from __future__ import annotations

import base64
import binascii
import os
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from signoff.config import Settings
from signoff.domain.errors import ConfigError
from signoff.project.files import shown

FILE = "audit.key"
"""The name of the file in the data folder, unless a setting names another."""


def file_of(settings: Settings) -> Path:
    """Where a project's key is, or would be."""
    return settings.audit_key or settings.data_dir / FILE


def of_project(settings: Settings) -> AuditKey | None:
    """The key of a project; None if it has none.

    Raises:
        ConfigError: The setting names one that cannot be used.
    """
    file = file_of(settings)
    return read(file) if settings.audit_key is not None or file.exists() else None


class AuditKey:
    """A private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = _base64(key.public_key())

    def sign(self, text: bytes) -> str:
        """The signature over a text, in base64."""
        return base64.b64encode(self._key.sign(text)).decode()


def is_signed(text: bytes, signature: str, public_key: str) -> bool:
    """Whether a text was signed with the private key that belongs to this public one."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), text)
    except (InvalidSignature, ValueError):
        return False
    return True


def read(file: Path) -> AuditKey:
    """The private key in a file, in PEM, as `openssl genpkey -algorithm ed25519` makes one.

    Raises:
        ConfigError: There is none, or others than the owner of the file may read it.
    """
    try:
        content = file.read_bytes()
        mode = file.stat().st_mode
    except OSError as error:
        raise ConfigError(f"the audit's key {shown(file)} cannot be read: {error}") from error
    if os.name == "posix" and mode & 0o077:
        raise ConfigError(f"others may read the audit's key: chmod 600 {shown(file)}")
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{shown(file)} has no private key in PEM: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{shown(file)} has a key of another kind than Ed25519")
    return AuditKey(key)


def create(file: Path) -> bool:
    """Make a key in a file; False if somebody has, who may be making it at the same time."""
    if file.exists():
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    content = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")  # mode 600
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
        os.link(draft, file)
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)
    return True


def public_key(given: str) -> str:
    """A public key in base64: as given, or from the file in PEM that is named.

    Raises:
        ConfigError: It is none.
    """
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(given, validate=True))
        return given
    except (ValueError, binascii.Error):
        pass
    try:
        key = load_pem_public_key(Path(given).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{given} is no public key, and no file with one: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{given} has a key of another kind than Ed25519")
    return _base64(key)


def pem(public_key: str) -> str:
    """A public key as OpenSSL reads it."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key))
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _base64(key: Ed25519PublicKey) -> str:
    return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
