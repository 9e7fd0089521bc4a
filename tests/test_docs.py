"""The documents tell the truth: flags, commands, links, texts."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.auth.throttle import ADDRESS_LADDER, FREE_FAILURES, LONGEST_WAIT, SITE_CEILING
from app.auth.tokens import MAX_DAYS, MOST_ALIVE
from app.cli.flags import readme_table
from app.flows.sign_in import MOST_SESSIONS
from app.flows.studio import REFUSALS_TOLD
from app.messages.catalogue import LANGUAGES, catalogue
from app.web.ownership import MOST_A_MINUTE, MOST_AT_ONCE
from app.web.threads import LOGINS_WAITING
from tests.engine.waiting import wait_for
from tests.houses import PASSWORD
from tests.serving import ROOT, free_port, places

README = (ROOT / "README.md").read_text(encoding="utf-8")
PLACEHOLDER = re.compile(r"\{(\w+)")


def test_the_readme_lists_the_flags_that_the_program_has() -> None:
    table = README.split("<!-- flags -->\n")[1].split("<!-- /flags -->\n")[0]
    assert table == readme_table(), "run scripts/readme_flags"


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda path: path.name
)
def test_every_link_to_a_file_leads_to_one(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_proof_in_the_security_scorecard_is_a_test_that_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/SECURITY.md").read_text(encoding="utf-8")))
    written = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(named) > 40
    assert named - written == set()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("{} free, then", FREE_FAILURES),
        ("at most {} minutes", int(LONGEST_WAIT.total_seconds() // 60)),
        ("{} a minute | memory", SITE_CEILING),
        ("20 in 1 minute, 40 in 10, 80 in {}", ADDRESS_LADDER[-1][1]),
        ("{} at a time", MOST_AT_ONCE),
        ("{} a minute | memory, or Redis; ", MOST_A_MINUTE),
        ("| {} a minute | memory, or Redis |", REFUSALS_TOLD),
        ("checks | {} |", LOGINS_WAITING),
        ("than {}. A request", MOST_SESSIONS),
        ("{} working ones", MOST_ALIVE),
        ("{} at most", MAX_DAYS),
    ],
)
def test_the_limits_that_the_security_page_names_are_those_of_the_code(text: str, number: int) -> None:
    assert text.format(number) in (ROOT / "docs/SECURITY.md").read_text(encoding="utf-8")


def test_both_languages_have_the_same_texts_with_the_same_parameters() -> None:
    english, chinese = (catalogue(language) for language in LANGUAGES)
    assert set(english) == set(chinese)
    differing = [
        key for key in english if set(PLACEHOLDER.findall(english[key])) != set(PLACEHOLDER.findall(chinese[key]))
    ]
    assert differing == []
    assert [key for key, text in chinese.items() if not text.strip()] == []


def commands() -> list[str]:
    """The lines of the README's shell blocks, continued lines joined."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Started by the README's own first command; the environment that its other commands run in."""
    assert commands()[0] == "./scripts/start"
    settings = dict(
        zip(("ATELIER_DATA_DIR", "ATELIER_OUTPUTS_DIR", "ATELIER_MODELS_DIR"), places(tmp_path)[1::2], strict=True)
    )
    environment = os.environ | settings | {"ATELIER_PORT": str(free_port()), "ATELIER_ADMIN_PASSWORD": PASSWORD}
    with (tmp_path / "out.txt").open("w") as out, (tmp_path / "err.txt").open("w") as err:
        process = subprocess.Popen(commands()[0].split(), cwd=ROOT, env=environment, stdout=out, stderr=err)
    try:
        url = f"http://127.0.0.1:{environment['ATELIER_PORT']}"
        wait_for(lambda: f"Atelier is ready at {url}" in (tmp_path / "out.txt").read_text(), 100)
        yield environment
    finally:
        process.terminate()
        assert process.wait(15) == 0


@pytest.mark.timeout(180)
def test_the_commands_of_the_readme_do_what_it_says(studio: dict[str, str]) -> None:
    add, token, curl = (next(line for line in commands() if part in line) for part in ("user add", "TOKEN=", "curl"))
    url = f"http://127.0.0.1:{studio['ATELIER_PORT']}"
    given = run(add, studio).splitlines()[-1]
    with httpx.Client(base_url=url, headers={"Origin": url}, timeout=30) as mei:
        assert mei.post("/login", data={"username": "mei", "password": given}).status_code == 303
        assert mei.post("/account/password", data={"old": given, "new": PASSWORD}).status_code == 303
        job = json.loads(run(f"{token}\n{curl.replace('7860', studio['ATELIER_PORT'])}", studio))
        wait_for(lambda: mei.get(f"/api/v1/jobs/{job['id']}").json()["state"] == "succeeded", 90)


def run(script: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-ec", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
