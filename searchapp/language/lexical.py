"""Cut text into the terms that lexical search counts, whatever script it is in."""

import unicodedata
from typing import Final

import regex

# Scripts without spaces between words are cut into overlapping pieces: two characters where one is a syllable or a
# word (Han, kana, hangul), three where letters are written (Thai, Lao, Khmer, Burmese).
_PAIRED: Final = r"[\p{Han}\p{Hiragana}\p{Katakana}ー]+|\p{Hangul}+"
_TRIPLED: Final = r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+"
# Identifiers, codes, versions and addresses ("E-217", "kube-proxy", "v1.2.3") hang together by these signs.
_JOINT: Final = r"[-_.:/@]"
_WORD: Final = rf"[\p{{L}}\p{{M}}\p{{N}}]+(?:{_JOINT}[\p{{L}}\p{{M}}\p{{N}}]+)*"
_TOKEN: Final = regex.compile(rf"(?P<paired>{_PAIRED})|(?P<tripled>{_TRIPLED})|(?P<word>{_WORD})")
_JOINTS: Final = regex.compile(_JOINT)
# Accents of Latin, Greek and Cyrillic, Arabic vowel signs and tatweel: written or left out as people please.
_OPTIONAL_MARKS: Final = regex.compile(r"[\u0300-\u036f\u064b-\u0652\u0670\u0640]")


def lexical_terms(text: str) -> list[str]:
    """Return the terms of a text in order, with repetitions, folded to what people mean by "the same word".

    Compatibility forms, case, accents and Arabic vowel signs are folded. An identifier is a term as a
    whole, and so are its parts.
    """
    terms: list[str] = []
    for token in _TOKEN.finditer(_fold(text)):
        kind, run = str(token.lastgroup), token.group()
        if kind == "word":
            parts = _JOINTS.split(run)
            terms += parts if len(parts) == 1 else [run, *parts]
        else:
            terms += _pieces(run, 2 if kind == "paired" else 3)
    return terms


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFC", _OPTIONAL_MARKS.sub("", unicodedata.normalize("NFD", folded)))


def _pieces(run: str, length: int) -> list[str]:
    return [run[start : start + length] for start in range(len(run) - length + 1)] or [run]
