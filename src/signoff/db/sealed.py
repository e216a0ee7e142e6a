"""Encryption at rest: how values and rows are sealed, of which `sealed_parts` says the parts.

The services and the domain know nothing of it: rows are sealed on their way into a statement and
opened as they are read. AES-256-GCM, under a key for some millions of values that is derived from
one of the settings' keys, with a random nonce for each. What a value is bound to (its column and
the ids of its row) is authenticated with it, so that it cannot be moved to another row.

A sealed value names its key, so that several can be in use: the first seals, all open. In columns
of text or JSON it is a text, ``sealed:1:KEY:...``; of bytes it is told by the ``type`` beside it.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from binascii import Error as NotBase64
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeGuard

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from signoff.db.sealed_parts import BYTES, CLEAR_DATA, CLEAR_METADATA, SHAPES, Part
from signoff.domain.errors import CannotDecrypt, EncryptionKeyMissing

MARK = "sealed:1:"
"""What a sealed text begins with."""

TYPE = "+sealed"
"""What the type of sealed bytes ends with."""

KEY_SIZE, SALT_SIZE, NONCE_SIZE, ID_SIZE = 32, 16, 12, 4

VALUES_PER_SALT = 2**24
"""After so many values another key is derived: random nonces of 96 bits do not meet among them."""


class Sealer:
    """Seals values with the first of some keys, and opens them with any.

    Raises:
        ValueError: There is none, or one is not of 32 bytes.
    """

    def __init__(self, keys: Sequence[bytes], *, strict: bool = False) -> None:
        if not keys or any(len(key) != KEY_SIZE for key in keys):
            raise ValueError(f"a key is of {KEY_SIZE} bytes")
        self._keys = {key_id(key): key for key in keys}
        self.first = key_id(keys[0])
        self._strict = strict
        self._cipher = lru_cache(maxsize=1024)(self._derived)
        self._salt = b""
        self._left = 0

    @property
    def ids(self) -> Sequence[str]:
        """The ids of the keys, the one that seals first."""
        return list(self._keys)

    def seal_bytes(self, data: bytes, *place: object) -> bytes:
        """Some bytes, sealed and bound to a place."""
        if not self._left:
            self._salt, self._left = os.urandom(SALT_SIZE), VALUES_PER_SALT
        self._left -= 1
        nonce = os.urandom(NONCE_SIZE)
        sealed = self._cipher(self.first, self._salt).encrypt(nonce, data, _bound(place))
        return b"".join((bytes.fromhex(self.first), self._salt, nonce, sealed))

    def open_bytes(self, sealed: bytes, *place: object) -> bytes:
        """What was sealed for this place.

        Raises:
            EncryptionKeyMissing: Its key is not among ours.
            CannotDecrypt: It was changed, or was sealed for another place.
        """
        salted = ID_SIZE + SALT_SIZE
        nonce, data = sealed[salted : salted + NONCE_SIZE], sealed[salted + NONCE_SIZE :]
        if len(nonce) < NONCE_SIZE:
            raise _broken(place)
        cipher = self._cipher(sealed[:ID_SIZE].hex(), sealed[ID_SIZE:salted])
        try:
            return cipher.decrypt(nonce, data, _bound(place))
        except InvalidTag as error:
            raise _broken(place) from error

    def seal_text(self, text: str, *place: object) -> str:
        """A text, sealed and bound to a place."""
        return self._as_text(text.encode(errors="surrogatepass"), place)

    def seal_json(self, value: Any, *place: object) -> Any:
        """A JSON value, sealed and bound to a place; one that has nothing in it stays."""
        return value if _is_empty(value) else self._as_text(orjson.dumps(value), place)

    def _as_text(self, data: bytes, place: tuple[object, ...]) -> str:
        sealed = self.seal_bytes(data, *place)
        return f"{MARK}{self.first}:{b64encode(sealed[ID_SIZE:]).decode()}"

    def open_text(self, text: str, *place: object) -> str:
        """What was sealed, or a text that was not."""
        if not text.startswith(MARK):
            self._refuse(text, place)
            return text
        return self._from_text(text, place).decode(errors="surrogatepass")

    def open_json(self, value: Any, *place: object) -> Any:
        """What was sealed, or a value that was not."""
        if not _is_sealed(value):
            self._refuse(value, place)
            return value
        return orjson.loads(self._from_text(value, place))

    def _from_text(self, text: str, place: tuple[object, ...]) -> bytes:
        id_, _, data = text[len(MARK) :].partition(":")
        try:
            sealed = bytes.fromhex(id_) + a2b_base64(data, strict_mode=True)
        except (ValueError, NotBase64) as error:
            raise _broken(place) from error
        return self.open_bytes(sealed, *place)

    def _refuse(self, value: Any, place: tuple[object, ...]) -> None:
        if self._strict and not _is_empty(value):
            raise _broken(place, "it is not encrypted, as all has to be with encryption_strict")

    def _derived(self, id_: str, salt: bytes) -> AESGCM:
        key = self._keys.get(id_)
        if key is None:
            raise EncryptionKeyMissing.of(id_)
        info = b"signoff: values at rest"
        return AESGCM(HKDF(algorithm=SHA256(), length=KEY_SIZE, salt=salt, info=info).derive(key))

    # Rows.

    def seal(self, shape: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of this shape as it is to be stored, of the fields that it has."""
        sealed = dict(row)
        for part, value in _present(shape, row):
            place = part.column, *(row[name] for name in part.by)
            seal = self.seal_text if part.text else self.seal_json
            value = seal(value, *place)
            if part.member is not None:
                value = {**sealed[part.field], part.member: value}
            sealed[part.field] = value
        return sealed

    def open(self, shape: str, row: dict[str, Any]) -> dict[str, Any]:
        """A row of this shape as it was stored, opened in place."""
        for part, value in _present(shape, row):
            place = part.column, *(row[name] for name in part.by)
            open_ = self.open_text if part.text else self.open_json
            value = open_(value, *place)
            if part.member is None:
                row[part.field] = value
            else:
                row[part.field] = {**row[part.field], part.member: value}
        return row

    def seal_blob(self, shape: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row with a type and a blob in base64."""
        if row["blob"] is None:
            return dict(row)
        table, *by = BYTES[shape]
        data = self.seal_bytes(a2b_base64(row["blob"]), table, *(row[name] for name in by))
        blob = b2a_base64(data, newline=False).decode()
        return {**row, "type": row["type"] + TYPE, "blob": blob}

    def open_blob(self, type_: str, blob: bytes | None, *place: object) -> tuple[str, bytes | None]:
        """A type and a blob as they were, or such that were not sealed."""
        if blob is None:
            return type_, blob
        if not type_.endswith(TYPE):
            self._refuse(blob, place)
            return type_, blob
        return type_.removesuffix(TYPE), self.open_bytes(bytes(blob), *place)

    def seal_checkpoint(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of a checkpoint: the scalars in it, and what others than LangGraph say of it."""
        checkpoint, metadata = row["checkpoint"], row["metadata"]
        scalars = {
            channel: self._as_text(orjson.dumps(value), _scalar(row, channel))
            for channel, value in checkpoint["channel_values"].items()
        }
        said = {name: value for name, value in metadata.items() if name not in CLEAR_METADATA}
        if said:
            metadata = {name: metadata[name] for name in metadata.keys() & CLEAR_METADATA}
            metadata["sealed"] = self.seal_json(said, *_metadata(row))
        return {
            **row,
            "checkpoint": {**checkpoint, "channel_values": scalars},
            "metadata": metadata,
        }

    def open_checkpoint(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row of a checkpoint as LangGraph expects it."""
        checkpoint, metadata = row["checkpoint"], row["metadata"]
        values = checkpoint.get("channel_values") or {}
        scalars = {
            channel: self.open_json(value, *_scalar(row, channel))
            for channel, value in values.items()
        }
        if _is_sealed(metadata.get("sealed")):
            said = self.open_json(metadata["sealed"], *_metadata(row))
            metadata = {name: metadata[name] for name in metadata if name != "sealed"} | said
        elif said := {name: metadata[name] for name in metadata.keys() - CLEAR_METADATA}:
            self._refuse(said, _metadata(row))
        return {
            **row,
            "checkpoint": {**checkpoint, "channel_values": scalars},
            "metadata": metadata,
        }

    def seal_entry(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """An entry of the audit: what it says of what people and graphs said is sealed beside it.

        The text that is chained has the digest of that, which comes with a salt, so that the chain
        holds for it too, can be verified without a key, and stays when the key is changed.
        """
        body = orjson.loads(row["body"])
        said: dict[str, Any] = {
            name: {key: each for key, each in value.items() if key not in CLEAR_DATA}
            for name in ("data",)
            if (value := body.get(name))
        }
        said |= {
            name: {"policy": body[name]["policy"]}
            for name in ("before", "after")
            if "policy" in (body.get(name) or {})
        }
        said = {name: value for name, value in said.items() if value}
        if not said or row["thread_id"].startswith("#"):
            return dict(row)
        for name, value in said.items():
            body[name] = {key: each for key, each in body[name].items() if key not in value}
        text = orjson.dumps(said | {"salt": os.urandom(SALT_SIZE).hex()}).decode()
        body["sealed"] = hashlib.sha256(text.encode()).hexdigest()
        return {
            **row,
            "body": orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode(),
            "sealed": self.seal_text(text, *place_of_entry(body)),
        }


class Sealing(Protocol):
    """What knows the sealer of its database: a connection, a pool."""

    sealer: Sealer | None


def sealed(conn: Sealing, shape: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row as it is to be stored."""
    return row if conn.sealer is None else conn.sealer.seal(shape, row)


def opened(conn: Sealing, shape: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row as it was stored, opened in place."""
    return row if conn.sealer is None else conn.sealer.open(shape, row)


def text(conn: Sealing, table: str, column: str, value: str | None, *ids: object) -> str | None:
    """A text as it is to be stored in a column, of the row with these ids."""
    if conn.sealer is None or value is None:
        return value
    return conn.sealer.seal_text(value, f"{table}.{column}", *ids)


def beside(conn: Sealing, body: Mapping[str, Any], sealed: str | None) -> str:
    """What an entry of the audit keeps sealed beside its text, as JSON.

    Raises:
        CannotDecrypt: It is not what was chained.
    """
    place = place_of_entry(body)
    if conn.sealer is None or sealed is None:
        raise _broken(place)
    found = conn.sealer.open_text(sealed, *place)
    if hashlib.sha256(found.encode()).hexdigest() != body["sealed"]:
        raise _broken(place)
    return found


def place_of_entry(body: Mapping[str, Any]) -> tuple[object, ...]:
    """What the part of an entry of the audit is bound to that is sealed beside its text."""
    return "audit.sealed", body["thread_id"], body["sealed"]


def key_id(key: bytes) -> str:
    """What names a key: it says nothing about it."""
    return hashlib.sha256(b"signoff: the id of a key" + key).digest()[:ID_SIZE].hex()


def key_of(value: object) -> str | None:
    """The id of the key that a text, or bytes with a sealed type, are sealed with; else None."""
    if isinstance(value, bytes):
        return value[:ID_SIZE].hex()
    if _is_sealed(value):
        return value[len(MARK) :].partition(":")[0]
    return None


def _is_sealed(value: object) -> TypeGuard[str]:
    """Whether this is a sealed text, and nothing that somebody else calls so."""
    return isinstance(value, str) and value.startswith(MARK)


def _present(shape: str, row: Mapping[str, Any]) -> Iterable[tuple[Part, Any]]:
    for part in SHAPES[shape]:
        value = row.get(part.field)
        if value is not None and part.member is not None:
            value = value.get(part.member)
        if value is not None:
            yield part, value


def _is_empty(value: Any) -> bool:
    return value is None or value in ({}, [], "")


def _bound(place: Iterable[object]) -> bytes:
    return "\0".join(map(str, place)).encode()


def _scalar(row: Mapping[str, Any], channel: str) -> tuple[object, ...]:
    return "checkpoints.checkpoint", *_checkpoint(row), channel


def _metadata(row: Mapping[str, Any]) -> tuple[object, ...]:
    return "checkpoints.metadata", *_checkpoint(row)


def _checkpoint(row: Mapping[str, Any]) -> tuple[object, ...]:
    return row["thread_id"], row["checkpoint_ns"], row["checkpoint_id"]


def _broken(place: Iterable[object], why: str = "") -> CannotDecrypt:
    column, *ids = map(str, place)
    of = " ".join(filter(None, ids))
    return CannotDecrypt(f"{column} of {of}: {why or 'it was changed, or belongs to another row'}")
