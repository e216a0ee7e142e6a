"""A bundle of the audit is verified by a program of its own, in a Python that has nothing else."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from langgraph.types import interrupt

from signoff import Signoff, audit_key, audit_verify
from signoff.clock import utcnow
from signoff.domain.errors import RequestNotFound, ThreadNotFound
from signoff.service.anchor import anchor_audit
from signoff.service.export_audit import Scope, export_bundle, export_lines
from tests.conftest import OpenDesk
from tests.helpers import Log, answered, chain, listed, settled, started


def review(state: Log) -> Log:
    return {"seen": [interrupt({"question": "which?", "price": 1.10, "é": "\u2028"})]}


def again(state: Log) -> Log:
    return {"seen": [interrupt("and then?")]}


@pytest.fixture
async def desk(open_desk: OpenDesk, tmp_path: Path) -> Signoff:
    """Two threads at their second question, anchored in between, and one that has just begun."""
    audit_key.create(tmp_path / "audit.key")
    desk: Signoff = await open_desk({"g": chain(review, again)}, anchor_every="1h")
    key = audit_key.read(tmp_path / "audit.key")
    for thread_id in ("t", "u"):
        await started(desk, thread_id=thread_id)
        await anchor_audit(desk.office.database, key, at=utcnow())
        await answered(desk, "this", thread_id)
    await anchor_audit(desk.office.database, key, at=utcnow())
    await answered(desk, "that")
    await settled(desk)
    return desk


async def exported(desk: Signoff, folder: Path, **scope: Any) -> Path:
    file = folder / "audit.zip"
    key = audit_key.read(folder / "audit.key").public
    await export_bundle(desk.office.database, Scope(**scope), file, at=utcnow(), public_keys=[key])
    return file


def verified(program: Path, *arguments: str | Path) -> tuple[int, Any]:
    """Run the program on its own: no environment, no packages, nothing of this project."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(program), *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={},
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


async def test_a_bundle_verifies_itself_in_a_python_without_anything(
    desk: Signoff, tmp_path: Path
) -> None:
    file = await exported(desk, tmp_path, thread_id="t")
    key = audit_key.read(tmp_path / "audit.key").public
    folder = tmp_path / "unpacked"
    zipfile.ZipFile(file).extractall(folder)
    code, said = verified(folder / "verify.py")
    assert (code, said["ok"], said["findings"]) == (0, True, [])
    assert (said["entries"], said["threads"], said["requests"], said["shown"]) == (7, 1, 2, 2)
    assert (said["anchors"], said["unanchored"], said["hidden"]) == (3, 2, 0)
    assert said["public_keys"] == [key]
    # The same from the zip file, with the key that one knows, in either form.
    assert verified(folder / "verify.py", file, "--public-key", key)[0] == 0
    assert verified(folder / "verify.py", file, "--public-key", folder / "public-key-1.pem")[0] == 0
    other = base64.b64encode(bytes(32)).decode()
    code, said = verified(folder / "verify.py", file, "--public-key", other)
    assert (code, len(said["findings"])) == (1, 3)
    assert verified(folder / "verify.py", tmp_path / "nothing.zip")[0] == 2
    requests = [
        json.loads(line) for line in (folder / "requests.jsonl").read_text().split("\n") if line
    ]
    assert requests[0]["shown"] == {"question": "which?", "price": 1.1, "é": "\u2028"}
    assert requests[0]["votes"][0]["by"] == "jane"


async def test_a_bundle_of_a_request_hides_what_is_about_others(
    desk: Signoff, tmp_path: Path
) -> None:
    first, second = await listed(desk)
    file = await exported(desk, tmp_path, request_id=second.id)
    verification = audit_verify.Verification(audit_verify.Bundle(str(file)), set())
    verification.run()
    assert verification.found == []
    assert (verification.counts["hidden"], verification.counts["requests"]) == (4, 1)
    with zipfile.ZipFile(file) as bundle:
        entries = bundle.read("entries.jsonl").decode()
    assert first.id not in entries
    assert second.id in entries


async def test_a_bundle_since_some_time_has_the_whole_chains(desk: Signoff, tmp_path: Path) -> None:
    [*_, last] = await desk.audit(thread_id="t")
    file = await exported(desk, tmp_path, since=last_of(last))
    verification = audit_verify.Verification(audit_verify.Bundle(str(file)), set())
    verification.run()
    assert verification.found == []
    assert (verification.counts["threads"], verification.counts["entries"]) == (1, 7)
    everything = Scope(since=last_of((await desk.audit(thread_id="t"))[0]))
    lines = [entry async for entry in export_lines(desk.office.database, everything)]
    assert [entry for entry in lines if entry["thread_id"] == "t"] == await desk.audit(
        thread_id="t"
    )
    assert {entry["thread_id"] for entry in lines} == {"t", "u"}


