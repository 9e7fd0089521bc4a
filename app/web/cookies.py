"""The session cookie, and which addresses a login may lead to."""

from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

PLAIN: Final = "atelier_session"
SECURE: Final = "__Host-atelier_session"
A_YEAR: Final = 365 * 24 * 3600


def session_secret(connection: HTTPConnection) -> str | None:
    """The secret that the browser sent; over HTTPS only the cookie that no plain page could have set."""
    return connection.cookies.get(_name(connection)) or None


def set_session(response: Response, connection: HTTPConnection, secret: str) -> None:
    """Lives as long as the browser; the row in the database decides when it ends."""
    secure = _is_secure(connection)
    response.set_cookie(_name(connection), secret, path="/", secure=secure, httponly=True, samesite="lax")


def clear_session(response: Response, connection: HTTPConnection) -> None:
    secure = _is_secure(connection)
    response.delete_cookie(_name(connection), path="/", secure=secure, httponly=True, samesite="lax")


def set_language(response: Response, connection: HTTPConnection, language: str) -> None:
    """For pages that are seen before anybody has signed in."""
    secure = _is_secure(connection)
    response.set_cookie("lang", language, max_age=A_YEAR, path="/", secure=secure, httponly=True, samesite="lax")


def is_local_path(path: str) -> bool:
    """Whether `path` stays on this site: no scheme, no host, no backslash or control character tricks."""
    return path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()


def local_path(path: str, root_path: str) -> str:
    """`path` if it is local, else the studio; with the prefix that a proxy strips."""
    wanted = path if is_local_path(path) else "/"
    return wanted if root_path and wanted.startswith(f"{root_path}/") else f"{root_path}{wanted}"


def _name(connection: HTTPConnection) -> str:
    return SECURE if _is_secure(connection) else PLAIN


def _is_secure(connection: HTTPConnection) -> bool:
    return bool(connection.url.scheme == "https")
