"""Verify a bundle of Signoff's audit: offline, with Python 3.9 or newer and nothing else.

    python -I verify.py [BUNDLE] [--public-key KEY] [--json]

BUNDLE is the zip file that `signoff audit export` has written, or the folder that it was unpacked
to; without it, the folder of this program. KEY is the public key that you know anchors to be signed
with, in base64 or as a file in PEM; without it, the signatures are checked against the key that the
bundle itself names, so that you have to compare that by yourself.

Exits with 0 if everything is as it was written, with 1 if not, and with 2 if it could not be read.

This is a program of its own on purpose: it shares no code with what has written the bundle.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Point = tuple[int, int, int, int]

GENESIS = "0" * 64
FORMAT = "signoff audit bundle 1"


# --- Ed25519, as RFC 8032, section 6, has it in Python -------------------------------------------

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)


def _add(a: Point, b: Point) -> Point:
    """The sum of two points in extended coordinates."""
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % _P, (a[1] + a[0]) * (b[1] + b[0]) % _P
    g, h = 2 * a[3] * b[3] * _D % _P, 2 * a[2] * b[2] % _P
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _multiply(number: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = _add(total, point)
        point = _add(point, point)
        number >>= 1
    return total


def _x_of(y: int, sign: int) -> int | None:
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    if square == 0:
        return None if sign else 0
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P:
        return None
    return _P - x if (x & 1) != sign else x


def _point(data: bytes) -> Point | None:
    number = int.from_bytes(data, "little")
    y = number & (1 << 255) - 1
    x = _x_of(y, number >> 255)
    return None if x is None else (x, y, 1, x * y % _P)


_BASE_Y = 4 * pow(5, _P - 2, _P) % _P
_BASE_X = _x_of(_BASE_Y, 0) or 0
_BASE: Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)


def is_signed(text: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether `text` was signed with the private key of this public one; all are bytes."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key, commitment = _point(public_key), _point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or s >= _L:
        return False
    hashed = hashlib.sha512(signature[:32] + public_key + text).digest()
    left = _multiply(s, _BASE)
    right = _add(commitment, _multiply(int.from_bytes(hashed, "little") % _L, key))
    return (
        left[0] * right[2] % _P == right[0] * left[2] % _P
        and left[1] * right[2] % _P == right[1] * left[2] % _P
    )


# --- the bundle ----------------------------------------------------------------------------------


class Bundle:
    """The files of a bundle, in a zip file or a folder."""

    def __init__(self, place: str) -> None:
        self.place = Path(place)
        self.zip = None if self.place.is_dir() else zipfile.ZipFile(self.place)

    def text(self, name: str) -> str:
        """What a file says."""
        if self.zip is None:
            return (self.place / name).read_text(encoding="utf-8")
        return self.zip.read(name).decode("utf-8")

    def lines(self, name: str) -> list[Row]:
        """The JSON values of a file that has one in each line."""
        return [json.loads(line) for line in self.text(name).split("\n") if line]


def sha256(text: str) -> str:
    """In hexadecimal, of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def parsed(entry: Row) -> Row | None:
    """What the text of an entry says; None where there is none, or it is no entry's."""
    try:
        text: Row = json.loads(entry["body"])
        fields = ("thread_id", "request_id", "event", "at", "data")
        whole = all(name in text for name in fields) and isinstance(text["data"], dict)
        if whole and entry.get("sealed") is not None:
            # It was encrypted beside the text, which has its digest: `Verification.columns`.
            text["data"] = {**text["data"], **json.loads(entry["sealed"]).get("data", {})}
    except (ValueError, TypeError, AttributeError):
        return None
    return text if whole else None


