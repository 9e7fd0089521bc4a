"""What a person may ask the engine for, parsed once, by name, from anything that arrives from outside."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from app.domain.editing import MIN_STRENGTH, default_strength, denoising_steps, is_upload_id
from app.domain.errors import FieldError, InvalidRequestError, printable
from app.domain.jobs import is_id
from app.domain.loras import LoraUse, parse_loras
from app.domain.people import RoleLimits

MIN_SIDE: Final = 256
MAX_SIDE: Final = 2048
SIDE_STEP: Final = 16
MAX_STEPS: Final = 50
MAX_GUIDANCE: Final = 10.0
MAX_COUNT: Final = 4
SEEDS: Final = 2**32
MAX_PROMPT: Final = 2000
MAX_PROMPT_TOKENS: Final = 500
DEFAULT_SIDE: Final = 1024
DEFAULT_STEPS: Final = 8
# Without them a request has the fingerprint that it had before there were any.
LATER_FIELDS: Final = frozenset({"bulk", "image", "mask", "strength", "loras"})

# A control token typed by a person would be read as the chat template's own.
CONTROL_TOKEN: Final = re.compile(r"<\|[^|<>]*\|>")


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """A valid request. `seed` None asks for a random one; sides are pixels; `bulk` lets everybody else go first.

    `image` is the id of a picture or upload to begin with, `mask` that of one that is white where it may be repainted;
    `strength` says how little of the original stays, and is None without one.
    """

    prompt: str
    negative_prompt: str = ""
    width: int = DEFAULT_SIDE
    height: int = DEFAULT_SIDE
    steps: int = DEFAULT_STEPS
    guidance_scale: float = 0.0
    seed: int | None = None
    count: int = 1
    exact: bool = False
    bulk: bool = False
    image: str | None = None
    mask: str | None = None
    strength: float | None = None
    loras: tuple[LoraUse, ...] = ()

    @property
    def cost(self) -> int:
        """Pictures, the unit of the quota."""
        return self.count

    @property
    def work(self) -> float:
        """Megapixel-steps."""
        return round(self.pixel_steps / 1e6, 6)

    @property
    def pixel_steps(self) -> int:
        """The same in full, for the fair order."""
        return self.width * self.height * denoising_steps(self.steps, self.strength) * self.count

    def fingerprint(self) -> str:
        """SHA-256 of the parsed request: equal bodies, however written, have equal fingerprints."""
        fields = {name: value for name, value in asdict(self).items() if name not in LATER_FIELDS or value}
        canonical = json.dumps(fields, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()


class _Fields:
    """Reads fields by name and gathers every complaint, so that a person sees all of them at once."""

    def __init__(self, body: Mapping[str, object]) -> None:
        self.body = body
        self.errors: list[FieldError] = []

    def refuse(self, field: str, key: str, **params: str | int | float) -> None:
        self.errors.append(FieldError(field, key, params))

    def integer(self, field: str, default: int, low: int, high: int, step: int = 1) -> int:
        value = self.body.get(field, default)
        # JSON has one kind of number: 8.0 is the integer 8, 2.5 and true are not integers.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse(field, "field.integer")
        elif not low <= value <= high:
            self.refuse(field, "field.range", min=low, max=high)
        elif value % step:
            self.refuse(field, "field.multiple", step=step)
        else:
            return value
        return default

    def number(self, field: str, default: float, low: float, high: float) -> float:
        value = self.body.get(field, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(field, "field.number")
        elif not low <= value <= high:  # NaN compares false
            self.refuse(field, "field.range", min=low, max=high)
        else:
            return float(value)
        return default

    def flag(self, field: str) -> bool:
        value = self.body.get(field, False)
        if isinstance(value, bool):
            return value
        self.refuse(field, "field.boolean")
        return False

    def text(self, field: str, *, required: bool) -> str:
        value = self.body.get(field)
        if value is None and not required:
            return ""
        if not isinstance(value, str):
            self.refuse(field, "field.text" if field in self.body else "field.required")
        elif len(value) > MAX_PROMPT:
            self.refuse(field, "field.too-long", max=MAX_PROMPT)
        elif _has_unwritable(value):
            self.refuse(field, "field.control-characters")
        elif required and _is_blank(CONTROL_TOKEN.sub("", value)):
            self.refuse(field, "field.required")
        else:
            return value
        return ""

    def seed(self) -> int | None:
        if self.body.get("seed") is None:
            return None
        return self.integer("seed", 0, 0, SEEDS - 1)

    def source(self, field: str) -> str | None:
        """The id of a picture or an upload; whether there is one, and whose, the flow finds out."""
        value = self.body.get(field)
        if value is None or (isinstance(value, str) and (is_id(value) or is_upload_id(value))):
            return value
        self.refuse(field, "field.picture-id")
        return None

    def strength(self) -> float | None:
        """None without an original, which mask and strength are about."""
        if self.body.get("image") is None:
            for field in ("mask", "strength"):
                if self.body.get(field) is not None:
                    self.refuse(field, "field.needs-image")
            return None
        default = default_strength(masked=self.body.get("mask") is not None)
        if self.body.get("strength") is None:
            return default
        return self.number("strength", default, MIN_STRENGTH, 1.0)

    def loras(self) -> tuple[LoraUse, ...]:
        try:
            return parse_loras(self.body.get("loras"))
        except InvalidRequestError as error:
            self.errors.extend(error.errors)
            return ()


def parse_generation(body: Mapping[str, object], limits: RoleLimits) -> GenerationRequest:
    """The validated request, or InvalidRequestError naming every wrong field."""
    known = set(GenerationRequest.__dataclass_fields__)
    fields = _Fields(body)
    for name in sorted(set(body) - known):
        fields.refuse(printable(name), "field.unknown")
    side = min(MAX_SIDE, limits.max_side)
    request = GenerationRequest(
        prompt=fields.text("prompt", required=True),
        negative_prompt=fields.text("negative_prompt", required=False),
        width=fields.integer("width", min(DEFAULT_SIDE, side), MIN_SIDE, side, SIDE_STEP),
        height=fields.integer("height", min(DEFAULT_SIDE, side), MIN_SIDE, side, SIDE_STEP),
        steps=fields.integer("steps", min(DEFAULT_STEPS, limits.max_steps), 1, min(MAX_STEPS, limits.max_steps)),
        guidance_scale=fields.number("guidance_scale", 0.0, 0.0, MAX_GUIDANCE),
        seed=fields.seed(),
        count=fields.integer("count", 1, 1, min(MAX_COUNT, limits.max_count)),
        exact=fields.flag("exact"),
        bulk=fields.flag("bulk"),
        image=fields.source("image"),
        mask=fields.source("mask"),
        strength=fields.strength(),
        loras=fields.loras(),
    )
    if fields.errors:
        raise InvalidRequestError(fields.errors)
    return request


def require_token_count(request: GenerationRequest, count: Callable[[str], int]) -> None:
    """Refuse prompts of more than 500 tokens; the pipeline would cut them without a word."""
    errors = [
        FieldError(field, "field.too-many-tokens", {"max": MAX_PROMPT_TOKENS, "found": found})
        for field, text in (("prompt", request.prompt), ("negative_prompt", request.negative_prompt))
        if (found := count(text)) > MAX_PROMPT_TOKENS
    ]
    if errors:
        raise InvalidRequestError(errors)


def engine_text(prompt: str) -> str:
    """The prompt as the encoder may see it: without control tokens of its chat template."""
    return CONTROL_TOKEN.sub(" ", prompt)


def picture_seed(seed: int, index: int) -> int:
    """The seed of picture `index` of a job."""
    return (seed + index) % SEEDS


def _is_blank(text: str) -> bool:
    return all(unicodedata.category(character)[0] in "ZC" for character in text)


def _has_unwritable(text: str) -> bool:
    """Lone surrogates and control characters other than tab and line breaks: no database keeps them all."""
    return any(unicodedata.category(c) in {"Cc", "Cs"} and c not in "\t\n\r" for c in text)
