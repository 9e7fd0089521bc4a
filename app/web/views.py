"""The JSON objects of CONTRACT §3, as the routes answer them; `flows.views` makes them."""

from app.flows.views import audit_json, image_json, job_json, me_json, queue_json, timestamp, user_json

__all__ = ["audit_json", "image_json", "job_json", "me_json", "queue_json", "timestamp", "user_json"]
