"""The deployment of `docs/how-to/deploy.md`: two servers and two workers, with a role that cannot
change the audit, behind nginx with the configuration that stands there."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from psycopg.conninfo import make_conninfo

from tests.acceptance.site import REVIEWER, STARTER, Site
from tests.people import let_in, with_key
from tests.processes import Program, command

DOCUMENT = Path(__file__).parents[2] / "docs" / "how-to" / "deploy.md"
NAME = "signoff.firm.com"
ROLE = "signoff_app_of_the_deployment"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of the name, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "signoff.pem", folder / "signoff.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, private


@contextmanager
def nginx(folder: Path, *servers: Program) -> Iterator[int]:
    """nginx with the configuration of the document, in front of these; its port."""
    [documented] = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    port, (pem, private) = free_port(), certificate(folder)
    of_servers = [server.url.removeprefix("http://") for server in servers]
    for there, here in (
        ("127.0.0.1:8124;", f"{of_servers[0]};"),
        ("127.0.0.1:8125;", f"{of_servers[1]};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("/etc/ssl/signoff.pem", str(pem)),
        ("/etc/ssl/signoff.key", str(private)),
    ):
        assert documented.count(there) == 1, there
        documented = documented.replace(there, here)
    own = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nuser root;\npid {folder}/nginx.pid;\nerror_log stderr warn;\n"
        f"events {{}}\nhttp {{\n{own}{documented}}}\n"
    )
    with subprocess.Popen(
        ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.PIPE
    ) as process:
        try:
            yield port
        finally:
            process.terminate()
            process.communicate(timeout=30)


@pytest.fixture
def app_url(database_url: str) -> Iterator[str]:
    """The database by the role of the document, which may not change the audit."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(f"DROP ROLE IF EXISTS {ROLE}")
        conn.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'sesame'")
        yield make_conninfo(database_url, user=ROLE, password="sesame")
        conn.execute(f"DROP OWNED BY {ROLE}")
        conn.execute(f"DROP ROLE {ROLE}")


def client(port: int, pem: Path, name: str, address: str) -> httpx.Client:
    """A client at another address, that speaks TLS with the proxy."""
    trusted = ssl.create_default_context(cafile=str(pem))
    transport = httpx.HTTPTransport(verify=trusted, local_address=address, retries=3)
    http = httpx.Client(
        transport=transport,
        base_url=f"https://127.0.0.1:{port}",
        headers=with_key(name),
        timeout=60,
    )
    http.headers["host"] = NAME
    http.event_hooks["request"] = [lambda request: request.extensions.update(sni_hostname=NAME)]
    return http


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_two_servers_and_two_workers_behind_a_proxy(
    tmp_path: Path, database_url: str, app_url: str
) -> None:
    settings = {
        "public_url": f"https://{NAME}",
        "allowed_hosts": json.dumps([NAME]),
        "trusted_proxies": '["127.0.0.1"]',
        "log_level": "debug",
        "log_format": "json",
    }
    site = Site(tmp_path, database_url, **settings)
    site.settings["SIGNOFF_DATABASE_URL"] = app_url  # of its processes
    migrated = command(
        "migrate", "--app-role", ROLE, project=site.project, database_url=database_url
    )
    assert migrated.returncode == 0, migrated.stderr
    with site:
        let_in(database_url, STARTER, REVIEWER)
        site.have(servers=2, workers=2)
        first, second = site.running("serve")
        folder = tmp_path / "nginx"
        folder.mkdir()
        with (
            nginx(folder, first, second) as port,
            client(port, folder / "signoff.pem", STARTER, "127.0.0.7") as starter,
            client(port, folder / "signoff.pem", REVIEWER, "127.0.0.8") as reviewer,
        ):
            ready = starter.get("/readyz")
            assert ready.json() == {"status": "ok"}
            assert ready.headers["strict-transport-security"] == "max-age=31536000"
            assert starter.get("/metrics").status_code == 404
            assert starter.get("/requests", headers={"host": "evil.com"}).status_code == 421

            # Events come through as they happen.
            with reviewer.stream("GET", "/events") as events:
                assert events.status_code == 200
                lines = events.iter_lines()
                [thread_id] = site.begin(site.new_threads(1), http=starter)
                opened = next(line for line in lines if line.startswith("event:"))
                assert opened == "event: request.opened"
                site.paused([thread_id])
                [request] = starter.get("/requests?state=open").json()["items"]
                decision = {"action": "approve"}
                spoofed = {"x-forwarded-for": "6.6.6.6", "x-request-id": "mine"}
                decided = reviewer.post(
                    f"/requests/{request['id']}/decisions", json=decision, headers=spoofed
                )
                assert decided.status_code == 201
                assert next(line for line in lines if line.startswith("event:")).endswith("decided")
            site.delivered([thread_id])

            # The servers know where calls come from, and by which id the proxy knows them.
            call_id = decided.headers["x-request-id"]
            calls = [
                json.loads(line)
                for server in (first, second)
                for line in server.output.splitlines()
                if '"event": "call"' in line
            ]
            [call] = [each for each in calls if each["call_id"] == call_id]
            assert (call["client"], re.fullmatch(r"[0-9a-f]{32}", call_id) is None) == (
                "127.0.0.8",
                False,
            )
            direct = httpx.get(
                f"{first.url}/requests",
                headers={"host": NAME, "x-forwarded-for": "6.6.6.6", "x-request-id": "direct"},
            )
            assert direct.status_code == 401

            # One server after the other is started anew, and nobody notices.
            first.stop()
            assert {starter.get("/requests").status_code for _ in range(10)} == {200}
            [thread_id] = site.begin(site.new_threads(1), http=starter)
            site.paused([thread_id])
        with psycopg.connect(app_url) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("DELETE FROM signoff.audit")
