"""Small rules about characters, shared by all formats."""

import re
import unicodedata

# Scripts written without spaces between words: a line break inside a sentence stands for nothing.
# Han, kana and their punctuation and full-width forms; Thai, Lao, Myanmar, Khmer. Hangul has spaces.
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3000-\u30ff\u3100-\u312f\u31a0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
)
_BREAK_IN_UNSPACED = re.compile(rf"(?<=[{_UNSPACED}])[ \t]*\n\s*(?=[{_UNSPACED}])")
_FIRST_WORD = re.compile(rf"[^\s{_UNSPACED}]+|\S")
_SPACE = re.compile(r"\s+")
_LINE_END = re.compile(r"\r\n?|[\v\f\x85\u2028\u2029]")
_UNWANTED = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")


def clean(text: str) -> str:
    """Normalise to NFC with ``\\n`` line ends, without control characters, marks or lone surrogates."""
    return unicodedata.normalize("NFC", _UNWANTED.sub("", _LINE_END.sub("\n", text)))


def fold(text: str) -> str:
    """Join wrapped lines into one and runs of white space into one space."""
    return _SPACE.sub(" ", _BREAK_IN_UNSPACED.sub("", text)).strip()


def first_word(text: str) -> str:
    """Give what cannot be parted by a line break: a word, or one character of an unspaced script."""
    match = _FIRST_WORD.search(text)
    return match[0] if match else ""


def has_letters(text: str) -> bool:
    return any(character.isalnum() for character in text)


_UNLIKELY_TITLE = re.compile(
    r"^(\W?(untitled|anonymous|unknown)|about:blank|microsoft word|document\d*$|无标题|無題|slide \d)|\.\w{2,4}$|[/\\]",
    re.I,
)
_MAX_TITLE_CHARACTERS = 300


def sensible_title(title: str) -> str:
    """Give a title from file metadata, or "" where a program, not a person, seems to have written it."""
    title = fold(clean(title))
    if len(title) > _MAX_TITLE_CHARACTERS or not has_letters(title) or _UNLIKELY_TITLE.search(title):
        return ""
    return title
