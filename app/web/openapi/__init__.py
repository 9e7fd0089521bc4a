"""The OpenAPI document of `/api/v1`: data, made of the same constants that the flows check with."""

from typing import Any, Final

from app.web.cookies import PLAIN, SECURE
from app.web.openapi.answers import HEADERS
from app.web.openapi.bodies import BODIES
from app.web.openapi.objects import OBJECTS
from app.web.openapi.parameters import COMPONENTS as PARAMETERS
from app.web.openapi.paths import paths

DESCRIPTION: Final = """The studio for scripts.

Every GET answers HEAD too; a method that an address does not know is 405 with `Allow`. Every answer but 204 and 303 is
JSON, every refusal `application/problem+json`. Answers may gain properties; requests with unknown properties are
refused. Unsafe requests with a session must come from our own pages, or are `cross-site`; those with a token need not.
Somebody else's object is not found. Times are UTC."""


def document(server: str) -> dict[str, Any]:
    """The document for a server that answers at `server`, its path with any prefix."""
    return {
        "openapi": "3.1.1",
        "info": {"title": "Atelier", "version": "1", "description": DESCRIPTION},
        "servers": [{"url": server}],
        "security": [{"token": []}, {"session": []}, {"secureSession": []}],
        "tags": [
            {"name": "account", "description": "Who I am"},
            {"name": "jobs", "description": "Making pictures"},
            {"name": "images", "description": "Own pictures"},
            {"name": "admin", "description": "Administrators only"},
        ],
        "paths": paths(),
        "components": {
            "schemas": dict(sorted({**OBJECTS, **BODIES}.items())),
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "An API token; its scopes narrow it"},
                "session": _cookie(PLAIN, "The session of a browser over HTTP"),
                "secureSession": _cookie(SECURE, "The same over HTTPS"),
            },
        },
    }


def _cookie(name: str, description: str) -> dict[str, str]:
    return {"type": "apiKey", "in": "cookie", "name": name, "description": description}
