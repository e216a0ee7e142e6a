"""Who acts with an API key, and how far."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from signoff.domain.errors import InvalidInput
from signoff.domain.key import Key, digest, parts_of, text_of
from signoff.domain.principal import Principal, Role, check_user, within
from signoff.domain.user import User

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SECRET = "s" * 43
KEY = Key(
    id="0123456789ab",
    name="ci",
    hash=digest(SECRET),
    role=Role.OPERATOR,
    groups=("bots",),
    graphs=("contracts", "risk"),
    created_at=NOW,
    created_by="ann",
    expires_at=NOW + timedelta(days=1),
)


def test_each_role_includes_those_before_it_and_no_other() -> None:
    roles = list(Role)
    for n, one in enumerate(roles):
        assert [one.includes(other) for other in roles] == [m <= n for m in range(len(roles))]


def test_only_its_own_secret_opens_a_key() -> None:
    assert KEY.has(SECRET)
    assert not KEY.has("t" * 43)
    assert parts_of(text_of(KEY.id, SECRET)) == (KEY.id, SECRET)


@pytest.mark.parametrize(
    "text", ["", "signoff", f"signoff_{KEY.id}", f"other_{KEY.id}_{SECRET}", f"signoff_x_{SECRET}"]
)
def test_what_is_no_key_has_no_parts(text: str) -> None:
    assert parts_of(text) is None
    assert parts_of(f"signoff_{KEY.id}_{SECRET}\n") is None


def test_a_key_expires_at_its_moment_and_is_revoked_before_all() -> None:
    assert KEY.state(NOW) == "active"
    assert KEY.state(NOW + timedelta(days=1)) == "expired"
    assert replace(KEY, expires_at=None).state(NOW + timedelta(days=9999)) == "active"
    assert replace(KEY, revoked_at=NOW).state(NOW) == "revoked"


def test_a_key_acts_by_a_name_that_no_user_has() -> None:
    assert KEY.act(None) == Principal(
        name="key:ci",
        role=Role.OPERATOR,
        graphs=frozenset({"contracts", "risk"}),
        groups=frozenset({"bots"}),
        method=f"key {KEY.id}",
    )
    with pytest.raises(InvalidInput):
        check_user("key:ci")


def test_a_key_for_a_user_may_never_do_more_than_the_user() -> None:
    key = replace(KEY, user="ann", groups=())
    viewer = User(name="ann", role=Role.VIEWER, graphs=("risk", "other"))
    acting = key.act(viewer)
    assert acting is not None
    assert (acting.name, acting.role, acting.graphs) == ("ann", Role.VIEWER, {"risk"})
    acting = key.act(User(name="ann", role=Role.ADMIN))
    assert acting is not None
    assert (acting.role, acting.graphs) == (Role.OPERATOR, {"contracts", "risk"})
    assert key.act(None) is None


def test_two_limits_leave_what_both_allow() -> None:
    assert within(None, None) is None
    assert within(["a"], None) == within(None, ["a"]) == {"a"}
    assert within(["a"], ["b"]) == frozenset()


def test_who_is_limited_sees_nothing_of_other_graphs() -> None:
    ann = Principal(name="ann", graphs=frozenset({"risk"}))
    assert [ann.sees(graph) for graph in ("risk", "contracts", None)] == [True, False, False]
    assert Principal(name="ann").sees(None)
