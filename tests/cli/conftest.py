"""The command line inside the test's own process, on a data directory of the test alone."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.__main__ import application


@dataclass
class Terminal:
    """Runs verbs; `run` wants the exit code `code`."""

    folder: Path

    @property
    def places(self) -> list[str]:
        return ["--data-dir", str(self.folder / "data"), "--outputs-dir", str(self.folder / "outputs")]

    def run(self, *words: str, code: int = 0, stdin: str | bytes | None = None) -> Result:
        result = CliRunner().invoke(application, [*self.places, *words], input=stdin, catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    def lines(self, *words: str, code: int = 0, stdin: str | bytes | None = None) -> list[str]:
        return self.run(*words, code=code, stdin=stdin).stdout.splitlines()

    def json(self, *words: str, code: int = 0, stdin: str | bytes | None = None) -> Any:  # noqa: ANN401 - any JSON
        """The one document on standard output."""
        return json.loads(self.run(*words, "--json", code=code, stdin=stdin).stdout)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return Terminal(tmp_path)
