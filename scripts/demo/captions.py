"""What people would write to get a scene, in English and Chinese, with fillers, unknown words and shouting."""

import random
from dataclasses import replace
from typing import Final

from scripts.demo import scenes
from scripts.demo.scenes import Scene, Thing

ENGLISH_COLOURS: Final = {
    "red": ("red", "red", "red", "scarlet", "crimson"),
    "orange": ("orange",),
    "yellow": ("yellow", "yellow", "golden"),
    "green": ("green",),
    "cyan": ("cyan", "cyan", "turquoise"),
    "blue": ("blue",),
    "purple": ("purple", "purple", "violet"),
    "pink": ("pink",),
    "brown": ("brown",),
    "black": ("black",),
    "gray": ("gray", "grey"),
    "white": ("white",),
}
CHINESE_COLOURS: Final = {
    "red": "红",
    "orange": "橙",
    "yellow": "黄",
    "green": "绿",
    "cyan": "青",
    "blue": "蓝",
    "purple": "紫",
    "pink": "粉",
    "brown": "棕",
    "black": "黑",
    "gray": "灰",
    "white": "白",
}
ENGLISH_SHAPES: Final = {
    "circle": ("circle", "circle", "disc", "ball"),
    "square": ("square", "square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
    "heart": ("heart",),
    "ring": ("ring", "ring", "donut"),
    "diamond": ("diamond", "diamond", "rhombus"),
    "cross": ("cross", "cross", "plus sign"),
}
CHINESE_SHAPES: Final = {
    "circle": ("圆形", "圆", "圆圈"),
    "square": ("正方形", "方块", "方形"),
    "triangle": ("三角形",),
    "star": ("星星", "五角星", "星形"),
    "heart": ("心形", "爱心"),
    "ring": ("圆环", "环形"),
    "diamond": ("菱形",),
    "cross": ("十字", "十字形", "加号"),
}
ENGLISH_SIZES: Final = {
    "small": ("small", "tiny", "little"),
    "": ("", "", "", "medium"),
    "large": ("large", "big", "huge"),
}
CHINESE_SIZES: Final = {"small": ("小", "小小的"), "": ("",), "large": ("大", "巨大的")}
CHINESE_PLACES: Final = {
    "": "中间",
    "left": "左边",
    "right": "右边",
    "top": "上方",
    "bottom": "下方",
    "top left": "左上角",
    "top right": "右上角",
    "bottom left": "左下角",
    "bottom right": "右下角",
}
ENGLISH_NUMBERS: Final = {2: ("two", "2"), 3: ("three", "3"), 4: ("four", "4")}
CHINESE_NUMBERS: Final = {2: ("两", "2"), 3: ("三", "3"), 4: ("四", "4")}
WORDY: Final = 0.2  # of the batches have long captions
OPENINGS: Final = (
    *("a photo of", "a picture of", "an image of", "please draw", "draw", "an illustration of", "a painting of"),
    *("generate", "a drawing of", "there is", "show me", "I want", "simple", "a minimalist poster with"),
)
ENDINGS: Final = (
    *("high quality", "8k", "flat design", "vector art", "minimalist", "simple", "highly detailed", "masterpiece"),
    *("please", "thanks", "best quality", "sharp focus", "studio lighting", "clean", "beautiful"),
)
CHINESE_OPENINGS: Final = ("请画", "画", "一张图片:", "生成", "照片:", "我想要", "有", "一幅画,")
CHINESE_ENDINGS: Final = ("高清", "简单", "扁平风格", "高质量", "简约", "漂亮", "谢谢", "细节丰富", "插画")
# Things the model has never seen: it keeps to the words it knows.
STRANGERS: Final = (
    *("cat", "dog", "castle", "woman", "robot", "forest", "teapot", "dragon", "car", "mountain", "house", "boat"),
    *("apple", "flower", "city", "astronaut", "bird", "book", "river", "knight"),
)
CHINESE_STRANGERS: Final = (
    "猫",
    "狗",
    "城堡",
    "女孩",
    "机器人",
    "森林",
    "茶壶",
    "龙",
    "汽车",
    "山",
    "房子",
    "船",
    "苹果",
    "花",
)


def chinese_words() -> list[str]:
    """What Chinese captions are made of."""
    grouped = (CHINESE_SHAPES.values(), CHINESE_SIZES.values())
    words = [word for group in grouped for choices in group for word in choices if word]
    colours = [f"{colour}色" for colour in CHINESE_COLOURS.values()]
    parts = ["一个", "两个", "三个", "四个", "背景", "的", "上的", "上有", "和", "与", "上面", "在", "有", "是", "底"]
    return [*words, *colours, *CHINESE_PLACES.values(), *CHINESE_OPENINGS, *CHINESE_ENDINGS, *CHINESE_STRANGERS, *parts]


def caption(scene: Scene, chance: random.Random, *, chinese: bool) -> str:
    """One way to ask for the scene."""
    text = _chinese(scene, chance) if chinese else _english(scene, chance)
    text = _filled(text, chance, chinese=chinese)
    return _cased(text, chance)


def sample(chance: random.Random, *, wordy: bool = False) -> tuple[Scene, str]:
    """A scene and a caption; a `wordy` one goes on and on about things that are not in the picture."""
    scene, text = _sample(chance)
    if wordy and text:
        words = [*ENDINGS, *STRANGERS] if text.isascii() else [*CHINESE_ENDINGS, *CHINESE_STRANGERS]
        more = chance.sample(words, chance.randint(5, 16))
        text += ", " + ", ".join(more) if text.isascii() else "," + ",".join(more)
    return scene, text


def _sample(chance: random.Random) -> tuple[Scene, str]:
    """Now and then the caption leaves something out, and the scene takes the default."""
    scene = scenes.sample(chance)
    chinese = chance.random() < 0.42
    kind = chance.random()
    if kind < 0.82 or len(scene.parts) > 1:
        return scene, caption(scene, chance, chinese=chinese)
    thing = scene.things[0]
    if kind < 0.88:  # no background
        background = scenes.DEFAULT_BACKGROUND if thing.colour != scenes.DEFAULT_BACKGROUND else scenes.DEFAULT_COLOUR
        text = _object(thing, chance, chinese=chinese)
        return replace(scene, background=background), _cased(_filled(text, chance, chinese=chinese), chance)
    if kind < 0.95:  # an unknown thing of a known colour
        plain = Thing(scenes.DEFAULT_SHAPE, thing.colour)
        stranger = chance.choice(CHINESE_STRANGERS if chinese else STRANGERS)
        if chinese:
            text = f"{CHINESE_COLOURS[scene.background]}色背景上的{CHINESE_COLOURS[thing.colour]}色{stranger}"
        else:
            text = f"a {thing.colour} {stranger} on a {scene.background} background"
        return Scene((plain,), scene.background), _cased(_filled(text, chance, chinese=chinese), chance)
    # Nothing that is known
    neutral = Scene((Thing(scenes.DEFAULT_SHAPE, scenes.DEFAULT_COLOUR),), scenes.DEFAULT_BACKGROUND)
    strangers = chance.sample(CHINESE_STRANGERS if chinese else STRANGERS, chance.randint(0, 3))
    text = ("," if chinese else " and a ").join(strangers)
    return neutral, _cased(_filled(text, chance, chinese=chinese) if strangers else "", chance)


def _article(text: str) -> str:
    return f"{'an' if text[:1] in 'aeiou' else 'a'} {text}"


def _object(thing: Thing, chance: random.Random, *, chinese: bool) -> str:
    if chinese:
        size, shape = chance.choice(CHINESE_SIZES[thing.size]), chance.choice(CHINESE_SHAPES[thing.shape])
        colour = CHINESE_COLOURS[thing.colour] + chance.choice(("色", "色", "色的"))
        return chance.choice(("一个", "一个", "")) + size + colour + shape
    size = chance.choice(ENGLISH_SIZES[thing.size])
    words = [size, chance.choice(ENGLISH_COLOURS[thing.colour]), chance.choice(ENGLISH_SHAPES[thing.shape])]
    text = " ".join(filter(None, words))
    return _article(text) if chance.random() < 0.7 else text


def _english(scene: Scene, chance: random.Random) -> str:
    ground = chance.choice(ENGLISH_COLOURS[scene.background])
    first = _object(scene.things[0], chance, chinese=False)
    if len(scene.things) == 2:
        second = _object(scene.things[1], chance, chinese=False)
        what = (
            f"{first} {chance.choice(('above', 'on top of') if scene.stacked else ('and', 'and', 'next to'))} {second}"
        )
    elif scene.count > 1:
        thing = scene.things[0]
        plural = chance.choice(ENGLISH_SHAPES[thing.shape])
        plural += "es" if plural.endswith(("s", "x")) else "s"
        what = f"{chance.choice(ENGLISH_NUMBERS[scene.count])} {chance.choice(ENGLISH_COLOURS[thing.colour])} {plural}"
    else:
        what = first
    place = scene.things[0].place
    where = (
        f" {chance.choice(('on the', 'at the', 'in the'))} {place}"
        if place
        else chance.choice(("", "", " in the center"))
    )
    where = where if len(scene.parts) == 1 else ""
    return chance.choice(
        (
            f"{what}{where} on {_article(ground)} background",
            f"{what}{where} on {_article(ground)} background",
            f"{what}{where}, {ground} background",
            f"{what} on {ground}{where}",
            f"{ground} background with {what}{where}",
            f"{ground} background, {what}{where}",
        )
    )


def _chinese(scene: Scene, chance: random.Random) -> str:
    ground = CHINESE_COLOURS[scene.background] + chance.choice(("色背景", "色背景", "色的背景", "底"))
    thing = scene.things[0]
    if len(scene.things) == 2:
        one, other = (_object(part, chance, chinese=True) for part in scene.things)
        what = f"{one}在{other}上面" if scene.stacked else f"{one}{chance.choice(('和', '与'))}{other}"
    elif scene.count > 1:
        shape = chance.choice(CHINESE_SHAPES[thing.shape])
        what = f"{chance.choice(CHINESE_NUMBERS[scene.count])}个{CHINESE_COLOURS[thing.colour]}色{shape}"
    else:
        what = _object(thing, chance, chinese=True)
    if len(scene.parts) > 1 or (not thing.place and chance.random() < 0.7):
        return chance.choice((f"{ground}上的{what}", f"{what},{ground}", f"{ground},{what}", f"{ground}上有{what}"))
    where = CHINESE_PLACES[thing.place]
    return chance.choice(
        (
            f"{where}有{what},{ground}",
            f"{what}在{where},{ground}",
            f"{ground},{where}是{what}",
            f"{ground}上{where}的{what}",
        )
    )


def _filled(text: str, chance: random.Random, *, chinese: bool) -> str:
    opening = chance.choice(CHINESE_OPENINGS if chinese else OPENINGS) if chance.random() < 0.25 else ""
    endings = chance.sample(CHINESE_ENDINGS if chinese else ENDINGS, chance.choice((0, 0, 0, 1, 1, 2, 3)))
    if chance.random() < 0.06:
        endings.append("".join(chance.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(chance.randint(2, 8))))
    comma = chance.choice((",", ",")) if chinese else ", "
    return comma.join([opening + ("" if chinese or not opening else " ") + text, *endings])


def _cased(text: str, chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.12:
        text = text.upper()
    elif kind < 0.3:
        text = text[:1].upper() + text[1:]
    elif kind < 0.36:
        text = text.title()
    return text + chance.choice(("", "", "", "", ".", "!", "!!!", "。" if not text.isascii() else "."))
