"""Release what has waited longer than `signoff.toml` allows, for a timer."""

import argparse
from typing import Any

from signoff import errors
from signoff.client import Client

RELEASE: dict[str, Any] = {"forced": True, "reason": "sla_timeout"}
"""What the sweep puts into the state: the client gets the safe answer, and it shows why."""


def sweep(url: str, api_key: str) -> list[str]:
    """Let the stale threads go on; those that went on by it.

    A thread that an officer decides at the same moment is the officer's: one of the two decisions
    is taken, with its values, and the other is refused.
    """
    released = []
    with Client(url, api_key=api_key) as client:
        for request in list(client.all_requests(graph="advice_compliance", overdue=True)):
            try:
                client.decide(request.id, "continue", values=RELEASE, digest=request.digest)
            except errors.Conflict:
                continue
            released.append(request.thread_id)
    return released


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8124")
    parser.add_argument("--key", required=True, help="an API key of sla-sweep@firm.com")
    given = parser.parse_args()
    for thread_id in sweep(given.url, given.key):
        print(f"released {thread_id}: {RELEASE['reason']}")
