"""What a model may be called."""

import pytest

from app.domain.errors import InvalidRequestError
from app.domain.models import is_plain_name, parse_model, parse_model_or_path

FOUND = {"Z-Image-Turbo", "mine Q4.gguf", "模型.safetensors"}


@pytest.mark.parametrize("name", ["auto", "demo", *FOUND])
def test_what_is_there_is_called_by_its_name(name: str) -> None:
    assert parse_model(name, FOUND) == name
    assert parse_model(f" {name}\n", FOUND) == name


@pytest.mark.parametrize("name", ["Tongyi-MAI/Z-Image-Turbo", "hub:Tongyi-MAI/Z-Image-Turbo"])
def test_a_hub_id_never_means_a_folder_that_happens_to_be_here(name: str) -> None:
    assert parse_model(name, FOUND) == "hub:Tongyi-MAI/Z-Image-Turbo"


@pytest.mark.parametrize(
    "value",
    ["", " ", "other.gguf", "/etc/passwd", "../x", "./x", "a/b/c", "a/..", ".a/b", "a\0/b", "C:\\x", "hub:", "hub:a",
     "a/" + "b" * 200, None, 7, ["demo"], {"model": "demo"}],
)  # fmt: skip
def test_a_path_or_anything_else_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        parse_model(value, FOUND)
    assert [(each.field, each.key) for each in refusal.value.errors] == [("model", "field.model")]


def test_whoever_is_on_the_server_may_name_a_path() -> None:
    assert parse_model_or_path("/srv/models/mine.gguf", ()) == "/srv/models/mine.gguf"
    assert parse_model_or_path("demo", ()) == "demo"
    for value in ("/srv/\n", "mine.gguf", "/" + "x" * 5000):
        with pytest.raises(InvalidRequestError):
            parse_model_or_path(value, ())


@pytest.mark.parametrize(
    ("name", "is_plain"),
    [("a", True), ("模型 1.gguf", True), ("", False), (".", False), ("..", False), (".a", False), ("a/b", False),
     ("a\\b", False), ("a\nb", False), ("a" * 201, False)],
)  # fmt: skip
def test_a_plain_name_does_not_lead_out_of_its_folder(name: str, *, is_plain: bool) -> None:
    assert is_plain_name(name) is is_plain
