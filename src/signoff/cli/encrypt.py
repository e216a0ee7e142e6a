"""`signoff encrypt`."""

from __future__ import annotations

from dataclasses import asdict

from signoff import sealing
from signoff.cli.options import AsJson
from signoff.cli.output import print_json
from signoff.cli.progress import progress_bar
from signoff.cli.session import database_address, log_quietly, run, settings_here
from signoff.db import migrate as schema
from signoff.db.pool import Database, probe
from signoff.service.encrypt import Encrypted, encrypt_all
from signoff.speech import number


def encrypt(*, as_json: AsJson = False) -> None:
    """Encrypt what is stored with the newest key, which is the first of the setting.

    What is in the clear is encrypted, what is encrypted with another key is encrypted anew. Servers
    and workers may go on meanwhile, and it can be broken off and begun again. Afterwards it says
    which keys nothing needs any more. See the guide on encryption.
    """
    done = run(_encrypt(shown=not as_json))
    if as_json:
        print_json(asdict(done))
        return
    looked_at = f"{number(done.rows, 'row')} looked at"
    print(f"{looked_at}, {done.rewritten:,} encrypted with the key {done.key}")
    for key in done.forgotten:
        print(f"Nothing needs the key {key} any more: remove it from the settings.")
    for key in done.in_use:
        print(f"Processes still write with the key {key}: restart them, and run this again.")


async def _encrypt(*, shown: bool) -> Encrypted:
    settings = settings_here()
    log_quietly(settings)
    # Strictness is for those who read what this has gone through.
    sealer = sealing.of_project(settings.model_copy(update={"encryption_strict": False}))
    with progress_bar("encrypting", shown=shown) as progress:
        async with database_address(settings) as url:
            await probe(url)
            async with Database(url, max_connections=2, sealer=sealer) as database:
                await schema.check(database)
                return await encrypt_all(database, progress)
