"""Cut text into the terms that lexical search counts, whatever script it is in."""

import threading
import unicodedata
from functools import cache
from typing import Final

import opencc
import regex
import Stemmer

# Scripts without spaces between words are cut into overlapping pieces: two characters where one is a syllable or a
# word (Han, kana, hangul), three where letters are written (Thai, Lao, Khmer, Burmese).
_PAIRED: Final = r"[\p{Han}\p{Hiragana}\p{Katakana}ー]+|\p{Hangul}+"
_TRIPLED: Final = r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+"
# Identifiers, codes, versions and addresses ("E-217", "kube-proxy", "v1.2.3") hang together by these signs.
_JOINT: Final = r"[-_.:/@]"
_WORD: Final = rf"[\p{{L}}\p{{M}}\p{{N}}]+(?:{_JOINT}[\p{{L}}\p{{M}}\p{{N}}]+)*"
_TOKEN: Final = regex.compile(rf"(?P<paired>{_PAIRED})|(?P<tripled>{_TRIPLED})|(?P<word>{_WORD})")
_JOINTS: Final = regex.compile(_JOINT)
_DIGITS: Final = regex.compile(r"[\p{Nd}--[0-9]]", regex.VERSION1)
# Written or left out as people please: accents of Latin, Greek and Cyrillic, Arabic vowel signs and tatweel, the
# nukta of the Indic scripts, and the joiners that only choose the shape of a letter.
_OPTIONAL_MARKS: Final = regex.compile(
    r"[\u0300-\u036f\u064b-\u0655\u0670\u0640\u093c\u09bc\u0a3c\u0abc\u0b3c\u200c\u200d]"
)
# One letter in several forms, by language or by habit (the rules of Lucene's ArabicNormalizer, PersianNormalizer and
# HindiNormalizer, as far as they tell no words apart): alef, yeh, teh marbuta and kaf; candrabindu as anusvara.
_LETTER_FORMS: Final = str.maketrans("أإآٱىیئةکؤँঁઁଁ", "ااااييي\u0647كو\u0902ং\u0a82ଂ")
# The languages whose words change by their endings, and the Snowball algorithm that takes those off.
_STEMMERS: Final = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nl": "dutch",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}
_HAN: Final = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x20000, 0x2FA1F))
_of_thread: Final = threading.local()


def lexical_terms(text: str, *, language: str = "") -> list[str]:
    """Return the terms of a text in order, with repetitions, folded to what people mean by "the same word".

    Compatibility forms, case, digits, accents, forms of Arabic and Indic letters and both ways to write
    Chinese are folded. An identifier is a term as a whole, and so are its parts. Where the language is
    known, the stem of a word is one more term, so a wrong guess at the language loses no word.
    """
    stemmer = _stemmer(language)
    terms: list[str] = []
    for token in _TOKEN.finditer(_fold(text)):
        kind, run = str(token.lastgroup), token.group()
        if kind == "word":
            parts = _JOINTS.split(run)
            terms += parts if len(parts) == 1 else [run, *parts]
            if stemmer:
                terms += [stem for part in parts if (stem := stemmer.stemWord(part)) != part]
        else:
            terms += _pieces(run, 2 if kind == "paired" else 3)
    return terms


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    bare = unicodedata.normalize("NFC", _OPTIONAL_MARKS.sub("", unicodedata.normalize("NFD", folded)))
    return _DIGITS.sub(_ascii_digit, bare.translate(_LETTER_FORMS).translate(_simplified()))


def _ascii_digit(digit: regex.Match[str]) -> str:
    return str(unicodedata.digit(digit.group()))


@cache
def _simplified() -> dict[int, str]:
    """Return the simplified form of each traditional character, one by one: no context, so both sides agree."""
    characters = [chr(code) for first, last in _HAN for code in range(first, last + 1)]
    simplified = opencc.OpenCC("t2s").convert("\n".join(characters)).split("\n")
    return {ord(old): new for old, new in zip(characters, simplified, strict=True) if old != new}


def _stemmer(language: str) -> Stemmer.Stemmer | None:
    """Return this thread's stemmer of a language: one of them serves one thread at a time."""
    if language not in _STEMMERS:
        return None
    made = _of_thread.__dict__.setdefault("stemmers", {})
    if language not in made:
        made[language] = Stemmer.Stemmer(_STEMMERS[language])
    stemmer: Stemmer.Stemmer = made[language]
    return stemmer


def _pieces(run: str, length: int) -> list[str]:
    return [run[start : start + length] for start in range(len(run) - length + 1)] or [run]
