"""Flags out of the settings' own fields, so that the two never differ."""

import argparse
from typing import Any, Final

from app.settings import ENV_PREFIX, Settings

# A password on the command line can be read by every user of the machine.
NO_FLAG: Final = frozenset({"admin_username", "admin_password", "admin_password_file"})


def parser() -> argparse.ArgumentParser:
    """A parser that knows every flag and leaves out what was not given."""
    found = argparse.ArgumentParser(
        prog="launch.py",
        description="Atelier, the team studio for Z-Image-Turbo.",
        epilog=f"Each flag has an environment variable ({ENV_PREFIX}HOST …) and a key in atelier.toml (host …).",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    for name, field in Settings.model_fields.items():
        if name in NO_FLAG:
            continue
        options: dict[str, Any] = {"help": f"{field.description} (default: {shown_default(name)})"}
        if field.annotation is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["metavar"] = name.upper().rpartition("_")[2]
        found.add_argument(f"--{flag_name(name)}", dest=name, **options)
    return found


def flag_name(name: str) -> str:
    return name.replace("_", "-")


def shown_default(name: str) -> str:
    default = Settings.model_fields[name].default
    if isinstance(default, bool):
        return "on" if default else "off"
    return "none" if default in {None, ""} else str(default)


def readme_table() -> str:
    """The flags as a Markdown table."""
    rows = [
        f"| `--{flag_name(name)}` | {_cell(shown_default(name))} | {field.description} |"
        for name, field in Settings.model_fields.items()
        if name not in NO_FLAG
    ]
    return "\n".join(["| flag | default | meaning |", "|---|---|---|", *rows]) + "\n"


def _cell(default: str) -> str:
    return default if default in {"none", "on", "off"} else f"`{default}`"
