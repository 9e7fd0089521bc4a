"""The parameters of paths, queries and headers."""

from typing import Any, Final

from app.domain.jobs import JobState
from app.flows.submit import MAX_KEY
from app.web.api import DEFAULT_WAIT, MAX_WAIT
from app.web.bodies import DEFAULT_LIMIT
from app.web.openapi.objects import ID
from app.web.openapi.schema import Schema, one_of, text, whole

# A test holds it against what the flows allow.
MOST_ITEMS: Final = 200


def _parameter(place: str, name: str, schema: Schema, description: str = "") -> dict[str, Any]:
    made = {"in": place, "name": name, "required": place == "path", "schema": schema}
    return {**made, "description": description} if description else made


def _day(name: str) -> dict[str, Any]:
    return _parameter("query", name, text(format="date"), "Inclusive, in the configured time zone")


def use(*names: str) -> list[dict[str, str]]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


COMPONENTS: Final = {
    "Id": _parameter("path", "id", ID),
    "UploadId": _parameter("path", "id", text(pattern="^u[0-9a-f]{15}$")),
    "Username": _parameter("path", "username", text()),
    "Role": _parameter("path", "role", text()),
    "Day": _parameter("query", "day", text(format="date"), "In the configured time zone; today without"),
    "State": _parameter("query", "state", one_of(JobState)),
    "Cursor": _parameter("query", "cursor", text(), "The last page's `next_cursor`; any other is refused"),
    "Limit": _parameter("query", "limit", whole(1, MOST_ITEMS, default=DEFAULT_LIMIT), "Most items of a page"),
    "Since": _parameter(
        "query", "since", text(), "The last answer's `rev`. Without or unknown: at once, the unfinished jobs"
    ),
    "Wait": _parameter("query", "wait", whole(0, MAX_WAIT, default=DEFAULT_WAIT), "Seconds to wait for news"),
    "Actor": _parameter("query", "actor", text(), "A user name, exactly"),
    "Action": _parameter("query", "action", text(), "An action, exactly"),
    "From": _day("from"),
    "To": _day("to"),
    "IdempotencyKey": _parameter(
        "header",
        "Idempotency-Key",
        text(minLength=1, maxLength=MAX_KEY, pattern="^[ -~]+$"),
        "The same key and request give the same job, charged once; the same key with another request is `conflict`."
        " Kept for 24 hours",
    ),
    "AcceptLanguage": _parameter(
        "header", "Accept-Language", text(), "Of texts for people, unless the account has one"
    ),
}
