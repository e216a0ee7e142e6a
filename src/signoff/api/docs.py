"""The description of the API as a page to read and try: Swagger UI, all of it from here.

Its addresses are relative, so that it works wherever the desk is mounted, and its
Content-Security-Policy has the browser ask no other host for anything.
"""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

router = APIRouter(prefix="/docs", include_in_schema=False)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Signoff: API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="docs/swagger-ui/swagger-ui-bundle.js"></script>
<script src="docs/page.js"></script>
</body>
</html>
"""

SCRIPT = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
});
"""

SECURITY = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
}


@router.get("")
async def page() -> Response:
    """The page."""
    return HTMLResponse(PAGE, headers=SECURITY)


@router.get("/page.js")
async def script() -> Response:
    """What shows the description on the page."""
    return Response(SCRIPT, media_type="text/javascript")


def add_docs(app: FastAPI) -> None:
    """Have an application serve the page, with the files that `fastapi-offline` bundles."""
    app.include_router(router)
    app.mount("/docs/swagger-ui", StaticFiles(packages=[("fastapi_offline", "static")]))
