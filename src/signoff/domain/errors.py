"""Everything that Signoff refuses or cannot do, each with a stable code.

    SignoffError
    ├── NotFound              RequestNotFound, ThreadNotFound, RunNotFound, CheckpointNotFound,
    │                         GraphNotFound, UserNotFound, KeyNotFound, DeliveryNotFound,
    │                         LinkNotFound
    ├── Unauthenticated       nobody is signed in, or too long ago: SignInTooOld; SignInRefused
    ├── ProviderUnavailable   the OpenID provider does not answer, or nothing that can be used
    ├── RateLimited           too much in too short a time
    ├── Forbidden             somebody is, and may not
    ├── Conflict              RequestClosed, AlreadyClaimed, StaleDigest, ThreadBusy,
    │                         ThreadExists, NothingPending, UnknownPause, NotRetryable, LeaseLost
    ├── InvalidInput          InvalidJSON, InvalidQuestion, InvalidAnswer, InvalidPolicy,
    │                         IdempotencyKeyReused, NotSupported
    ├── TooLarge              over 1 MiB
    ├── ConfigError           settings, signoff.toml, langgraph.json
    ├── DatabaseNotReady      DatabaseUnreachable, RightsMissing, SchemaMissing, SchemaTooOld,
    │                         SchemaTooNew, EncryptionKeyMissing
    ├── CannotDecrypt         what is stored was changed, or moved to another row
    └── ChannelError          a message could not be handed over

A code is part of the public contract: programs branch on it, the documentation has a heading for
it, and it never changes. A message is for people and may be reworded at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Self


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong at one place of a JSON document."""

    pointer: str
    """Where: a JSON pointer (RFC 6901); empty for the document itself."""
    message: str

    def as_dict(self) -> dict[str, str]:
        """The shape that goes over the wire: `{"pointer", "message"}`."""
        return {"pointer": self.pointer, "message": self.message}


class SignoffError(Exception):
    """The root: catch this to catch whatever Signoff raises on purpose."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


# --- not found ---------------------------------------------------------------------------------


class NotFound(SignoffError):
    """What was named does not exist, or the principal may not know that it does."""

    code = "not_found"


class RequestNotFound(NotFound):
    """No request has this id."""

    code = "request_not_found"

    @classmethod
    def of(cls, request_id: str) -> Self:
        """There is none of this id."""
        return cls(f"There is no request {request_id}.")


class ThreadNotFound(NotFound):
    """No thread has this id."""

    code = "thread_not_found"

    @classmethod
    def of(cls, thread_id: str) -> Self:
        """There is none of this id."""
        return cls(f"There is no thread {thread_id}.")


class RunNotFound(NotFound):
    """The thread has no run with this id."""

    code = "run_not_found"

    @classmethod
    def of(cls, thread_id: str, run_id: str) -> Self:
        """The thread has none of this id."""
        return cls(f"Thread {thread_id} has no run {run_id}.")


class CheckpointNotFound(NotFound):
    """The thread has no such checkpoint, or its graph no such subgraph."""

    code = "checkpoint_not_found"


class GraphNotFound(NotFound):
    """No graph is served under this name or assistant id."""

    code = "graph_not_found"


class UserNotFound(NotFound):
    """There is no user of that name."""

    code = "user_not_found"

    @classmethod
    def of(cls, name: str) -> Self:
        """There is none of this name."""
        return cls(f"There is no user {name}: see `signoff users list`.")


class KeyNotFound(NotFound):
    """There is no API key of that id or name that could be revoked."""

    code = "key_not_found"


class DeliveryNotFound(NotFound):
    """There is no message with this id."""

    code = "delivery_not_found"


class LinkNotFound(NotFound):
    """This is no link of a message, or not any more: which of the two is not said."""

    code = "link_not_found"

    def __init__(self) -> None:
        super().__init__("This link leads nowhere. Open the message again, or sign in.")


# --- who ---------------------------------------------------------------------------------------


class Unauthenticated(SignoffError):
    """The call came without a principal, and it needs one."""

    code = "unauthenticated"


class SignInTooOld(Unauthenticated):
    """The policy asks for a sign-in that is not older than `max_age`: sign in again."""

    code = "sign_in_too_old"

    def __init__(self, message: str, *, max_age: timedelta) -> None:
        super().__init__(message)
        self.max_age = max_age


class SignInRefused(Unauthenticated):
    """The OpenID provider knows who it is, or says so, and they are not let in."""

    code = "sign_in_refused"


class ProviderUnavailable(SignoffError):
    """The OpenID provider does not answer, or nothing that can be used."""

    code = "provider_unavailable"


class RateLimited(SignoffError):
    """There was more in a short time than is taken; after a while it is taken again."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Forbidden(SignoffError):
    """The principal is known, and the policy does not admit it."""

    code = "forbidden"


# --- conflicts: well formed, but not now -------------------------------------------------------


class Conflict(SignoffError):
    """The state of things does not allow it, and nothing was changed."""

    code = "conflict"


