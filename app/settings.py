"""Every knob: name, default, meaning. Flag beats environment, environment beats file, file beats default.

Flags, `ATELIER_…` variables, keys of `atelier.toml` and the README's table all come from these fields.
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from app.domain.people import UNLIMITED, Role, RoleLimits

ENV_PREFIX = "ATELIER_"
DEFAULT_FILE = Path("atelier.toml")


UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_SPAN: Final = re.compile(rf"({'|'.join(Role)})=([1-9][0-9]{{0,3}})([mhd])")


class ConfigurationError(Exception):
    """The settings are refused: one line each, naming the setting. `by_flag`: all of them were given as flags."""

    def __init__(self, text: str, *, by_flag: bool = False) -> None:
        self.by_flag = by_flag
        super().__init__(text)


class Settings(BaseSettings):
    """Frozen; read by `cli` and `bootstrap` only."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(7860, ge=1, le=65535, description="port; if it is not given and busy, the next free up to 7869")
    share: bool = Field(default=False, description="public link through Gradio's tunnel")
    model: str = Field(
        "auto", description="auto, demo, a folder in diffusers layout, a safetensors or GGUF file, or a hub id"
    )
    model_source: Literal["huggingface", "modelscope"] = Field("huggingface", description="where weights come from")
    hub_endpoint: str = Field(
        "", pattern=r"^(https?://[^\s@?#]+)?$", description="the hub's address, for a mirror; HF_ENDPOINT by default"
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|(cpu|cuda(:[0-9]{1,2})?)(,(cpu|cuda:[0-9]{1,2}))*)$",
        description="auto, cuda (every card), cuda:N, cpu, or several, such as cuda:0,cuda:1",
    )
    engine_profile: Literal["auto", "24gb", "24gb-fp8", "16gb", "12gb-fp8", "8gb", "cpu"] = Field(
        "auto", description="what the engine does with the GPU: auto, 24gb, 24gb-fp8, 16gb, 12gb-fp8, 8gb or cpu"
    )
    data_dir: Path = Field(Path("data"), description="database, keys, thumbnails, uploads")
    outputs_dir: Path = Field(Path("outputs"), description="pictures, a folder for each person")
    models_dir: Path = Field(Path("models"), description="weights")
    database_url: str = Field("", description="SQLite in the data directory, PostgreSQL or MySQL/MariaDB")
    redis_url: str = Field(
        "", description="optional; lets several servers share what changed, rates and finished pictures"
    )
    root_path: str = Field(
        "", pattern=r"^(/[A-Za-z0-9._~-]+)*$", description="sub-path behind a proxy, such as /studio"
    )
    ssl_certfile: Path | None = Field(None, description="certificate, to serve HTTPS without a proxy")
    ssl_keyfile: Path | None = Field(None, description="the certificate's key")
    config: Path | None = Field(None, description="settings file; atelier.toml if it is there")
    timezone: str = Field("", description="time zone of days, folders and reports; the server's own by default")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="how much is logged")
    log_format: Literal["text", "json"] = Field("text", description="text, or one JSON object a line")
    trusted_proxies: str = Field("", description="addresses of proxies whose X-Forwarded-For and -Proto are believed")
    session_idle: str = Field(
        "guest=2h member=24h admin=4h", description="a session ends after so long without use, by role (m, h or d)"
    )
    session_lifetime: str = Field(
        "guest=1d member=7d admin=1d", description="a session ends after so long at most, by role"
    )
    member_quota_daily: int = Field(50, ge=-1, description="pictures a day of a member (first start); -1 unlimited")
    member_jobs_per_minute: int = Field(120, ge=1, le=100_000, description="jobs a minute of a member (first start)")
    admin_jobs_per_minute: int = Field(
        300, ge=1, le=100_000, description="jobs a minute of an administrator (first start)"
    )
    result_cache_gb: float = Field(
        5.0, ge=0, le=100_000, description="finished pictures kept to be given again, in gigabytes of disk; 0 for none"
    )
    result_cache_charge: Literal["free", "full"] = Field(
        "free", description="what a picture that was made before costs of the quota: free or full"
    )
    result_cache_shared: bool = Field(
        default=False, description="give people pictures that others have made before with the same words and seed"
    )
    access_log: bool = Field(default=True, description="log each request: path without query, never a body")
    admin_username: str = Field("admin", description="name of the first administrator")
    admin_password: SecretStr | None = Field(None, description="password of the first administrator")
    admin_password_file: Path | None = Field(None, description="file that holds it")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value and value not in available_timezones():
            raise ValueError("is not a time zone of the IANA database")
        return value

    @field_validator("session_idle", "session_lifetime")
    @classmethod
    def _known_spans(cls, value: str) -> str:
        spans(value)
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone or server_timezone())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        given: dict[str, Any] = init_settings.init_kwargs if isinstance(init_settings, InitSettingsSource) else {}
        file = given.get("config") or env_settings().get("config") or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
        if file is None:
            return init_settings, env_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=Path(file))


def load(**flags: object) -> Settings:
    """The settings, with the given flags on top. Raises ConfigurationError."""
    file = flags.get("config")
    if file is not None and not Path(str(file)).is_file():
        raise ConfigurationError(f"config: there is no file {file}")
    try:
        return Settings(**flags)  # type: ignore[arg-type]  # the fields parse what flags, files and variables hold
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, each['loc'])) or 'settings'}: {each['msg']}" for each in error.errors()]
        by_flag = all(each["loc"] and each["loc"][0] in flags for each in error.errors())
        raise ConfigurationError("\n".join(lines), by_flag=by_flag) from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the settings file cannot be read: {error}") from None


def roles(settings: Settings) -> tuple[RoleLimits, ...]:
    """What the roles start with."""
    caps = {"max_waiting": 50, "max_running": 4, "max_side": 2048, "max_steps": 50, "max_count": 4, "weight": 1}
    return (
        RoleLimits(role=Role.GUEST, quota_daily=0, jobs_per_minute=1, **caps),
        RoleLimits(
            role=Role.MEMBER,
            quota_daily=settings.member_quota_daily,
            jobs_per_minute=settings.member_jobs_per_minute,
            **caps,
        ),
        RoleLimits(role=Role.ADMIN, quota_daily=UNLIMITED, jobs_per_minute=settings.admin_jobs_per_minute, **caps),
    )


def admin_password(settings: Settings) -> str | None:
    """The first administrator's password from the settings. Raises ConfigurationError."""
    if settings.admin_password is not None:
        return settings.admin_password.get_secret_value()
    if settings.admin_password_file is None:
        return None
    try:
        return settings.admin_password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError("admin_password_file: the file cannot be read") from None


def spans(text: str) -> dict[Role, timedelta]:
    """`guest=2h member=24h admin=30m`: a time for every role. Raises ValueError."""
    parts = [_SPAN.fullmatch(part) for part in text.split()]
    found = {Role(part[1]): int(part[2]) * UNITS[part[3]] for part in parts if part is not None}
    if None in parts or len(parts) != len(Role) or set(found) != set(Role):
        raise ValueError(f"name a time for each role, such as {' '.join(f'{role}=8h' for role in Role)}")
    return found


def server_timezone() -> str:
    """The IANA name of the server's own zone, UTC if the system does not tell."""
    link = Path("/etc/localtime")
    parts = link.resolve().parts if link.exists() else ()
    if "zoneinfo" in parts:
        name = "/".join(parts[parts.index("zoneinfo") + 1 :])
        if name in available_timezones():
            return name
    return "UTC"
