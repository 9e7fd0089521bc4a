"""Permission: who is asking, and may they."""
