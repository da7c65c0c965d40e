"""Turn the strings of programs into prose: without markup, placeholders and marks of keys to press."""

import html
import re
from collections.abc import Mapping

import regex

_CHARACTERS = 1_000

_SPACING_TAGS = re.compile(r"<(?:br|p|li|div|/p|/li|/div)\b[^<>]*>|\\[nt]", re.IGNORECASE)
_TAGS = re.compile(r"</?[a-zA-Z][^<>]*>|<\d+/?>|</\d+>")
# ICU plurals and selects: their branch "other" stands for all.
_BRANCHES = re.compile(
    r"\{\s*\$?\w+\s*,\s*(?:plural|select|selectordinal)\s*,.*?\bother\s*\{((?:[^{}]|\{[^{}]*\})*)\}\s*\}", re.DOTALL
)
_PLACEHOLDERS = re.compile(
    r"\{[^{}]*\}|\[%.*?%\]|\[[A-Z_\d]+\]|%\([\w ]+\)(?:[-.\d]*[a-z])?|%\d*\$?[sdiufgx](?![a-zA-Z])|%\d+\$?\w?"
    r"|%[A-Z][A-Z_]{3,}%?|%\w+%|\$\w+\$?|#\w+#"
)
_KEYS_OF_CJK = re.compile(r"\s*[(（][_~&]?[A-Z0-9][)）](?=\W*$)")
_MARKS_OF_DIRECTION = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_EMPTY_BRACKETS = re.compile(r"[(（\[]\s*[)）\]]|“\s*”|\"\s*\"|«\s*»|„\s*[”“]|「\s*」|'\s'|‘\s*’")
_SPACE_BEFORE = re.compile(r"\s+([,.)।。、）])")
_EDGES = " \t\n-–—:·•|/,;*="

# A text is in the language if so large a share of its letters is of the language's script.
_LEAST_SHARE = 0.4
_SCRIPTS: Mapping[str, regex.Pattern[str]] = {
    language: regex.compile(pattern)
    for languages, pattern in {
        "ru uk": r"\p{Cyrillic}",
        "ar fa": r"\p{Arabic}",
        "hi": r"\p{Devanagari}",
        "bn": r"\p{Bengali}",
        "th": r"\p{Thai}",
        "el": r"\p{Greek}",
        "ko": r"[\p{Hangul}\p{Han}]",
        "ja": r"[\p{Han}\p{Hiragana}\p{Katakana}]",
        "zh": r"\p{Han}",
    }.items()
    for language in languages.split()
}
_LATIN = regex.compile(r"\p{Latin}")
_LETTER = regex.compile(r"\p{L}")
_ONE_LETTER_WORDS = {"zh", "ja", "ko", "th"}


def clean(text: str, *, mnemonics: str = "") -> str:
    """Return a string of a program as prose of at most 1,000 characters, which may be empty.

    Args:
        text: the string, as its catalogue has it.
        mnemonics: the characters that stand before a letter to press.
    """
    text = _MARKS_OF_DIRECTION.sub("", html.unescape(text)).replace("ĳ", "ij").replace("Ĳ", "IJ")
    text = _BRANCHES.sub(r"\1", _BRANCHES.sub(r"\1", text))
    text = _TAGS.sub("", _SPACING_TAGS.sub(" ", text))
    text = _PLACEHOLDERS.sub(" ", _PLACEHOLDERS.sub(" ", text))
    if mnemonics:
        text = _KEYS_OF_CJK.sub("", text)
        text = re.sub(rf"[{re.escape(mnemonics)}](?=\w)", "", text)
    text = _EMPTY_BRACKETS.sub(" ", " ".join(text.split()))
    text = _SPACE_BEFORE.sub(r"\1", " ".join(text.split())).strip(_EDGES)
    return text if len(text) <= _CHARACTERS else text[:_CHARACTERS].rsplit(None, 1)[0]


def is_in_script(text: str, language: str) -> bool:
    """Tell whether a text has letters, enough of them in the script of the language."""
    letters = len(_LETTER.findall(text))
    own = len(_SCRIPTS.get(language, _LATIN).findall(text))
    return own >= (1 if language in _ONE_LETTER_WORDS else 2) and own >= _LEAST_SHARE * letters