def last_of(entry: dict[str, Any]) -> Any:
    return audit_verify.datetime.fromisoformat(entry["at"])


async def test_what_the_audit_knows_nothing_of_is_not_exported(
    desk: Signoff, tmp_path: Path
) -> None:
    with pytest.raises(ThreadNotFound):
        await exported(desk, tmp_path, thread_id="nobody")
    for request_id in ("nobody", "0195f1de-0000-7000-8000-000000000000"):
        with pytest.raises(RequestNotFound):
            await exported(desk, tmp_path, request_id=request_id)
    assert not [each for each in os.listdir(tmp_path) if "audit.zip" in each]


def line(place: int, /, **changes: Any) -> Callable[[list[Any]], None]:
    def change(lines: list[Any]) -> None:
        lines[place].update(changes)

    return change


def text(number: int, old: str, new: str) -> Callable[[list[Any]], None]:
    def change(lines: list[Any]) -> None:
        assert old in lines[number]["body"]
        lines[number]["body"] = lines[number]["body"].replace(old, new)

    return change


def without(number: int) -> Callable[[list[Any]], None]:
    return lambda lines: lines.__delitem__(number)


TAMPERING = [
    ("entries.jsonl", text(2, "jane", "john"), "thread t, entry 3: its hash"),
    ("entries.jsonl", line(2, body="nonsense"), "thread t, entry 3: its text is no entry"),
    ("entries.jsonl", line(2, event="request.voted"), "thread t, entry 3: its event"),
    ("entries.jsonl", line(2, at="2026-01-01T00:00:00+00:00"), "thread t, entry 3: its at"),
    ("entries.jsonl", line(2, number=1000), "thread t, entry 3: its hash"),
    ("entries.jsonl", line(1, hash="0" * 64), "thread t, entry 2: its hash"),
    ("entries.jsonl", without(2), "thread t, entry 4: entry 3 of the chain is not there"),
    ("entries.jsonl", without(0), "thread t, entry 2: entry 1 of the chain is not there"),
    ("entries.jsonl", lambda lines: lines.__delitem__(slice(3, None)), "holds it, and it is gone"),
    ("entries.jsonl", lambda lines: lines.clear(), "holds it, and it is gone"),
    ("anchors.jsonl", line(0, entries=1000), "anchor 1: its signature"),
    ("anchors.jsonl", without(0), "the anchor 1 that is to hold it is not there"),
    ("leaves.jsonl", line(0, seq=1), "thread t, entry 1: the anchor 1 does not hold it"),
    ("leaves.jsonl", line(0, hash="0" * 64), "the anchor 1 does not hold it"),
    ("requests.jsonl", line(0, shown="another question"), "what was shown has another digest"),
    ("requests.jsonl", line(0, digest="sha256:0"), "the chain does not say that this is what was"),
    ("requests.jsonl", line(0, outcome=None), "the chain does not say that this is what was deci"),
]


async def test_a_bundle_that_was_tampered_with_is_found_out(desk: Signoff, tmp_path: Path) -> None:
    file = await exported(desk, tmp_path, thread_id="t")
    whole = tmp_path / "whole"
    zipfile.ZipFile(file).extractall(whole)
    for number, (name, change, expected) in enumerate(TAMPERING):
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder)
        lines = [json.loads(each) for each in (folder / name).read_text().split("\n") if each]
        change(lines)
        (folder / name).write_text("".join(f"{json.dumps(each)}\n" for each in lines))
        verification = audit_verify.Verification(audit_verify.Bundle(str(folder)), set())
        verification.run()
        assert any(expected in each for each in verification.found), (number, verification.found)


def test_signatures_are_those_of_rfc_8032() -> None:
    # Its first three test vectors, section 7.1: public key, message, signature.
    vectors = [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ]
    for public, message, signature in vectors:
        given = bytes.fromhex(message), bytes.fromhex(signature), bytes.fromhex(public)
        assert audit_verify.is_signed(*given)
        assert not audit_verify.is_signed(given[0] + b"x", *given[1:])
        for place in range(0, 64, 7):
            broken = bytearray(given[1])
            broken[place] ^= 1
            assert not audit_verify.is_signed(given[0], bytes(broken), given[2])
    assert not audit_verify.is_signed(b"", b"short", b"short")
    for _ in range(5):  # and of another implementation
        key = Ed25519PrivateKey.generate()
        signed = key.sign(b"text")
        assert audit_verify.is_signed(b"text", signed, key.public_key().public_bytes_raw())
        assert not audit_verify.is_signed(b"text", signed, bytes(32))


def test_the_program_needs_nothing_but_the_standard_library() -> None:
    program = Path(audit_verify.__file__).read_text()
    imported = {
        each.split()[1] for each in program.split("\n") if each.startswith(("import", "from"))
    }
    assert imported <= {*sys.stdlib_module_names, "__future__"}