class Verification:
    """What was found, and what was looked at."""

    def __init__(self, bundle: Bundle, trusted: set[str]) -> None:
        self.bundle = bundle
        self.trusted = trusted
        self.found: list[str] = []
        self.counts: dict[str, Any] = {}
        self.about = json.loads(bundle.text("bundle.json"))
        if self.about.get("format") != FORMAT:
            raise ValueError(f"it is no {FORMAT}")
        self.entries = bundle.lines("entries.jsonl")
        self.by_place = {(each["thread_id"], each["seq"]): each for each in self.entries}
        self.leaves = bundle.lines("leaves.jsonl")
        self.bad_anchors: set[int] = set()

    def wrong(self, where: str, what: str) -> None:
        """Note that something is not as it was written."""
        self.found.append(f"{where}: {what}")

    def run(self) -> None:
        """Look at everything."""
        anchors = self.anchors()
        self.proofs(anchors)
        self.chains(anchors)
        self.requests()

    def anchors(self) -> dict[int, Row]:
        """Signatures, and that anchors follow each other."""
        anchors: dict[int, Row] = {}
        keys: set[str] = set()
        for anchor in self.bundle.lines("anchors.jsonl"):
            number = anchor["number"]
            text = "\n".join(
                str("-" if value is None else value)
                for value in (
                    "signoff audit anchor 1",
                    number,
                    anchor["at"],
                    anchor["previous"],
                    anchor["root"],
                    anchor["chains"],
                    anchor["entries"],
                    anchor["until"],
                    anchor["forgotten_before"],
                    anchor["public_key"],
                )
            )
            keys.add(anchor["public_key"])
            if self.trusted and anchor["public_key"] not in self.trusted:
                self.bad(number, f"it is signed with the unknown key {anchor['public_key']}")
            elif not is_signed(
                text.encode("utf-8"),
                base64.b64decode(anchor["signature"]),
                base64.b64decode(anchor["public_key"]),
            ):
                self.bad(number, "its signature is not over what it says")
            before = anchors.get(number - 1)
            if before is not None and anchor["previous"] != before["digest"]:
                self.bad(number, "it does not follow the anchor before it")
            anchors[number] = {**anchor, "digest": sha256(text)}
        self.counts["anchors"] = len(anchors)
        self.counts["public_keys"] = sorted(keys)
        return anchors

    def bad(self, number: int, what: str) -> None:
        """Note that an anchor is not to be believed."""
        self.bad_anchors.add(number)
        self.wrong(f"anchor {number}", what)

    def proofs(self, anchors: dict[int, Row]) -> None:
        """That anchors stand for these ends of chains: RFC 9162, section 2.1.3.2."""
        for leaf in self.leaves:
            where = f"thread {leaf['thread_id']}, entry {leaf['seq']}"
            anchor = anchors.get(leaf["anchor"])
            if anchor is None:
                self.wrong(where, f"the anchor {leaf['anchor']} that is to hold it is not there")
            elif root_of(leaf, anchor["chains"]) != anchor["root"]:
                self.wrong(where, f"the anchor {leaf['anchor']} does not hold it")
            elif leaf["anchor"] not in self.bad_anchors:
                entry = self.by_place.get((leaf["thread_id"], leaf["seq"]))
                if entry is None and not self.forgotten(anchor, anchors):
                    self.wrong(where, f"the anchor {leaf['anchor']} holds it, and it is gone")
                elif entry is not None and entry["hash"] != leaf["hash"]:
                    self.wrong(where, f"the anchor {leaf['anchor']} holds another hash")

    def forgotten(self, anchor: Row, anchors: dict[int, Row]) -> bool:
        """Whether entries of this anchor may have been removed, as a signed one says."""
        limits = [
            datetime.fromisoformat(each["forgotten_before"])
            for number, each in anchors.items()
            if each["forgotten_before"] is not None and number not in self.bad_anchors
        ]
        return bool(limits) and datetime.fromisoformat(anchor["at"]) < max(limits)

    def chains(self, anchors: dict[int, Row]) -> None:
        """That each entry is chained to the one before it, and says what its columns say."""
        starts = {
            (leaf["thread_id"], leaf["seq"]): leaf["hash"]
            for leaf in self.leaves
            if leaf["anchor"] in anchors and self.forgotten(anchors[leaf["anchor"]], anchors)
        }
        ends: dict[str, int] = {}
        threads: dict[str, tuple[int, str]] = {}
        hidden = loose = 0
        for leaf in self.leaves:
            ends[leaf["thread_id"]] = max(leaf["seq"], ends.get(leaf["thread_id"], 0))
        for entry in self.entries:
            thread, seq = entry["thread_id"], entry["seq"]
            where = f"thread {thread}, entry {seq}"
            if thread not in threads:
                start = starts.get((thread, seq - 1))
                after, previous = (0, GENESIS) if start is None else (seq - 1, start)
            else:
                after, previous = threads[thread]
            if seq != after + 1:
                self.wrong(where, f"entry {after + 1} of the chain is not there before it")
            shown = entry["body_sha256"] if entry["body"] is None else sha256(entry["body"])
            numbers = f"{seq}\n{entry['number']}\n{entry['xact']}\n{thread}"
            if seq == after + 1 and entry["hash"] != sha256(f"{previous}\n{numbers}\n{shown}"):
                self.wrong(where, "its hash is not that of its content and of the entry before it")
            hidden += entry["body"] is None
            self.columns(where, entry)
            loose += seq > ends.get(thread, 0)
            threads[thread] = seq, entry["hash"]
        self.counts.update(
            entries=len(self.entries), threads=len(threads), unanchored=loose, hidden=hidden
        )

    def columns(self, where: str, entry: Row) -> None:
        """That the columns of an entry say what its text says."""
        text = parsed(entry)
        if text is None:
            if entry["body"] is not None:
                self.wrong(where, "its text is no entry")
            return
        for name in ("thread_id", "request_id", "event"):
            if entry[name] != text[name]:
                self.wrong(where, f"its {name} is not what its text says")
        if datetime.fromisoformat(entry["at"]) != datetime.fromisoformat(text["at"]):
            self.wrong(where, "its at is not what its text says")
        sealed = entry.get("sealed")
        if text.get("sealed") != (None if sealed is None else sha256(sealed)):
            self.wrong(where, "what it kept encrypted is not what its text has the digest of")

    def requests(self) -> None:
        """That what was shown and decided is what the chain says."""
        told: dict[str, list[Row]] = {}
        for entry in self.entries:
            text = parsed(entry)
            if text is not None and text["request_id"] is not None:
                told.setdefault(text["request_id"], []).append(text)
        requests = self.bundle.lines("requests.jsonl")
        shown = 0
        for request in requests:
            where = f"request {request['id']}"
            entries = told.get(request["id"], [])
            digests = [
                each["data"]["digest"]
                for each in entries
                if each["event"] in ("request.opened", "request.revised")
            ]
            if not digests or digests[-1] != request["digest"]:
                self.wrong(where, "the chain does not say that this is what was asked")
            if request["shown"] is not None:
                shown += 1
                canonical = json.dumps(
                    request["shown"], sort_keys=True, ensure_ascii=False, separators=(",", ":")
                )
                if f"sha256:{sha256(canonical)}" != request["digest"]:
                    self.wrong(where, "what was shown has another digest")
            outcomes = [each["data"]["outcome"] for each in entries if each["data"].get("outcome")]
            if request["outcome"] not in (outcomes[-1:] or [None]):
                self.wrong(where, "the chain does not say that this is what was decided")
        self.counts["requests"] = len(requests)
        self.counts["shown"] = shown


