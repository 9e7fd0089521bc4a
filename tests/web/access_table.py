"""The access matrix: every route and every Gradio event, and what each kind of person gets. The tests drive it."""

from typing import Final

from app.auth.policy import Permission

# `narrow` is a token of `member` with the scope `read`, `wide` one without a scope; all others have a session cookie.
PEOPLE: Final = ("anonymous", "guest", "member", "other", "admin", "disabled", "expired", "must", "narrow", "wide")
NEW: Final = {"username": "Not A Name", "password": "x", "role": "guest"}
JOB: Final = {"prompt": "a red circle", "width": 256, "height": 256, "steps": 2}
LANGUAGE: Final = {"language": "en", "next": "/"}

_ANYBODY: Final = "200 200 200 200 200 200 200 200 200 200"
_SIGNED_IN: Final = "401 200 200 200 200 401 401 403 200 200"
_MEMBERS: Final = "401 403 200 200 200 401 401 403 200 200"
_OWNED: Final = "401 404 200 404 200 401 401 403 200 200"
_ADMINS: Final = "401 403 403 403 200 401 401 403 403 403"
# The status for each of PEOPLE, and what is sent: JSON, or a form if the path is not of the API.
# {job}, {image} and {upload} are the member's; nobody else learns that they exist.
OURS: Final[dict[tuple[str, str], tuple[str, object]]] = {
    ("GET", "/login"): ("200 303 303 303 303 200 200 303 303 303", None),
    ("POST", "/login"): ("401 401 401 401 401 401 401 401 401 401", {"username": "access-nobody", "password": "x"}),
    ("POST", "/logout"): ("303 303 303 303 303 303 303 303 303 303", None),
    ("POST", "/account/language"): ("303 303 303 303 303 303 303 303 403 303", LANGUAGE),
    ("GET", "/account/password"): ("401 200 200 200 200 401 401 200 200 200", None),
    ("POST", "/account/password"): ("401 422 422 422 422 401 401 422 403 422", {"old": "x", "new": "y"}),
    ("GET", "/account/status"): (_SIGNED_IN, None),
    ("GET", "/account/draft"): ("401 403 200 200 200 401 401 403 403 200", None),
    ("PUT", "/account/draft"): ("401 403 204 204 204 401 401 403 403 204", JOB),
    ("GET", "/healthz"): (_ANYBODY, None),
    ("GET", "/readyz"): (_ANYBODY, None),
    ("GET", "/outputs/{image}"): (_OWNED, None),
    ("GET", "/outputs/{image}/thumb"): (_OWNED, None),
    ("GET", "/api/v1/me"): (_SIGNED_IN, None),
    ("POST", "/api/v1/jobs"): ("401 403 202 202 202 401 401 403 403 202", JOB),
    ("GET", "/api/v1/jobs"): (_MEMBERS, None),
    ("GET", "/api/v1/jobs/{job}"): (_OWNED, None),
    ("DELETE", "/api/v1/jobs/{job}"): ("401 404 409 404 409 401 401 403 403 409", None),
    # The job has ended: what is shown while it runs is tested apart.
    ("GET", "/api/v1/jobs/{job}/preview"): ("401 404 404 404 404 401 401 403 404 404", None),
    ("GET", "/api/v1/events"): (_MEMBERS, None),
    ("GET", "/api/v1/images"): (_MEMBERS, None),
    ("POST", "/api/v1/images/search"): ("401 404 404 404 404 401 401 403 404 404", {}),
    ("GET", "/api/v1/images/{image}"): (_OWNED, None),
    ("DELETE", "/api/v1/images/{image}"): ("401 404 204 404 204 401 401 403 403 204", None),
    ("POST", "/api/v1/uploads"): ("401 403 415 415 415 401 401 403 403 415", {}),
    ("GET", "/api/v1/uploads"): ("401 403 200 200 200 401 401 403 403 200", None),
    ("DELETE", "/api/v1/uploads/{upload}"): ("401 403 204 404 404 401 401 403 403 204", None),
    ("GET", "/api/v1/loras"): ("401 403 200 200 200 401 401 403 403 200", None),
    ("GET", "/api/v1/openapi.json"): (_ADMINS, None),
    ("GET", "/api/v1/admin/users"): (_ADMINS, None),
    ("POST", "/api/v1/admin/users"): ("401 403 403 403 422 401 401 403 403 403", NEW),
    ("PATCH", "/api/v1/admin/users/{username}"): ("401 403 403 403 404 401 401 403 403 403", {}),
    ("GET", "/api/v1/admin/users/{username}/quota"): ("401 403 403 403 404 401 401 403 403 403", None),
    ("POST", "/api/v1/admin/users/{username}/quota"): ("401 403 403 403 404 401 401 403 403 403", {"amount": 1}),
    ("GET", "/api/v1/admin/roles"): (_ADMINS, None),
    ("PATCH", "/api/v1/admin/roles/{role}"): ("401 403 403 403 404 401 401 403 403 403", {}),
    ("GET", "/api/v1/admin/departments"): (_ADMINS, None),
    ("PATCH", "/api/v1/admin/departments"): ("401 403 403 403 422 401 401 403 403 403", {}),
    ("GET", "/api/v1/admin/audit"): (_ADMINS, None),
    ("GET", "/api/v1/admin/queue"): (_ADMINS, None),
    ("POST", "/api/v1/admin/queue/pause"): (_ADMINS, None),
    ("POST", "/api/v1/admin/queue/drain"): (_ADMINS, None),
    ("POST", "/api/v1/admin/queue/resume"): (_ADMINS, None),
    ("GET", "/api/v1/admin/engine"): (_ADMINS, None),
    ("POST", "/api/v1/admin/engine/load"): ("401 403 403 403 202 401 401 403 403 403", {"model": "demo"}),
    ("POST", "/api/v1/admin/engine/unload"): ("401 403 403 403 202 401 401 403 403 403", None),
}
# Gradio's own routes: open to everybody, open to whoever has signed in; all others answer 404 to everybody who has.
GRADIO_PUBLIC: Final = frozenset(
    {
        "/static/{path:path}",
        "/assets/{path:path}",
        "/favicon.ico",
        "/theme.css",
        "/gradio_api/theme.css",
        "/robots.txt",
        "/manifest.json",
        "/gradio_api/app_id",
    }
)
GRADIO_SIGNED_IN: Final = frozenset(
    {
        "/",
        "/config",
        "/gradio_api/info",
        "/gradio_api/queue/join",
        "/gradio_api/queue/data",
        "/gradio_api/queue/status",
        "/gradio_api/call/{api_name}",
        "/gradio_api/call/{api_name}/{event_id}",
        "/gradio_api/heartbeat/{session_hash}",
    }
)
# The events of the page that run on the server, and the permission that each one asks for.
EVENTS: Final = {
    "arrive": Permission.EXAMPLE_READ,
    "show_account": Permission.CREDENTIAL_MANAGE,
    "end_one": Permission.CREDENTIAL_MANAGE,
    "end_others": Permission.CREDENTIAL_MANAGE,
    "end_all": Permission.CREDENTIAL_MANAGE,
    "make_token": Permission.CREDENTIAL_MANAGE,
    "revoke": Permission.CREDENTIAL_MANAGE,
    "send": Permission.JOB_CREATE,
    "generate": Permission.JOB_CREATE,
    "create": Permission.USER_MANAGE,
    "save": Permission.USER_MANAGE,
    "after": Permission.USER_MANAGE,
    "choose": Permission.USER_MANAGE,
    "reset": Permission.USER_MANAGE,
    "end_sessions": Permission.USER_MANAGE,
    "disable": Permission.USER_MANAGE,
    "enable": Permission.USER_MANAGE,
    "show_people": Permission.USER_MANAGE,
    "show_queue": Permission.QUEUE_MANAGE,
    "pause": Permission.QUEUE_MANAGE,
    "drain": Permission.QUEUE_MANAGE,
    "resume": Permission.QUEUE_MANAGE,
    "cancel_job": Permission.JOB_CANCEL_ANY,
    "show_engine": Permission.ENGINE_MANAGE,
    "load_model": Permission.ENGINE_MANAGE,
    "load_named": Permission.ENGINE_MANAGE,
    "unload": Permission.ENGINE_MANAGE,
    "add_pictures": Permission.LIMITS_MANAGE,
    "show_limits": Permission.LIMITS_MANAGE,
    "choose_role": Permission.LIMITS_MANAGE,
    "save_role": Permission.LIMITS_MANAGE,
    "choose_department": Permission.LIMITS_MANAGE,
    "save_budget": Permission.LIMITS_MANAGE,
    "show_events": Permission.AUDIT_READ,
}
# Who may run an event that asks for this; everybody else who has signed in is refused, and it is written down.
MAY: Final = {
    Permission.EXAMPLE_READ: frozenset({"guest", "member", "other", "admin", "narrow", "wide"}),
    Permission.CREDENTIAL_MANAGE: frozenset({"guest", "member", "other", "admin"}),
    Permission.JOB_CREATE: frozenset({"member", "other", "admin", "wide"}),
    Permission.USER_MANAGE: frozenset({"admin"}),
    Permission.LIMITS_MANAGE: frozenset({"admin"}),
    Permission.QUEUE_MANAGE: frozenset({"admin"}),
    Permission.ENGINE_MANAGE: frozenset({"admin"}),
    Permission.JOB_CANCEL_ANY: frozenset({"admin"}),
    Permission.AUDIT_READ: frozenset({"admin"}),
}
# The status that stands in the way of everybody else.
TURNED_AWAY: Final = {"anonymous": 401, "disabled": 401, "expired": 401, "must": 403}
