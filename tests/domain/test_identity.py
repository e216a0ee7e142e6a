"""What the claims of a provider make of somebody, and whom they let in."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from signoff.domain.errors import SignInRefused
from signoff.domain.identity import Account, Limit, Rules, account, claim, joined
from signoff.domain.principal import Role
from signoff.openid.settings import OpenIdSettings

JANE = {
    "iss": "https://login.firm.com",
    "sub": "248289761001",
    "email": "jane@firm.com",
    "email_verified": True,
}


def of(rules: Rules, **claims: Any) -> Account:
    return account(rules, {**JANE, **claims}, authenticated_at=None)


def refused(rules: Rules, **claims: Any) -> str:
    with pytest.raises(SignInRefused) as error:
        of(rules, **claims)
    return error.value.message


def test_only_those_of_the_allowed_groups_are_let_in() -> None:
    rules = Rules(groups_claim="groups", groups=frozenset({"legal", "risk"}))
    assert of(rules, groups=["sales", "risk"]).groups == ("sales", "risk")
    assert of(rules, groups="legal").groups == ("legal",)
    for groups in (["sales"], [], None, {"legal": True}, ["Legal"], ["legal "], [["legal"]], 1):
        assert "none of the groups" in refused(rules, groups=groups)


def test_what_somebody_is_called_at_the_provider_is_no_group() -> None:
    rules = Rules(groups_claim="groups", groups=frozenset({"legal"}))
    assert "none of the groups" in refused(rules, group=["legal"], roles=["legal"])


ROLES = {"staff": Role.REVIEWER, "leads": Role.ADMIN, "audit": Role.VIEWER}


def test_the_highest_role_holds() -> None:
    rules = Rules(groups_claim="groups", roles=ROLES, default_role=Role.VIEWER)
    assert of(rules, groups=["audit", "leads", "staff"]).role is Role.ADMIN
    assert of(rules, groups=["audit", "staff"]).role is Role.REVIEWER
    assert of(rules, groups=["other"]).role is Role.VIEWER


@pytest.mark.parametrize("groups", [["other"], [], None, "admin", ["LEADS"], ["leads\n"]])
def test_who_has_no_role_is_not_let_in_where_there_is_none_by_default(groups: Any) -> None:
    rules = Rules(groups_claim="groups", roles=ROLES, default_role=None)
    assert "has a role here" in refused(rules, groups=groups)
    assert of(rules, groups=["audit"]).role is Role.VIEWER


def test_with_a_claim_of_their_own_groups_give_no_role() -> None:
    rules = Rules(groups_claim="groups", roles_claim="realm.roles", roles=ROLES, default_role=None)
    found = of(rules, groups=["sales"], realm={"roles": ["leads"]})
    assert (found.role, found.groups) == (Role.ADMIN, ("sales",))
    assert "has a role here" in refused(rules, groups=["leads"])
    assert "has a role here" in refused(rules, groups=["leads"], realm=["leads"])
    by_name = {"realm.roles": ["audit"], "realm": {"roles": ["leads"]}}
    assert of(rules, **by_name).role is Role.VIEWER, "the claim of that very name comes first"


def test_without_roles_it_is_left_to_the_user_what_they_are() -> None:
    assert of(Rules(groups_claim="groups"), groups=["leads"], role="admin").role is None


def test_graphs_are_those_of_all_groups_and_without_any_nobody_is_let_in() -> None:
    graphs = {"legal": ("contracts", "risk"), "sales": ("risk", "offers"), "leads": None}
    rules = Rules(groups_claim="groups", graphs=graphs)
    assert of(rules, groups=["sales", "legal"]).limit == Limit(("risk", "offers", "contracts"))
    assert of(rules, groups=["legal", "leads"]).limit == Limit(None)
    assert "any graph" in refused(rules, groups=["other"])
    assert of(Rules(groups_claim="groups"), groups=["legal"]).limit is None


def test_an_address_counts_only_if_it_is_verified() -> None:
    assert of(Rules(), email="Jane@Firm.com").name == "jane@firm.com"
    assert of(Rules(), email_verified="true").name == "jane@firm.com"
    for verified in (False, "false", None, 1, "True", ["true"]):
        assert "not verified" in refused(Rules(), email_verified=verified)
    trusting = Rules(trust_email=True)
    assert of(trusting, email_verified=None).name == "jane@firm.com"
    assert "not verified" in refused(trusting, email_verified=False)


@pytest.mark.parametrize(
    "email", ["eve@evil.com", "eve@firm.com.evil.com", "eve@sub.firm.com", "firm.com@evil.com"]
)
def test_of_other_domains_nobody_is_let_in(email: str) -> None:
    rules = Rules(domains=frozenset({"firm.com"}))
    assert of(rules).email == "jane@firm.com"
    assert "e-mail address" in refused(rules, email=email)
    assert "e-mail address" in refused(rules, email_verified=False)


@pytest.mark.parametrize("name", ["system", "group:legal", "key:crm", " jane", "ja\nne", "", 7])
def test_nobody_has_a_name_that_is_kept(name: Any) -> None:
    assert refused(Rules(name_claim="preferred_username"), preferred_username=name)


def test_what_is_said_of_one_address_is_not_said_of_another() -> None:
    unverified = {**JANE, "email": "jane@firm.com"}
    del unverified["email_verified"]
    other = {"sub": JANE["sub"], "email": "eve@evil.com", "email_verified": True, "name": "Eve"}
    both = joined(unverified, other)
    assert (both["email"], both["name"]) == ("jane@firm.com", "Eve")
    assert "not verified" in refused(Rules(), **both)
    same = joined(unverified, {**other, "email": "jane@firm.com"})
    assert account(Rules(), same, authenticated_at=None).name == "jane@firm.com"
    late = joined({"sub": "1", "email_verified": True}, {"sub": "1", "email": "eve@evil.com"})
    assert late["email_verified"] is None


def test_a_claim_is_found_by_its_name_or_by_a_path() -> None:
    claims = {"https://firm.com/groups": ["a"], "realm": {"roles": ["b"]}, "flat": "c"}
    assert claim(claims, "https://firm.com/groups") == ["a"]
    assert claim(claims, "realm.roles") == ["b"]
    assert claim(claims, "flat.roles") is None
    assert claim(claims, "realm.none.deeper") is None


PROVIDER = {"issuer": "https://login.firm.com", "client_id": "signoff"}


def test_settings_are_read_as_rules() -> None:
    rules = OpenIdSettings(
        **PROVIDER,
        groups_claim="groups",
        roles={"group:leads": "admin"},
        default_role="none",
        graphs={"leads": "*", "group:legal": ["contracts"]},
        allowed_groups=["group:legal", "leads"],
        allowed_domains=["@Firm.com"],
    ).rules
    assert rules.default_role is None
    assert rules.roles == {"leads": Role.ADMIN}
    assert rules.graphs == {"leads": None, "legal": ("contracts",)}
    assert rules.groups == {"legal", "leads"}
    assert rules.domains == {"firm.com"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"allowed_groups": ["legal"]},
        {"graphs": {"legal": "*"}},
        {"roles": {"legal": "admin"}},
        {"default_role": "none"},
        {"groups_claim": "groups", "default_role": "none"},
        {"groups_claim": "groups", "roles": {"legal": "owner"}},
        {"issuer": "http://login.firm.com"},
        {"issuer": "https://me@login.firm.com"},
    ],
)
def test_settings_that_would_let_in_nobody_or_anybody_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OpenIdSettings(**{**PROVIDER, **wrong})
