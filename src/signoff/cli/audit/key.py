"""`signoff audit key`."""

from __future__ import annotations

import sys

from signoff import audit_key
from signoff.cli.options import AsJson
from signoff.cli.output import plain, print_json
from signoff.cli.session import settings_here
from signoff.project.files import shown


def key(*, as_json: AsJson = False) -> None:
    """Print the public key that the audit is signed with; make a key if there is none.

    The private key is in the file that the setting `audit_key` names, or in `audit.key` in the data
    folder, and only its owner can read it.
    """
    settings = settings_here()
    file = audit_key.file_of(settings)
    made = audit_key.create(file)
    public = audit_key.read(file).public
    if as_json:
        print_json(
            {
                "file": str(file),
                "made": made,
                "public_key": public,
                "pem": audit_key.pem(public),
            }
        )
        return
    if made:
        print(plain(f"made a key in {shown(file)}"), file=sys.stderr)
    print(public)
