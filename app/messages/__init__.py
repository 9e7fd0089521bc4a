"""Every text for people, in English and Simplified Chinese, for pages, command line and errors alike."""

from app.messages.catalogue import DEFAULT_LANGUAGE, LANGUAGES, error_text, field_text, negotiate, translate

__all__ = ["DEFAULT_LANGUAGE", "LANGUAGES", "error_text", "field_text", "negotiate", "translate"]
