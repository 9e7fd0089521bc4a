"""Logs: what they tell, and the walls that keep prompts and secrets out of them."""

import asyncio
import io
import json
import logging
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.auth.tokens import mint
from app.cli.listening import _tell_loop_error
from app.engine.child import Child
from app.engine.wire import LoadFailed, Setup
from app.logs import HIDDEN, JsonFormatter, Printed, TextFormatter, redacted, where
from app.web.access_log import shown_path

CANARY = "palimpsestquokka"
TOKEN = "atl_0123456789ab_" + "Ab3-_x" * 7 + "Q" + "89abcdef"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl-_c2ln"
SECRETS = [
    (f"refused {TOKEN}", f"refused atl_0123456789ab_{HIDDEN}"),
    (f"Authorization: Bearer {CANARY}", f"Authorization: {HIDDEN}"),
    (f"authorization: Basic {CANARY}==", f"authorization: {HIDDEN}"),
    (f"{{'authorization': 'Bearer {CANARY}', 'x': 'y'}}", f"{{'authorization': '{HIDDEN}', 'x': 'y'}}"),
    (f"[(b'authorization', b'Bearer {CANARY}')]", f"[(b'authorization', b'{HIDDEN}')]"),
    (f"[(b'cookie', b'a=b; c={CANARY}')]", f"[(b'cookie', b'{HIDDEN}')]"),
    (f"sent bearer {CANARY}.", f"sent bearer {HIDDEN}"),
    (f"atelier_session={CANARY}; lang=en", f"atelier_session={HIDDEN}; lang=en"),
    (f"__Host-atelier_session={CANARY}", f"__Host-atelier_session={HIDDEN}"),
    (f"{{'atelier_session': '{CANARY}'}}", f"{{'atelier_session': '{HIDDEN}'}}"),
    (f"Set-Cookie: atelier_session={CANARY}; Path=/", f"Set-Cookie: {HIDDEN}"),
    (f"username=mei&password={CANARY}&next=/", f"username=mei&password={HIDDEN}&next="),
    (f'{{"password": "{CANARY} \\" {CANARY}", "n": 1}}', f'{{"password": {HIDDEN}, "n": 1}}'),
    (f"Login(username='mei', password='{CANARY}')", f"Login(username='mei', password={HIDDEN})"),
    (f"password: {CANARY}", f"password: {HIDDEN}"),
    (f"Order(prompt='a {CANARY}\\'s, tail', steps=2)", f"Order(prompt={HIDDEN}, steps=2)"),
    (f'{{"negative_prompt": "{CANARY}"', f'{{"negative_prompt": {HIDDEN}'),
    (f'{{"prompt": "cut off {CANARY}', f'{{"prompt": {HIDDEN}'),
    (f"/auth/x/callback?code={CANARY}&state={CANARY}", f"/auth/x/callback?code={HIDDEN}&state={HIDDEN}"),
    (f"code={CANARY}&state={CANARY}", f"code={HIDDEN}&state={HIDDEN}"),
    (f"url: https://hub/x?X-Amz-Signature={CANARY} (Caused", f"url: https://hub/x?X-Amz-Signature={HIDDEN} (Caused"),
    (f"postgresql+psycopg://atelier:{CANARY}@db/x", f"postgresql+psycopg://{HIDDEN}@db/x"),
    (f"got {JWT} here", f"got {HIDDEN} here"),
    ("hf_" + CANARY, HIDDEN),
    (f"$argon2id$v=19$m=65536,t=3,p=4${CANARY}", HIDDEN),
    (f"[type=string_type, input_value={{'x': '{CANARY}'}}, input_type=dict]", f"input_value={HIDDEN}, input_type=dict"),
]
HARMLESS = [
    "GET /api/v1/jobs 200 12 ms user=mei address=127.0.0.1 request=936b8d2f027cbae5",
    "job 27c7356f935e6de9 failed: storage-error",
    "The engine failed: engine.child-lost {'code': -9}",
    "Model demo on cpu",
    "the password of mei was changed; a wrong password, a token and a cookie were refused",
    "No tokenizer in demo: prompts are counted by the engine child alone",
    "port 7860: [Errno 98] error while attempting to bind on address ('127.0.0.1', 7860): address already in use",
    "postgresql://db:5432/atelier",
    "一个红色的圆",
]