class RequestClosed(Conflict):
    """The request was closed before, by another decision or otherwise. It never opens again."""

    code = "request_closed"

    def __init__(self, request_id: object, state: object) -> None:
        super().__init__(f"Request {request_id} is {state}: it takes no decision any more.")
        self.request_id = str(request_id)
        self.state = str(state)


class AlreadyClaimed(Conflict):
    """Somebody else has claimed the request."""

    code = "already_claimed"

    def __init__(self, request_id: object, claimed_by: str) -> None:
        super().__init__(f"Request {request_id} is claimed by {claimed_by}.")
        self.claimed_by = claimed_by


class StaleDigest(Conflict):
    """The decision was made about something else than what the request shows now."""

    code = "stale_digest"


class ThreadBusy(Conflict):
    """A run is under way on this thread, and a thread has one run at a time."""

    code = "thread_busy"


class ThreadExists(Conflict):
    """A thread with this id exists already."""

    code = "thread_exists"


class NothingPending(Conflict):
    """The thread waits for no answer, so there is nothing to resume."""

    code = "nothing_pending"


class UnknownPause(Conflict):
    """The pause that an answer is for is not, or no longer, waiting in the graph."""

    code = "unknown_pause"


class NotRetryable(Conflict):
    """Nothing failed here that could be retried."""

    code = "not_retryable"


class LeaseLost(Conflict):
    """Another worker has taken over the thread: what this one still wants to write is refused."""

    code = "lease_lost"


# --- invalid input -----------------------------------------------------------------------------


class InvalidInput(SignoffError):
    """The caller's data is not acceptable; `errors` says where, as far as that can be said."""

    code = "invalid_input"

    def __init__(self, message: str, errors: Iterable[FieldError] = ()) -> None:
        super().__init__(message)
        self.errors: tuple[FieldError, ...] = tuple(errors)

    @classmethod
    def of(cls, name: str, problem: str) -> Self:
        """That one field of what came is wrong."""
        return cls(f"{name} {problem}", [FieldError(f"/{name}", problem)])


class InvalidJSON(InvalidInput):
    """Not JSON, or JSON that cannot be kept: see `signoff.domain.jsontext`."""

    code = "invalid_json"


class InvalidQuestion(InvalidInput, ValueError):
    """A node called `ask()` with something that makes no question; raised in the node, at once.

    Or it paused with something that cannot be stored.
    """

    code = "invalid_question"


class InvalidAnswer(InvalidInput):
    """The action is not offered, or its values do not fit its schema."""

    code = "invalid_answer"


class InvalidPolicy(InvalidInput):
    """A policy says something impossible, such as a negative duration."""

    code = "invalid_policy"


class IdempotencyKeyReused(InvalidInput):
    """The same `Idempotency-Key` came before, with another content."""

    code = "idempotency_key_reused"


class NotSupported(InvalidInput):
    """Well formed, and LangGraph's own server may do it, but Signoff does not."""

    code = "not_supported"


class TooLarge(SignoffError):
    """A payload or an answer is over its limit."""

    code = "too_large"


# --- set-up ------------------------------------------------------------------------------------


class ConfigError(SignoffError):
    """The configuration cannot be used; the message names the setting or the file."""

    code = "config_error"


class DatabaseNotReady(SignoffError):
    """The database cannot be worked with as it is."""

    code = "database_not_ready"


class DatabaseUnreachable(DatabaseNotReady):
    """No connection to the database could be made."""

    code = "database_unreachable"


class RightsMissing(DatabaseNotReady):
    """The role that the database is used with may not do this there."""

    code = "rights_missing"


class SchemaMissing(DatabaseNotReady):
    """The database has no Signoff tables yet: `signoff migrate` makes them."""

    code = "schema_missing"


class SchemaTooOld(DatabaseNotReady):
    """The database is behind this program: `signoff migrate` brings it up to date."""

    code = "schema_too_old"


class SchemaTooNew(DatabaseNotReady):
    """The database is ahead of this program, which therefore must not touch it."""

    code = "schema_too_new"


class EncryptionKeyMissing(DatabaseNotReady):
    """Something is encrypted with a key that this process has not; the message names it."""

    code = "encryption_key_missing"

    @classmethod
    def of(cls, key: str) -> EncryptionKeyMissing:
        """For the key with this id."""
        return cls(
            f"the database has rows encrypted with the key {key}, which this process has not: "
            "add it to the setting encryption_keys"
        )


class CannotDecrypt(SignoffError):
    """What is stored is not what was encrypted there: it was changed, or moved to another row."""

    code = "cannot_decrypt"


# --- channels ----------------------------------------------------------------------------------


class ChannelError(SignoffError):
    """A notification was not handed over; `permanent` says that trying again is useless.

    `retry_after` is how long the receiver asks to be left alone, if it does.
    """

    code = "channel_error"

    def __init__(
        self, message: str, *, permanent: bool = False, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after
