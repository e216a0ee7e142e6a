"""What ``make demo`` runs: Signoff on an embedded database, with three contracts waiting.

A second ``make demo`` finds the same database again and leaves contracts that exist alone.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

import httpx

PROJECT = Path(__file__).parent / "contract_review"
HOST, PORT = "127.0.0.1", 8124
READY_WITHIN = 120.0  # seconds; the first start creates the database
STOP_WITHIN = 30.0  # seconds
UNKNOWN = {"id": "REQUEST_ID", "thread_id": "THREAD_ID"}
REQUESTER = {"Cookie": "signoff_acts_as=sales@firm.com"}  # one of signoff.toml; in `dev` alone


@dataclass(frozen=True)
class Contract:
    """An example thread: which graph drafts and reviews it, and for whom."""

    thread_id: str
    graph: str
    input: dict[str, Any]


CONTRACTS = (
    Contract(
        "contract-acme-2026-001",
        "contract_review",
        {"client_name": "Acme GmbH", "terms": {"governing_law": "Germany"}},
    ),
    Contract(
        "contract-borealis-2026-002",
        "contract_review",
        {
            "client_name": "Borealis Shipping AS",
            "terms": {"services": "fleet analytics", "payment_days": 60},
        },
    ),
    Contract(
        "contract-cascade-2026-003",
        "contract_review_plain",
        {
            "client_name": "Cascade Water Inc.",
            "terms": {"monthly_fee": "USD 9,000", "governing_law": "the State of New York"},
        },
    ),
)


def main() -> int:
    """Serve the demo until Ctrl-C; returns the exit code."""
    for each in (signal.SIGTERM, signal.SIGINT):  # a shell has SIGINT ignored behind an `&`
        signal.signal(each, signal.default_int_handler)
    port = PORT if is_free(PORT) else any_free_port()
    address = f"http://{HOST}:{port}"
    try:
        with signoff_dev(port) as server, httpx.Client(base_url=address, timeout=300) as http:
            wait_until_ready(server, http)
            for contract in CONTRACTS:
                start_once(http, contract)
            print(what_to_try(address, open_requests(http)), flush=True)
            return server.wait()
    except KeyboardInterrupt:
        return 0


@contextmanager
def signoff_dev(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """``signoff dev`` in the example's folder, stopped gracefully on the way out.

    It gets a session of its own, so that a Ctrl-C in the terminal reaches it once, from here.
    """
    command = [sys.executable, "-m", "signoff.cli", "dev", "--host", HOST, "--port", str(port)]
    server = subprocess.Popen(command, cwd=PROJECT, start_new_session=True)
    try:
        yield server
    finally:
        server.terminate()
        try:
            server.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def wait_until_ready(server: subprocess.Popen[bytes], http: httpx.Client) -> None:
    """Return once the server answers that it is ready; end the demo if it cannot be."""
    give_up_at = time.monotonic() + READY_WITHIN
    while time.monotonic() < give_up_at:
        if (code := server.poll()) is not None:
            fail(f"signoff dev ended with exit code {code}")
        try:
            if http.get("/readyz").is_success:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(0.1)
    fail(f"signoff dev was not ready within {READY_WITHIN:.0f} seconds")


def start_once(http: httpx.Client, contract: Contract) -> None:
    """Start this contract and wait for its pause, unless it was started before."""
    thread = {"thread_id": contract.thread_id, "if_exists": "do_nothing"}
    call(http, "POST", "/threads", thread)
    runs = f"/threads/{contract.thread_id}/runs"
    if not call(http, "GET", runs):
        run = call(http, "POST", runs, {"assistant_id": contract.graph, "input": contract.input})
        call(http, "GET", f"{runs}/{run['run_id']}/join")


def open_requests(http: httpx.Client) -> list[dict[str, Any]]:
    """The requests that wait for a decision."""
    items: list[dict[str, Any]] = call(http, "GET", "/requests?state=open")["items"]
    return items


def call(http: httpx.Client, method: str, path: str, body: Any = None) -> Any:
    """The JSON that the server answers with; ends the demo if it refuses."""
    answer = http.request(method, path, json=body, headers=REQUESTER)
    if answer.is_error:
        fail(f"{method} {path}: {answer.status_code} {answer.text}")
    return answer.json()


def what_to_try(address: str, requests: list[dict[str, Any]]) -> str:
    """The text that greets whoever started the demo."""
    signoff = os.path.relpath(Path(sys.executable).with_name("signoff"), PROJECT)
    waiting = "\n".join(f"  {request['id']}  {request['title']}" for request in requests)
    first, last = (requests[0], requests[-1]) if requests else (UNKNOWN, UNKNOWN)
    return f"""
Signoff runs at {address}; the inbox is at {address}/inbox

Waiting for a decision:
{waiting or "  nothing; every contract is decided. Start another one below."}

Try it in another terminal, from the folder {os.path.relpath(PROJECT)}:

  {signoff} inbox
  {signoff} show {first["id"]}
  {signoff} decide {first["id"]} request_changes --note "Payment within 45 days, please."
  {signoff} inbox                    # version 2 waits, with the changes worked in
  {signoff} start contract_review --input '{{"client_name": "Delta Foods plc"}}'

Or over HTTP (all of it: {address}/docs):

  curl '{address}/requests?state=open'
  curl '{address}/requests/{last["id"]}/decisions' \\
    -H 'Content-Type: application/json' -b signoff_acts_as=jane@firm.com \\
    -d '{{"action": "approve", "note": "Fine with me."}}'
  curl '{address}/threads/{last["thread_id"]}/state'

Ctrl-C stops it; the next `make demo` goes on where this one ended.
"""


def is_free(port: int) -> bool:
    """Whether nobody listens on this port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0


def any_free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def fail(reason: str) -> Never:
    """End the demo with this reason on standard error."""
    raise SystemExit(f"The demo cannot go on: {reason}")


if __name__ == "__main__":
    raise SystemExit(main())
