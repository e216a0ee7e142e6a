"""The keys of a project that what is at rest is encrypted with."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from signoff.config import Settings
from signoff.db.sealed import KEY_SIZE, Sealer
from signoff.domain.errors import ConfigError
from signoff.project.files import shown


def of_project(settings: Settings) -> Sealer | None:
    """What a project encrypts with; None if it does not.

    Raises:
        ConfigError: A key is none, or the file with them cannot be read.
    """
    keys = [
        _key(key.get_secret_value(), f"encryption_keys: key {number}")
        for number, key in enumerate(settings.encryption_keys, start=1)
    ]
    if (file := settings.encryption_keys_file) is not None:
        keys += [_key(line, f"{shown(file)}: line {number}") for number, line in _lines(file)]
        if not keys:
            raise ConfigError(f"{shown(file)}: there is no key in it")
    if not keys:
        if settings.encryption_strict:
            raise ConfigError("encryption_strict: there are no encryption_keys")
        return None
    return Sealer(keys, strict=settings.encryption_strict)


def _lines(file: Path) -> list[tuple[int, str]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"encryption_keys_file: {shown(file)} cannot be read") from error
    lines = enumerate(text.splitlines(), start=1)
    return [(number, line) for number, line in lines if line.strip() and line[0] != "#"]


def _key(text: str, where: str) -> bytes:
    """A key from its base64. What is wrong with it is said without it."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigError(f"{where}: it is no base64 (several keys have spaces between)") from error
    if len(key) != KEY_SIZE:
        raise ConfigError(
            f"{where}: it has {len(key)} bytes, and a key has {KEY_SIZE}: "
            "`openssl rand -base64 32` makes one"
        )
    return key
