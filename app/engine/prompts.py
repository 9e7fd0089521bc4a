"""Prompts as the tokenizer may see them, and how many tokens they are; without torch, for the parent."""

import logging
from pathlib import Path

from tokenizers import Tokenizer

from app.domain.generation import engine_text


def encodable(prompt: str) -> str:
    """The prompt without lone surrogates, which no tokenizer takes, and without control tokens.

    Callers have refused or removed both already; here it costs nothing and keeps the chat template whole.
    """
    return engine_text(prompt.encode("utf-8", "ignore").decode("utf-8"))


log = logging.getLogger(__name__)


class TokenCounter:
    """Counts with the tokenizer of a model folder."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError or ValueError when the folder has no readable `tokenizer/tokenizer.json`."""
        text = (folder / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8")
        try:
            self._tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # the binding raises plain Exception
            raise ValueError("unreadable tokenizer.json") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def count(self, prompt: str) -> int:
        """Tokens of the prompt alone, without the chat template around it."""
        return len(self._tokenizer.encode(encodable(prompt), add_special_tokens=False).ids)


def counter_of(folder: Path) -> TokenCounter | None:
    """None where the folder has no readable tokenizer."""
    try:
        return TokenCounter(folder)
    except (OSError, ValueError):
        log.warning("No tokenizer in %s: prompts are counted by the engine child alone", folder.name)
        return None
