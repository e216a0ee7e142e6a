"""What the command line says when something is refused, and its exit codes."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import typer

from signoff.domain.errors import InvalidInput, SignoffError

OK = 0
FAILED = 1
"""Whatever Signoff refuses or cannot do: every `SignoffError`."""
MISUSED = 2
"""The command line itself is wrong."""

_SECRETS = re.compile(
    r"(://[^\s:/@]*:)[^\s@]+(?=@)"  # in the address of a database, or of a proxy
    r"|(\b(?:password|client_secret)\s*=\s*)('[^']*'|[^\s&]+)"
    r"|(\bBearer\s+)[\w.~+/=-]+"
    r"|(\bsignoff_[0-9a-z]+_)[\w-]{20,}"  # an API key: signoff/domain/key.py
    r"|(\bwhsec_)[\w+/=-]+"  # what webhooks are signed with
    r"|(/decide/)[\w-]+",  # the link of a message: signoff/service/links.py
    re.IGNORECASE,
)


def refused(error: SignoffError, *, as_json: bool) -> int:
    """Say on standard error why something was refused; the exit code for it."""
    if as_json:
        wrong = error.errors if isinstance(error, InvalidInput) else ()
        _print_json(error.code, error.message, [each.as_dict() for each in wrong])
    else:
        _print(f"signoff: {told(error)}")
    return FAILED


def told(error: SignoffError) -> str:
    """Why something was refused, and where, on a line that no terminal acts on."""
    wrong = error.errors if isinstance(error, InvalidInput) else ()
    unsaid = [each for each in wrong if each.message not in error.message]
    places = "; ".join(f"{each.pointer or '/'} {each.message}" for each in unsaid)
    return _line(f"{error.message}{f' ({places})' if places else ''}")


def misused(error: typer.TyperException, *, as_json: bool) -> int:
    """Say on standard error what is wrong with the command line; the exit code for it."""
    message = error.format_message().replace(": Value error, ", ": ")
    context: Any = getattr(error, "ctx", None)
    command = "signoff" if context is None else context.command_path
    if type(error).__name__ == "NoArgsIsHelpError":  # it has printed the help
        return MISUSED
    if as_json:
        _print_json("usage", message, [])
    else:
        _print(f"{command}: {message.rstrip('.')}. Try '{command} --help'.")
    return MISUSED


def without_secrets(text: str) -> str:
    """`text` with passwords and keys masked, as far as one sees what they are."""
    return _SECRETS.sub(
        lambda found: f"{found[1] or found[2] or found[4] or found[5] or found[6] or found[7]}***",
        text,
    )


def _print(text: str) -> None:
    print(_line(text), file=sys.stderr)


def _line(text: str) -> str:
    line = " ".join(without_secrets(text).split())
    return "".join(each if each.isprintable() else "\ufffd" for each in line)


def _print_json(code: str, message: str, wrong: list[dict[str, str]]) -> None:
    content = {"code": code, "message": without_secrets(message), "errors": wrong}
    print(json.dumps(content), file=sys.stderr)
