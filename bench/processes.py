"""Signoff's processes as they are measured: a project, a database, a server, a worker."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import pathsep
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from bench.http import KEY
from signoff.domain.key import digest, parts_of

ROOT = Path(__file__).resolve().parent.parent

SIGNOFF = [sys.executable, "-m", "signoff.cli"]


def database(url: str, name: str) -> str:
    """A new database on the server at `url`; its address."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}"'.encode())
    return make_conninfo(url, dbname=name)


def migrate(url: str, *, caller: str = "bench") -> None:
    """Give a database Signoff's schema, and let somebody in with `bench.http.KEY`."""
    subprocess.run(
        [*SIGNOFF, "migrate"],
        env={**os.environ, "SIGNOFF_DATABASE_URL": url},
        cwd=tempfile.gettempdir(),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    parts = parts_of(KEY)
    assert parts is not None
    key_id, secret = parts
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO signoff.users (name, role) VALUES (%s, 'admin') ON CONFLICT DO NOTHING",
            (caller,),
        )
        conn.execute(
            """
            INSERT INTO signoff.keys (id, hash, name, user_name, role, created_at, created_by)
            VALUES (%s, %s, 'bench', %s, 'admin', now(), 'bench') ON CONFLICT DO NOTHING
            """,
            (key_id, digest(secret), caller),
        )


def project(folder: Path, graphs: dict[str, str]) -> Path:
    """A project that serves `graphs`."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f'{name} = "{spec}"' for name, spec in graphs.items()]
    folder.joinpath("signoff.toml").write_text("[graphs]\n" + "\n".join(lines), encoding="utf-8")
    return folder


def environment(url: str) -> dict[str, str]:
    """What Signoff's processes are started with."""
    return {
        "SIGNOFF_DATABASE_URL": url,
        "SIGNOFF_KEY_RATE": str(10**9),  # the program under test is not to slow down who measures
        "SIGNOFF_LOG_LEVEL": "warning",
        "PYTHONPATH": f"{ROOT / 'src'}{pathsep}{ROOT}",
    }


@contextmanager
def running(
    command: list[str], env: dict[str, str], cwd: Path, ready: str
) -> Iterator[tuple[int, str]]:
    """A process, once it has printed a line with `ready` in it; its id and that line."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **env},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        seen = []
        for line in process.stdout:
            seen.append(line)
            if ready in line:
                break
        else:
            raise SystemExit(f"{' '.join(command)} did not start:\n{''.join(seen)}")
        yield process.pid, line.strip()
    finally:
        process.terminate()
        process.stdout.read()
        process.wait()


def address(line: str) -> str:
    """The ``host:port`` in a line that a server has printed."""
    return line.partition("http://")[2].split()[0].rstrip("/")