def root_of(leaf: Row, size: int) -> str | None:
    """The root of a tree of `size` leaves that has this one in its place, by its proof."""
    lines = f"\0{leaf['thread_id']}\n{leaf['seq']}\n{leaf['hash']}"
    digest, index, last = hashlib.sha256(lines.encode("utf-8")).digest(), leaf["index"], size - 1
    for each in leaf["proof"]:
        if last == 0:
            return None
        other = bytes.fromhex(each)
        if index & 1 or index == last:
            digest = hashlib.sha256(b"\1" + other + digest).digest()
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            digest = hashlib.sha256(b"\1" + digest + other).digest()
        index, last = index >> 1, last >> 1
    return digest.hex() if last == 0 else None


def public_key_of(given: str) -> str:
    """A public key in base64, as given or from a file in PEM."""
    try:
        if len(base64.b64decode(given, validate=True)) == 32:
            return given
    except ValueError:
        pass
    lines = Path(given).read_text(encoding="ascii").split("\n")
    der = base64.b64decode("".join(line for line in lines if not line.startswith("-----")))
    if der[:12] != bytes.fromhex("302a300506032b6570032100") or len(der) != 44:  # RFC 8410
        raise ValueError(f"{given} has no public key of Ed25519 in PEM")
    return base64.b64encode(der[12:]).decode()


def number(count: int, one: str, more: str = "") -> str:
    """How many there are of something."""
    return f"{count} {one if count == 1 else more or one + 's'}"


def main(arguments: list[str] | None = None) -> int:
    """Verify, print, and return the exit code."""
    parser = argparse.ArgumentParser(description="Verify a bundle of Signoff's audit.")
    parser.add_argument("bundle", nargs="?", default=str(Path(__file__).resolve().parent))
    parser.add_argument("--public-key", action="append", default=[], metavar="KEY")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        trusted = {public_key_of(each) for each in options.public_key}
        verification = Verification(Bundle(options.bundle), trusted)
        verification.run()
    except (OSError, ValueError, LookupError, TypeError, zipfile.BadZipFile) as error:
        print(f"it cannot be read: {error!r}", file=sys.stderr)
        return 2
    counts, found = verification.counts, verification.found
    if options.json:
        print(json.dumps({"ok": not found, **counts, "findings": found}, indent=2))
        return 1 if found else 0
    for each in found:
        print(each)
    entries = number(counts["entries"], "entry", "entries")
    threads = number(counts["threads"], "thread")
    requests = number(counts["requests"], "request")
    print(
        f"{entries} of {threads}, {counts['hidden']} of them by their digest alone; "
        f"{number(counts['anchors'], 'anchor')}; {requests}, of {counts['shown']} what was shown"
    )
    if counts["unanchored"]:
        loose = number(counts["unanchored"], "entry is", "entries are")
        print(f"{loose} not anchored: held by the chain only")
    if not trusted and counts["public_keys"]:
        print("the anchors are signed with", ", ".join(counts["public_keys"]))
        print("compare that with the key that you know, or say it with --public-key")
    print(number(len(found), "finding") if found else "everything is as it was written")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
