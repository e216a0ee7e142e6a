"""Opening a request: the question of a pause, under the policy that holds for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from signoff.domain.audit import AuditEntry
from signoff.domain.errors import InvalidPolicy
from signoff.domain.principal import SYSTEM
from signoff.domain.question import Pause, Question
from signoff.domain.request import Request
from signoff.domain.timetable import deadline
from signoff.envelope import check_groups, is_envelope
from signoff.ids import new_id
from signoff.log import get_logger
from signoff.policies.book import PolicyBook

log = get_logger(__name__)

Book = Callable[[], PolicyBook]
"""The policies that hold right now: a changed file holds for the next request."""


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens requests under the policies of a desk."""

    book: Book = PolicyBook

    def check(self, value: Any) -> None:
        """Whether all groups that a call to `ask()` names are there, as far as that is known.

        Raises:
            InvalidQuestion: One is not: nobody in it might ever be admitted.
        """
        people = self.book().people
        if people is not None and is_envelope(value):
            check_groups(value, people)

    def open(
        self,
        question: Question,
        pause: Pause,
        *,
        at: datetime,
        run_id: str | None = None,
        traceparent: str | None = None,
        involved: Sequence[str] = (),
        revises: str | None = None,
        remark: str | None = None,
    ) -> Request:
        """A request for this question, with its policy, and a timetable by it."""
        book = self.book()
        policy = book.policy_for(
            question.policy,
            graph=pause.graph,
            node=pause.node,
            kind=question.kind,
            topic=question.topic,
            actions=question.actions,
            question=question,
        )
        try:
            timetable = book.timetable(policy, at)
        except InvalidPolicy as error:
            # A pause is never lost over its policy: without a timetable nothing happens by itself.
            log.warning("a request has no timetable", title=question.title, reason=error.message)
            timetable, remark = (), remark or f"Nothing happens by itself: {error.message}"
        said = [each for each in (remark, question.remark) if each]
        return Request(
            id=new_id(),
            pause=pause,
            question=replace(question, policy=policy),
            opened_at=at,
            run_id=run_id,
            traceparent=traceparent,
            involved=tuple(dict.fromkeys(involved)),
            timetable=timetable,
            deadline=deadline(timetable),
            revises=revises,
            remark=" ".join(said) or None,
        )


def opened_entry(request: Request) -> AuditEntry:
    """What the audit says of a request that was opened."""
    return AuditEntry(
        event="request.opened",
        thread_id=request.thread_id,
        by=SYSTEM,
        at=request.opened_at,
        request_id=request.id,
        run_id=request.run_id,
        data={
            "kind": request.kind,
            "title": request.title,
            "digest": request.digest,
            "checkpoint_id": request.checkpoint_id,
            "policy": request.policy.to_json(),
        },
        digest=request.digest,
        checkpoints=(request.checkpoint_id, request.checkpoint_id),
    )
