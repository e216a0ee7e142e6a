"""The files that pages load: our own style and script, and what is vendored in `static/`.

They are read once, named with a digest of their content and kept by browsers for good.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from signoff.web.headers import SECURITY

router = APIRouter(include_in_schema=False)

TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    name: str
    content: bytes
    zipped: bytes
    digest: str

    @property
    def media_type(self) -> str:
        """What it is."""
        return TYPES[self.name.rpartition(".")[2]]


@cache
def assets() -> dict[str, Asset]:
    """All files, by their names."""
    found = {}
    for file in files("signoff.web").joinpath("static").iterdir():
        if file.name.rpartition(".")[2] in TYPES:
            content = file.read_bytes()
            found[file.name] = Asset(
                file.name, content, gzip.compress(content, 9), sha256(content).hexdigest()[:12]
            )
    return found


def path_of(name: str) -> str:
    """The path of a file below the inbox, with its digest."""
    return f"static/{assets()[name].digest}/{name}"


@router.get("/inbox/static/{digest}/{name}")
async def get_asset(request: Request, digest: str, name: str) -> Response:
    """A file; of another version than the one that was asked for, it is not kept."""
    asset = assets().get(name)
    if asset is None:
        return Response(status_code=404, headers=SECURITY)
    fresh = digest == asset.digest
    headers = {
        **SECURITY,
        "cache-control": "public, max-age=31536000, immutable" if fresh else "no-cache",
        "vary": "accept-encoding",
    }
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(asset.content, media_type=asset.media_type, headers=headers)
    headers["content-encoding"] = "gzip"
    return Response(asset.zipped, media_type=asset.media_type, headers=headers)
