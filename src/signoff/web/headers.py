"""What every answer says about itself to the browser."""

from __future__ import annotations

from collections.abc import Mapping

SECURITY: Mapping[str, str] = {
    "content-security-policy": "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
"""No script, style or picture but our own, nothing inline, and no frame around us."""

PAGE: Mapping[str, str] = {**SECURITY, "cache-control": "no-store"}
"""Of pages, which show what is so now and nobody else is to see."""
