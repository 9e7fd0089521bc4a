"""Every pitfall of Gradio and of other studios that can apply here has one test that names it.

The numbers are our own: `gradio §10` what a mounted Gradio needs tests for, `gradio §12` what was measured in
Chromium, `peers G` and `peers ok` what was tried on Gradio with two people, `peers §d2` what went wrong elsewhere.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[1]
NAMED: Final = re.compile(r"Pitfall (gradio §\d+\.\d+|peers (?:G|ok|§d2\.)\d+): \S")
KNOWN: Final = (
    *(f"gradio §10.{number}" for number in range(1, 11)),
    *(f"gradio §12.{number}" for number in range(1, 7)),
    *(f"peers G{number}" for number in range(1, 13)),
    *(f"peers ok{number}" for number in range(1, 4)),
    *(f"peers §d2.{number}" for number in range(1, 21)),
)
# What cannot apply yet, and the release that must bring its test along.
LATER: Final = {
    "gradio §12.2": "the picture editor comes with the studio; until then uploads and component_server are closed",
    "gradio §12.3": "text chunks of dropped pictures are read once the page takes files",
    "gradio §12.6": "search, and with it two-character Chinese words, comes with the studio",
    "peers §d2.8": "no moderation yet: its verdicts must fail closed",
    "peers §d2.9": "no watermark yet: a picture that cannot be marked must not be handed out",
}
# Parts of pitfalls that have a test already, and what that test must learn when the part arrives.
LATER_PARTS: Final = {
    "peers §d2.2": ("managers, sharing and `/v1/images`: every new way in, for every role",),
    "peers §d2.3": ("ids of templates, collections and share links, each to read, to change and to delete",),
    "peers §d2.5": ("headers of a single sign-on proxy: believed from its address alone, and stripped before",),
    "peers §d2.13": ("formulas in CSV and XLSX; text chunks that are read back",),
    "peers §d2.14": ("names of templates, members of ZIP files",),
    "peers §d2.16": ("webhooks, metrics, previews and what a share link shows of a prompt",),
    "peers §d2.19": ("LoRA and model files that people upload",),
}


def docstrings() -> Iterator[tuple[str, str]]:
    """Each test's place and docstring."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield f"{path.relative_to(TESTS)}::{node.name}", ast.get_docstring(node) or ""


def test_each_pitfall_that_can_apply_is_named_by_one_test() -> None:
    named = Counter(found[1] for _, text in docstrings() if (found := NAMED.match(text)))
    assert named == dict.fromkeys((known for known in KNOWN if known not in LATER), 1)


def test_whoever_names_a_pitfall_names_it_in_the_way_that_is_looked_for() -> None:
    assert [place for place, text in docstrings() if "itfall" in text and not NAMED.match(text)] == []


def test_what_cannot_apply_yet_says_why() -> None:
    assert set(LATER) | set(LATER_PARTS) <= set(KNOWN)
    assert not set(LATER) & set(LATER_PARTS)
    assert all([*LATER.values(), *LATER_PARTS.values()])
