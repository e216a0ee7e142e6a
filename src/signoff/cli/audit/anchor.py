"""`signoff audit anchor`."""

from __future__ import annotations

from signoff import audit_key
from signoff.cli.audit.opening import open_database
from signoff.cli.options import AsJson
from signoff.cli.output import print_json
from signoff.cli.session import run
from signoff.clock import utcnow
from signoff.domain.anchor import Anchor
from signoff.domain.errors import ConfigError
from signoff.service.anchor import anchor_audit
from signoff.speech import number


def anchor(*, as_json: AsJson = False) -> None:
    """Sign how far the audit has come, now.

    Workers that have the key do so all the time. Note the digest somewhere else: `signoff audit
    verify --anchor NUMBER:DIGEST` then finds out whether this anchor is still there.
    """
    written = run(_anchor())
    if as_json:
        print_json({"items": [{**each.to_json(), "digest": each.digest()} for each in written]})
        return
    for each in written:
        entries = number(each.entries, "entry", "entries")
        print(f"anchor {each.number}:{each.digest()}, {entries} so far")
    if not written:
        print("Nothing was added since the last anchor.")


async def _anchor() -> list[Anchor]:
    async with open_database() as (settings, database):
        key = audit_key.of_project(settings)
        if key is None:
            raise ConfigError("there is no key to sign with: `signoff audit key` makes one")
        return await anchor_audit(database, key, at=utcnow())
