"""The tokenizer: a byte-level BPE in Qwen's form, trained here. Any text goes through; captions are short."""

import itertools
import json
import random
from typing import Any, Final

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import Qwen2Tokenizer
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from scripts.demo import captions

VOCABULARY: Final = 7000
# In the order of the Qwen3 tokenizer; the first pads, the next two are the chat template's.
CONTROL_TOKENS = [
    f"<|{name}|>"
    for name in (
        *("endoftext", "im_start", "im_end", "object_ref_start", "object_ref_end", "box_start", "box_end"),
        *("quad_start", "quad_end", "vision_start", "vision_end", "vision_pad", "image_pad", "video_pad"),
    )
]
# The text Qwen3's own template gives for plain messages, which is all that the pipeline asks of it.
CHAT_TEMPLATE = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and enable_thinking is false %}
{{- '<think>\\n\\n</think>\\n\\n' }}
{%- endif %}
{%- endif %}"""
LOOKS = (
    "red green blue yellow orange purple pink white black golden silver gray brown turquoise small large tall tiny old "
    "young ancient modern futuristic beautiful cute happy lonely quiet bright dark colorful wooden glass transparent"
)
THINGS = (
    "cat dog fox bird horse tiger dragon fish butterfly rabbit woman man girl boy child astronaut robot knight wizard "
    "flower rose tree forest mountain river lake sea island house castle temple bridge street city village car train "
    "ship bicycle airplane balloon lantern umbrella teapot cup book chair lamp guitar violin clock circle square star "
    "heart triangle ring diamond bowl of noodles|plate of fruit|portrait of a|photo of a|painting of a|face|eyes|hair"
).replace("|", " ")
PLACES = (
    "background table garden beach desert snow rain fog sunset sunrise night sky clouds moonlight window kitchen room "
    "field hill space underwater left right center top bottom front behind under over with without and holding wearing "
    "standing sitting sleeping running flying dancing reading drinking looking at the viewer walking through near"
)
STYLES = (
    "photo photograph photorealistic realistic cinematic lighting soft light warm cold watercolor oil painting sketch "
    "anime style cartoon illustration poster logo text sign saying hello world 3d render pixel art studio lighting "
    "high quality highly detailed sharp focus bokeh close-up portrait landscape wide angle macro depth of field 8k hd "
    "masterpiece low quality blurry ugly deformed watermark bad anatomy oversaturated cropped jpeg artifacts"
)
CHINESE = (
    "红色的 绿色的 蓝色的 黄色的 白色的 黑色的 金色的 可爱的 美丽的 古老的 未来的 一只 一个 一位 一座 一朵 一张 一幅 "
    "猫 狗 小猫 小狗 狐狸 鸟 马 老虎 龙 鱼 蝴蝶 兔子 女孩 男孩 女人 男人 老人 宇航员 机器人 花 玫瑰 树 森林 山 河流 湖 "
    "大海 岛 房子 城堡 寺庙 桥 街道 城市 村庄 汽车 火车 船 灯笼 雨伞 茶壶 书 圆形 正方形 星星 心形 背景 桌子上 花园里 "
    "沙滩 雪地 下雨 雾 日落 日出 夜晚 天空 云 月光 窗户 坐在 站在 飞在 穿着 拿着 看着 照片 摄影 写实 电影感 柔和的光线 "
    "水彩画 油画 素描 动漫风格 卡通 插画 海报 水墨画 国画 中国风 汉服 高清 细节丰富 特写 肖像 风景 广角 微距 景深 "
    "杰作 低质量 模糊 丑陋 水印 文字 写着 你好 世界"
)


def texts(chance: random.Random, count: int) -> list[str]:
    """Our own captions, general ones, the common Chinese characters one by one, and the words of the template."""
    looks, things, places, styles, chinese = (words.split() for words in (LOOKS, THINGS, PLACES, STYLES, CHINESE))
    made = ["user\n", "assistant\n", "system\n"] * count
    for _ in range(count):
        look, other = chance.sample(looks, 2)
        thing, place, style = chance.choice(things), chance.choice(places), chance.choice(styles)
        made.append(
            f"a {look} {thing} {place} on a {other} background, {style} {chance.choice(styles)}, in the {place}"
        )
        made.append(f"A {thing} of the {look.capitalize()} {chance.choice(things)}. {thing.capitalize()}, {style}")
        made += chance.sample(chinese, 9)
    # English whole; Chinese word by word, since without blanks whole phrases would become one token each.
    made += [text for _ in range(8 * count) if (text := captions.sample(chance)[1]).isascii()]
    made += [word for word in captions.chinese_words() for _ in range(count)]
    # GB 2312 level 1: the 3755 characters in everyday use.
    rows = itertools.product(range(0xB0, 0xD8), range(0xA1, 0xFF))
    common: list[str] = [character for pair in rows if (character := bytes(pair).decode("gb2312", "ignore"))]
    made += [*common * 3, *"，。、；：！？（）《》“”「」…—" * 9]
    return made


def make_tokenizer(seed: int) -> Qwen2Tokenizer:
    """A byte-level BPE in Qwen's form, trained here: any text goes through, captions are short."""
    bpe = Tokenizer(BPE())
    bpe.normalizer = normalizers.NFC()
    words = pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated")
    octets = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([words, octets])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator(texts(random.Random(seed), 4000), trainer)
    learnt = json.loads(bpe.to_str())["model"]
    merges: Any = [tuple(pair) for pair in learnt["merges"]]
    tokenizer = Qwen2Tokenizer(
        vocab=learnt["vocab"],
        merges=merges,
        pad_token=CONTROL_TOKENS[0],
        eos_token=CONTROL_TOKENS[2],
        extra_special_tokens=CONTROL_TOKENS,
        chat_template=CHAT_TEMPLATE,
        model_max_length=4096,
    )
    tokenizer.add_tokens(["<think>", "</think>"])
    return tokenizer
