"""Where a setting comes from, and what is refused."""

from pathlib import Path

import pytest

from app.settings import ConfigurationError, Settings, load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "atelier.toml"
    path.write_text('port = 7001\nlog_format = "json"\nsession_idle = "guest=30m member=8h admin=30m"\n')
    return path


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load().port == 7860
    monkeypatch.setenv("ATELIER_CONFIG", str(file))
    assert (load().port, load().log_format, load().session_idle) == (7001, "json", "guest=30m member=8h admin=30m")
    monkeypatch.setenv("ATELIER_PORT", "7002")
    assert load().port == 7002
    assert load(port="7003").port == 7003


def test_the_file_in_the_current_folder_is_found_by_its_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    assert load().port == 7001


@pytest.mark.parametrize(
    "content", ["port = 0", 'timezone = "Mars"', "shoe = 1", "port = ", 'host = "\\', "max = [1"], ids=range(6)
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as refused:
        load(config=path)
    assert not refused.value.by_flag


def test_a_wrong_flag_is_told_from_a_wrong_file() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(port="none")
    assert refused.value.by_flag


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_password_is_never_shown() -> None:
    assert "correct horse" not in repr(load(admin_password="correct horse battery"))
