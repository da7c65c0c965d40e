"""Tell the language of a text: the script first, then the words.

Most languages of the list own their script, so counting letters settles them even in two words. Among
those that share a script, py3langid's naive Bayes model ranks the candidates; the letters of each alphabet,
the reach of the language and the expectation of the caller tip what is close.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from math import sqrt
from typing import Final

import regex
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from searchapp.language.languages import SUPPORTED_LANGUAGES, Language

UNDETERMINED: Final = "und"  # BCP 47 (ISO 639-2) for a language that cannot be told

# More text does not change the answer, but would make detection linear in the document.
_MAX_CHARACTERS: Final = 2_000

# Letters that make up one word, roughly, so that scripts are compared by how many words they hold. Latin
# counts for a third of that because product names, commands and brands stay Latin inside
# every other script ("如何修复一直 Pending 的 Kubernetes Pod"), while the reverse is rare.
_LETTERS_PER_WORD: Final = {"Han": 2.0, "Hiragana": 2.0, "Hangul": 2.5, "Latin": 18.0}
_OTHER_LETTERS_PER_WORD: Final = 5.0
# Japanese passages have 1.2 kana per Han character or more and terse titles far fewer, but a Chinese text with
# a brand name such as 鲜の每日 has one.
_MIN_KANA_PER_HAN: Final = 0.05

# Characters that are words of their own in Chinese, and hardly part of any in Japanese.
_CHINESE_WORDS: Final = frozenset("是你她這这那們们嗎吗呢吧麼么哪很")

# Weights against py3langid's log-likelihood, which is divided by the square root of the length (its own
# calibration) and so weighs little in short texts. Chosen on Tatoeba sentences and the bitcoin.org FAQ, where
# half and one and a half of the first two do as well within 0.3 %; the prior helps when right (98.4 to 99.6 %
# correct) far more than it harms when wrong (98.4 to 98.2 %).
_LOG_TIER: Final = -0.4
_LOG_FOREIGN_LETTER: Final = -2.0
_MAX_FOREIGN_LETTERS: Final = 3
_LOG_PRIOR: Final = 1.0

# Each begins where a word begins and ends before a script that leaves no space around it.
_NOT_LANGUAGE: Final = regex.compile(
    r"""
      (?<![A-Za-z0-9])[a-z][a-z0-9+.-]*+://[^\s\p{Lo}]+      # URLs
    | (?<![A-Za-z0-9.+_-])[A-Za-z0-9.+_-]++@[A-Za-z0-9.-]+   # mail addresses
    | (?<!\S)(?:[.~]?/|[A-Za-z]:\\)[!-~]+                    # paths
    | (?<![\w-])--?[A-Za-z][A-Za-z0-9-]*                     # command line options
    | (?<![A-Za-z0-9_])[A-Za-z]*+[0-9_][A-Za-z0-9_]*         # identifiers, versions, sizes
    """,
    regex.VERBOSE,
)
_CODE_SYMBOL: Final = regex.compile(r"[{}()\[\]<>=;|\\$#@^&*+/_`~]")
_MIN_CODE_SYMBOLS: Final = 0.15  # of the characters that are not space; 99.9 % of technical passages have below 0.08

_SCRIPTS: Final = tuple(dict.fromkeys(language.script for language in SUPPORTED_LANGUAGES.values()))
_SCRIPT_RUN: Final = regex.compile(
    "|".join(
        rf"(?P<{script}>[\p{{Script=Hiragana}}\p{{Script=Katakana}}]+)"
        if script == "Hiragana"
        else rf"(?P<{script}>\p{{Script={script}}}+)"
        for script in _SCRIPTS
    )
)
_LATIN: Final = regex.compile(r"\p{Latin}+")
_lock = threading.Lock()


def detect(text: str, *, languages: Sequence[str] | None = None, prior: str = "") -> str:
    """Name the language of a text of any length.

    Args:
        text: a query, a passage, a document; its first 2,000 characters count.
        languages: the codes that may be answered; every supported language if None or empty.
        prior: the code expected from elsewhere (the document, the site). It wins where the text says
            nothing or is close, and yields to clear evidence.

    Returns:
        A code of ``SUPPORTED_LANGUAGES``, or ``"und"`` where nothing can be told: digits, code without a
        prior, a script of none of the languages.
    """
    allowed = [SUPPORTED_LANGUAGES[code] for code in languages or SUPPORTED_LANGUAGES]
    sample = _NOT_LANGUAGE.sub(" ", text[:_MAX_CHARACTERS])
    script, evidence = _main_script(sample)
    if script == "Latin" and _looks_like_code(text[:_MAX_CHARACTERS]):
        evidence = 0
    if evidence == 0:
        return prior if any(language.code == prior for language in allowed) else UNDETERMINED
    if script == "Han":
        return _han_language(sample, allowed, prior)
    candidates = [language for language in allowed if language.script == script]
    if len(candidates) < 2:
        return candidates[0].code if candidates else UNDETERMINED
    return _rank(sample if script == "Latin" else _LATIN.sub(" ", sample), candidates, prior)


def _main_script(text: str) -> tuple[str, int]:
    """Return the script that holds most words of the text and the number of its letters."""
    letters: Counter[str] = Counter()
    for run in _SCRIPT_RUN.finditer(text):
        letters[run.lastgroup or ""] += len(run.group())
    if letters["Hiragana"] > _MIN_KANA_PER_HAN * letters["Han"]:
        letters["Hiragana"] += letters.pop("Han", 0)
    if not letters:
        return "", 0
    script = max(letters, key=lambda name: letters[name] / _LETTERS_PER_WORD.get(name, _OTHER_LETTERS_PER_WORD))
    return script, letters[script]


def _looks_like_code(text: str) -> bool:
    return len(_CODE_SYMBOL.findall(text)) > _MIN_CODE_SYMBOLS * sum(map(len, text.split()))


def _han_language(text: str, allowed: Iterable[Language], prior: str) -> str:
    """Choose the orthography that has the most of these characters."""
    characters = regex.findall(r"\p{Script=Han}", text)
    known = Counter(chain.from_iterable(map(_orthographies, characters)))
    if not _CHINESE_WORDS.isdisjoint(characters):
        del known["ja"]
    candidates = [language.code for language in allowed if language.code in known]
    if not candidates:
        return UNDETERMINED
    best = max(known[code] for code in candidates)
    ties = [code for code in ("zh", "zh-Hant", "ja") if code in candidates and known[code] == best]
    return prior if prior in ties else ties[0]


@cache
def _orthographies(character: str) -> tuple[str, ...]:
    """Return the languages that write a Han character, judged by their encodings before Unicode."""
    simplified = _can_encode(character, "gb2312")
    # Big5's extension for Hong Kong has the variants used there, but simplified characters as well.
    traditional = _can_encode(character, "big5") or (not simplified and _can_encode(character, "big5hkscs"))
    japanese = _can_encode(character, "shift_jis")
    return tuple(
        code for code, is_known in (("zh", simplified), ("zh-Hant", traditional), ("ja", japanese)) if is_known
    )


def _can_encode(character: str, codec: str) -> bool:
    return bool(character.encode(codec, errors="ignore"))


def _rank(text: str, candidates: Sequence[Language], prior: str) -> str:
    """Choose among languages of one script by their words, letters and reach."""
    likelihoods: dict[str, float] = dict(_model().rank(text))
    best = max(likelihoods[language.code] for language in candidates)
    temperature = sqrt(len(text))
    letters = {letter for letter in text.lower() if letter.isalpha() and not letter.isascii()}

    def score(language: Language) -> float:
        foreign = len(letters.difference(language.letters))
        return (
            (likelihoods[language.code] - best) / temperature
            + _LOG_TIER * language.tier
            + _LOG_FOREIGN_LETTER * min(foreign, _MAX_FOREIGN_LETTERS)
            + _LOG_PRIOR * (language.code == prior)
        )

    return max(candidates, key=score).code


def _model() -> LanguageIdentifier:
    """Return py3langid's model, loaded once (1 s); ranking with it changes nothing, so threads share it."""
    with _lock:
        return _load_model()


@cache
def _load_model() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE)
