"""How a key is written in the settings, and what it allows.

    CLICKSTREAM_WRITE_KEYS=sha256:9f86…;name=shop;origins=https://a.example|https://b.example, …

A key is its SHA-256 in hex (recommended) or its plain text; after it, by semicolons, `name`,
`origins`, `expires` and, for a write key that may not write everything, `rights=events|sessions`.
A fast hash is enough: our keys are 256 random bits, which nobody guesses
however fast the guesses can be checked.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import Final

from pydantic import SecretStr

from core.errors import SetupError
from core.settings import Settings

HASHED: Final = "sha256:"
# Shorter plain text can be guessed, given the years that keys live.
ENOUGH_CHARS: Final = 16
# 256 bits.
_RANDOM_BYTES: Final = 32

_HEX_DIGEST: Final = re.compile(r"[0-9a-fA-F]{64}")
# The name goes into metrics, logs and the audit trail of marks.
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_FORM: Final = "write sha256:<64 hex digits>;name=…;origins=…;rights=…;expires=…"


class Right(Enum):
    """What a key may allow."""

    SESSIONS = "sessions"
    EVENTS = "events"
    MARKS = "marks"
    WRITE = "write"
    """All three of them."""
    READ = "read"
    ADMIN = "admin"


SINGLE_WRITES: Final = frozenset({Right.SESSIONS, Right.EVENTS, Right.MARKS})
"""What `write` is made of."""


@dataclass(frozen=True, slots=True)
class Key:
    """A known key. Its text is not kept."""

    digest: bytes
    rights: frozenset[Right]
    name: str
    """As given, or the head of the SHA-256: for the audit trail."""
    origins: frozenset[str] = frozenset()
    """The pages that may use it; empty: not for pages alone."""
    expires_ms: int | None = None
    """From this time on it is refused, milliseconds since the epoch."""
    is_weak: bool = False
    """Given as plain text that is short enough to be guessed."""

    @property
    def sees_positions(self) -> bool:
        """Whether responses tell it offsets of Kafka, from which the traffic can be computed.

        A key that may read can use them, and one that may write everything hands them to one that
        reads. A key of a web page, or with a part of the writes, is told none.
        """
        may_use = {Right.READ, Right.WRITE, Right.ADMIN} & self.rights
        return bool(may_use) and not self.origins

    def allows(self, right: Right) -> bool:
        return right in self.rights or Right.ADMIN in self.rights


def keys_of(settings: Settings) -> tuple[Key, ...]:
    """All keys of the settings; one that stands in several lists has the rights of all of them.

    Raises SetupError, which names the setting and never the key.
    """
    found: dict[bytes, Key] = {}
    for right, setting, text in _declared(settings):
        key = parse(text.get_secret_value(), right, setting)
        known = found.get(key.digest)
        if known is not None:
            if replace(known, rights=key.rights) != key:
                raise SetupError(
                    f"{setting} stands elsewhere with other attributes: make them equal"
                )
            key = replace(key, rights=known.rights | key.rights)
        found[key.digest] = key
    return tuple(found.values())


def parse(text: str, right: Right, setting: str) -> Key:
    """One key as it stands in the settings. SetupError, whose message begins with `setting`."""
    secret, *attributes = (part.strip() for part in text.split(";"))
    digest = _digest(secret, setting)
    rights = SINGLE_WRITES | {right} if right is Right.WRITE else frozenset({right})
    key = Key(digest, rights, f"key-{digest.hex()[:8]}", is_weak=_is_weak(secret))
    for attribute in attributes:
        name, _, value = attribute.partition("=")
        key = _with_attribute(key, name.strip().lower(), value.strip(), setting)
    return key


def plain_text(declared: SecretStr) -> str:
    """The key as a client has to send it. SetupError if the settings have its hash alone."""
    secret = declared.get_secret_value().partition(";")[0].strip()
    if secret.startswith(HASHED):
        raise SetupError("the settings have the hash of the key: give the key in plain text here")
    return secret


def new_key(right: Right) -> str:
    """A fresh random key. The prefix lets people and secret scanners recognise it."""
    return f"cs_{right.value}_{secrets.token_urlsafe(_RANDOM_BYTES)}"


def declaration(key: str, attributes: dict[str, str]) -> str:
    """What to write into the settings for this key: its hash, and these attributes."""
    parts = [HASHED + digest_of(key.encode()).hex()]
    return ";".join([*parts, *(f"{name}={value}" for name, value in attributes.items() if value)])


def digest_of(key: bytes) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key).digest()


def checked_origin(text: str) -> str:
    """A browser's `Origin`, as it is sent; ValueError for what no browser would send."""
    if not _ORIGIN.fullmatch(text):
        raise ValueError("an origin is written https://shop.example or http://localhost:3000")
    return text


def day_or_time(text: str) -> int:
    """The end of a day in UTC, or an ISO time; milliseconds. ValueError if it is neither."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
    else:
        moment = datetime.combine(day + timedelta(days=1), time())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def moment(ms: int) -> str:
    """A time for people."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _declared(settings: Settings) -> Iterator[tuple[Right, str, SecretStr]]:
    lists: dict[Right, tuple[SecretStr, ...]] = {
        Right.WRITE: settings.write_keys,
        Right.READ: settings.read_keys,
        Right.ADMIN: settings.admin_keys,
    }
    for right, keys in lists.items():
        for number, key in enumerate(keys, 1):
            yield right, f"CLICKSTREAM_{right.name}_KEYS: key {number}", key


def _digest(secret: str, setting: str) -> bytes:
    if not secret:
        raise SetupError(f"{setting} is empty: {_FORM}")
    if not secret.startswith(HASHED):
        return digest_of(secret.encode())
    if not _HEX_DIGEST.fullmatch(secret.removeprefix(HASHED)):
        raise SetupError(f"{setting} is no SHA-256: {_FORM}")
    return bytes.fromhex(secret.removeprefix(HASHED))


def _is_weak(secret: str) -> bool:
    return not secret.startswith(HASHED) and len(secret) < ENOUGH_CHARS


def _single_writes(value: str, setting: str) -> frozenset[Right]:
    known = {right.value: right for right in SINGLE_WRITES}
    names = [name.strip().lower() for name in value.split("|")]
    if not set(names) <= known.keys():
        raise SetupError(f"{setting}: rights= takes {', '.join(sorted(known))}, separated by |")
    return frozenset(known[name] for name in names)


def _with_attribute(key: Key, name: str, value: str, setting: str) -> Key:
    # Values are not quoted: what looks like an attribute may be a part of a key.
    if name == "name":
        if not _NAME.fullmatch(value):
            raise SetupError(f"{setting}: a name has 1 to 64 letters, digits, dots or dashes")
        return replace(key, name=value)
    if name == "origins":
        try:
            origins = frozenset(checked_origin(one.strip()) for one in value.split("|"))
        except ValueError as error:
            raise SetupError(f"{setting}: {error}; several are separated by |") from None
        return replace(key, origins=origins)
    if name == "rights" and Right.WRITE in key.rights:
        return replace(key, rights=_single_writes(value, setting))
    if name == "expires":
        try:
            return replace(key, expires_ms=day_or_time(value))
        except ValueError:
            raise SetupError(f"{setting}: write expires=2027-01-31, or an ISO time") from None
    raise SetupError(f"{setting} has an attribute that is not known: {_FORM}")
