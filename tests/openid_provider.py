"""A real OpenID provider for tests: Django OAuth Toolkit, with accounts, passwords and sessions.

It runs in a thread of this process and can be told to misbehave. It insists on PKCE, takes a code
once, and says when somebody has shown who they are. `python -m tests.openid_provider` runs it on
its own, to be tried in a browser.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode, urlsplit

import django
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings

CLIENT, SECRET = "signoff", "a secret that only two know of each other"

LOGIN = """<!doctype html><title>Firm login</title><h1>Firm login</h1>
<form method="post">{% csrf_token %}{{ form }}<button>Log in</button></form>"""

LOGOUT = """<!doctype html><title>Log out</title><h1>Log out of the firm?</h1>
<form method="post">{% csrf_token %}{{ form }}
<button name="allow" value="yes">Yes</button></form>"""


def new_key() -> str:
    """A private key in PEM."""
    return (
        rsa.generate_private_key(65537, 2048)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


_folder = TemporaryDirectory(prefix="provider-")
"""Where its database is, until the process ends."""


def _configure() -> None:
    if settings.configured:
        return
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # tests look into it from within a loop
    apps = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"]
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(Path(_folder.name) / "db.sqlite3"),
                "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[*apps, "oauth2_provider"],
        LOGIN_URL="/login/",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        MIGRATION_MODULES=dict.fromkeys(["contenttypes", "auth", "sessions", "oauth2_provider"]),
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_RSA_PRIVATE_KEY": new_key(),
            "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
            "OAUTH2_VALIDATOR_CLASS": "tests.openid_validator.Validator",
            "SCOPES": {each: each for each in ("openid", "profile", "email")},
        },
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ROOT_URLCONF="tests.openid_validator",
        SECRET_KEY="no secret",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [
                        (
                            "django.template.loaders.locmem.Loader",
                            {
                                "registration/login.html": LOGIN,
                                "oauth2_provider/logout_confirm.html": LOGOUT,
                                "oauth2_provider/authorize.html": "{{ error }}",
                            },
                        )
                    ]
                },
            }
        ],
        USE_TZ=True,
    )
    django.setup()


class LocalProvider:
    """The provider: its accounts, its keys, and how it misbehaves."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.claims: dict[str, dict[str, Any]] = {}
        """What is said of an account, by its name."""
        self.only_when_asked: set[str] = set()
        """Claims that only the user info endpoint has."""
        self.twist: Callable[[str], str] | None = None
        """What becomes of an id token before it goes out."""

    def reset(self) -> None:
        """As it was in the beginning."""
        from django.contrib.auth.models import User
        from oauth2_provider.models import Application

        User.objects.all().delete()
        Application.objects.all().delete()
        self.claims, self.only_when_asked, self.twist = {}, set(), None

    def register(self, *redirect_uris: str, client: str = CLIENT, **given: Any) -> None:
        """Know a client."""
        from oauth2_provider.models import Application

        hosts = {"{0.scheme}://{0.netloc}".format(urlsplit(uri)) for uri in redirect_uris}
        Application.objects.create(
            client_id=client,
            client_secret=SECRET,
            client_type="confidential",
            authorization_grant_type="authorization-code",
            redirect_uris=" ".join(redirect_uris),
            post_logout_redirect_uris=" ".join(f"{host}/inbox/sign-in" for host in hosts),
            algorithm="RS256",
            skip_authorization=True,
            **given,
        )

    def add(self, name: str, password: str = "opensesame", **claims: Any) -> str:
        """An account, with what is said of it; its subject."""
        from django.contrib.auth.models import User

        user = User.objects.create_user(name, password=password)
        self.claims[name] = claims
        return str(user.pk)

    @property
    def key(self) -> Any:
        """What it signs with."""
        from oauth2_provider.models import Application

        return Application.objects.get(client_id=CLIENT).jwk_key

    def rotate(self) -> None:
        """Sign with another key from now on, and forget the one before."""
        from oauth2_provider.settings import oauth2_settings

        oauth2_settings.OIDC_RSA_PRIVATE_KEY = new_key()

    def resigned(self, token: str, **changes: Any) -> str:
        """An id token with other claims, signed as all are; None takes a claim out."""
        from jwcrypto import jwt

        key = self.key
        claims = {**claims_of(token), **changes}
        claims = {name: value for name, value in claims.items() if value is not None}
        made = jwt.JWT(header={"alg": "RS256", "kid": key.thumbprint()}, claims=claims)
        made.make_signed_token(key)
        serialized: str = made.serialize()
        return serialized


def claims_of(token: str) -> dict[str, Any]:
    """What an id token says, whoever says it."""
    body = token.split(".")[1]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return read


def unsigned(token: str) -> str:
    """An id token that nobody has signed."""
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    return f"{header}.{token.split('.')[1]}."


the_provider: LocalProvider
"""The one of this process: Django has one."""


@contextmanager
def running(port: int = 0) -> Iterator[LocalProvider]:
    """The provider, from now until the end of the context."""
    global the_provider
    _configure()
    from django.core.management import call_command
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    call_command("migrate", run_syncdb=True, verbosity=0)
    server = ThreadedWSGIServer(("127.0.0.1", port), Quiet)
    server.daemon_threads = True
    server.set_app(get_wsgi_application())
    the_provider = LocalProvider(f"http://127.0.0.1:{server.server_port}/firm")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="provider")
    thread.start()
    try:
        yield the_provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    sys.modules["tests.openid_provider"] = sys.modules["__main__"]
    with running(int(sys.argv[1])) as provider:
        provider.register(*sys.argv[2:])
        for each in ("jane", "tom"):
            provider.add(each, email=f"{each}@firm.com", email_verified=True, groups=["legal"])
        print(provider.issuer, urlencode({"client_id": CLIENT, "secret": SECRET}), flush=True)
        threading.Event().wait()