@pytest.mark.parametrize(("text", "expected"), SECRETS)
def test_what_looks_like_a_secret_is_blotted_out(text: str, expected: str) -> None:
    assert CANARY not in redacted(text)
    assert expected in redacted(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


@given(st.text(max_size=30), st.text(max_size=30))
@example("BEARER", "]")
def test_a_token_never_stays_whatever_stands_around_it(before: str, after: str) -> None:
    token, parts = mint()
    assert parts.secret not in redacted(f"{before}{token}{after}")
    assert parts.secret not in redacted(f"{before} Bearer {parts.secret} {after}")
    assert parts.secret not in redacted(f"{before}; atelier_session={parts.secret} {after}")


@given(st.text(max_size=80))
@example('password="')
@example("a-" * 40 + "password")
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redacted(redacted(text)) == redacted(text)


def record_of(message: str, *args: object, **extra: Any) -> logging.LogRecord:  # noqa: ANN401 - as logging takes it
    return logging.LogRecord("app.x", logging.ERROR, __file__, 1, message, args, extra.get("exc_info"))


def failure() -> Exception:
    """A KeyError that a ValueError caused, both of which quote what was written."""
    try:
        int(CANARY)
    except ValueError as error:
        made = KeyError(CANARY)
        made.__cause__ = error
        return made.with_traceback(error.__traceback__)
    raise AssertionError


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_an_error_is_told_by_kind_and_place_without_its_text(formatter: logging.Formatter) -> None:
    error = failure()
    line = formatter.format(record_of("it failed", exc_info=(KeyError, error, error.__traceback__)))
    assert CANARY not in line
    assert line.index("ValueError") < line.index("KeyError")
    assert "test_logs.py" in line
    several = ExceptionGroup(CANARY, [error, OSError(CANARY)])
    line = formatter.format(record_of("all failed", exc_info=(ExceptionGroup, several, None)))
    assert CANARY not in line
    assert "KeyError" in line
    assert "OSError" in line
    told = formatter.format(record_of("it failed", exc_info=where(error)))
    assert "KeyError" in told
    assert CANARY not in told


def test_a_message_is_one_line_whatever_it_quotes() -> None:
    assert "\n" not in TextFormatter().format(record_of("%s", "a\n2026 ERROR forged\r\x1b[2J"))
    line = JsonFormatter().format(record_of("%s", f"a\nb password={CANARY}"))
    assert json.loads(line)["message"] == f"a\nb password={HIDDEN}"


def test_what_libraries_print_is_counted_and_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    out = Printed(io.StringIO())
    with caplog.at_level(logging.INFO, "app.logs"):
        print("a", CANARY, file=out)
        print(file=out)
        try:
            int(CANARY)
        except ValueError:
            traceback.print_exc(file=out)
    counted, failed = caplog.messages
    assert counted == f"{__name__} printed {len(CANARY) + 2} characters"
    assert failed == f"{__name__} printed an error: ValueError"
    assert CANARY not in caplog.text


PROCESS = f"""
import asyncio, gc, sys, threading, traceback, warnings
from app import logs
logs.configure("debug", "json")
print("{CANARY}")
sys.stderr.write("{CANARY}\\n")
warnings.warn("a library warns of password={CANARY}")
class Fragile:
    def __del__(self): raise ValueError("{CANARY}")
def fail(): raise ValueError("{CANARY}")
Fragile()
thread = threading.Thread(target=fail); thread.start(); thread.join()
logs.announce("ready")
logs.log.info("bad format %d", "{CANARY}")
fail()
"""


def test_a_process_keeps_its_output_for_the_ready_line_and_its_errors_in_the_chosen_form() -> None:
    done = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, check=False)
    assert done.stdout == "ready\n"
    assert CANARY not in done.stderr
    messages = [json.loads(line)["message"] for line in done.stderr.splitlines()]
    assert messages.count("Nobody handled an error: ValueError") == 3
    assert messages.count(f"__main__ printed {len(CANARY)} characters") == 2
    assert any("a library warns of" in message for message in messages)
    assert done.returncode == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_engine_child_logs_in_the_form_of_its_parent(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], form: str
) -> None:
    nonsense = Setup(
        model="demo",
        source="x",
        hub_endpoint="",
        device="cuda:?",
        models_dir=tmp_path,
        profile="auto",
        threads=0,
        log_level=10,
        log_format=form,
    )
    child = Child(nonsense)
    try:
        message = None
        while not isinstance(message, LoadFailed):
            message = child.receive(60)
            assert message is not None
    finally:
        child.end(10)
        child.close()
    out, err = capfd.readouterr()
    assert out == ""
    if form == "json":
        assert "could not load" in json.loads(err)["message"]
    else:
        assert " ERROR   app.engine.core.worker: The engine could not load" in err


def test_the_event_loop_tells_neither_values_nor_the_texts_of_errors(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(_tell_loop_error)

    def fail(_: str) -> None:
        raise failure()

    loop.call_soon(fail, CANARY)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    assert "Exception in callback" in caplog.text
    assert "KeyError" in caplog.messages[0]
    assert CANARY not in "".join(caplog.messages)


@pytest.mark.parametrize(
    ("path", "root", "mounted", "shown"),
    [
        ("/api/v1/jobs", "", "/api/v1", "/api/v1/jobs"),
        ("/studio/api/v1/jobs", "/studio", "/studio/api/v1", "/api/v1/jobs"),
        ("/studio/", "/studio", "/studio", "/"),
        (f"/gradio_api/heartbeat/{CANARY}", "", "", "/gradio_api/heartbeat/-"),
        (f"/gradio_api/call/generate/{CANARY}", "", "", "/gradio_api/call/generate/-"),
        (f"/s/{CANARY}", "", "", "/s/-"),
        ("/outputs/s/x", "", "", "/outputs/s/x"),
    ],
)
def test_the_access_log_shows_the_whole_path_but_for_what_opens_something(
    path: str, root: str, mounted: str, shown: str
) -> None:
    scope = {"path": path, "root_path": mounted, "app_root_path": root, "query_string": CANARY.encode()}
    assert shown_path(scope) == shown
