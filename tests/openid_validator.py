"""What Django is to find by name of the provider in `tests.openid_provider`."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.views import LoginView
from django.urls import include, path
from oauth2_provider import urls
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.views import TokenView

from tests import openid_provider


class Token(TokenView):
    """Gives tokens, twisted if so wished."""

    def post(self, request: Any, *given: Any, **named: Any) -> Any:
        """What a code is good for."""
        response = super().post(request, *given, **named)
        body, twist = json.loads(response.content), openid_provider.the_provider.twist
        if twist is not None and "id_token" in body:
            response.content = json.dumps(body | {"id_token": twist(body["id_token"])})
        return response


urlpatterns = [
    path("login/", LoginView.as_view()),
    path("firm/token/", Token.as_view()),
    path("firm/", include((urls.base_urlpatterns + urls.oidc_urlpatterns, "oauth2_provider"))),
]


class Validator(OAuth2Validator):
    """Says what the provider is told to say."""

    oidc_claim_scope = None

    def get_additional_claims(self, request: Any) -> dict[str, Any]:
        """The claims of an account."""
        return openid_provider.the_provider.claims[request.user.username]

    def get_id_token_dictionary(self, token: Any, token_handler: Any, request: Any) -> Any:
        """Without those that only the user info endpoint has."""
        claims, expires = super().get_id_token_dictionary(token, token_handler, request)
        hidden = openid_provider.the_provider.only_when_asked
        return {name: value for name, value in claims.items() if name not in hidden}, expires
