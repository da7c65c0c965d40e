"""Turn stored or typed text into what an embedding model reads well."""

import unicodedata
from typing import Final

import regex

_ZERO_WIDTH_NON_JOINER: Final = "\u200c"

# Everything that shows nothing: controls that are no white space, lone surrogates, noncharacters, and what
# Unicode tells programs to ignore (BOM, zero-width space, bidi marks, soft hyphen, fillers, tag characters).
# Variation selectors stay because they choose between shapes of an ideograph; joiners are judged below.
_INVISIBLE: Final = regex.compile(
    r"[[\p{Cc}--\s]\p{Cs}\p{Noncharacter_Code_Point}"
    r"[\p{Default_Ignorable_Code_Point}--\p{Variation_Selector}--\u200c\u200d]]+",
    regex.VERSION1,
)

# Forms kept for round trips with older encodings, which hide a letter that the model knows. Only these: NFKC
# on everything would turn x² into x2, ① into 1, and Thai ำ into a pair that Thai does not use.
_HIDDEN_LETTERS: Final = regex.compile(
    r"[\p{Block=Kangxi_Radicals}"
    r"\p{Block=CJK_Radicals_Supplement}"
    r"\p{Block=Alphabetic_Presentation_Forms}"
    r"\p{Block=Arabic_Presentation_Forms_A}"
    r"\p{Block=Arabic_Presentation_Forms_B}"
    r"\p{Block=Mathematical_Alphanumeric_Symbols}"
    r"[\p{Block=Number_Forms}&&\p{Nl}]"
    r"[\p{Block=Halfwidth_and_Fullwidth_Forms}&&[\p{L}\p{Nd}]]]+",
    regex.VERSION1,
)

_JOINERS: Final = regex.compile(r"[\u200c\u200d]+")
_CURSIVE: Final = regex.compile(r"[\p{Script_Extensions=Arabic}&&[\p{L}\p{M}]]", regex.VERSION1)
_INDIC: Final = regex.compile(
    r"[[\p{Deva}\p{Beng}\p{Guru}\p{Gujr}\p{Orya}\p{Taml}\p{Telu}\p{Knda}\p{Mlym}\p{Sinh}]&&[\p{L}\p{M}]]",
    regex.VERSION1,
)
_EMOJI: Final = regex.compile(r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F]")

# <|im_start|>, <|endoftext|> and the like: a document that quotes them must not steer the model. No white
# space inside, so that the space left in their place cannot complete another one.
_TEMPLATE_TOKEN: Final = regex.compile(r"<[|｜][^\s<>|｜]{1,64}[|｜]>")

_WHITE_SPACE: Final = regex.compile(r"\s+")
_LINE_BREAK: Final = regex.compile(r"[\n\r\v\f\x85\u2028\u2029]")


def clean_text(text: str) -> str:
    """Return the text as it is sent to the embedding model; the original is kept for display.

    The result is in NFC, without invisible characters, chat-template tokens and outer white space. Runs of
    white space become one space, or one line break where they hold one. Joiners stay where spelling needs
    them: ZWNJ in Arabic script, both in Indic scripts, ZWJ in emoji. Cleaning twice changes nothing.
    """
    text = _INVISIBLE.sub("", text)
    text = _HIDDEN_LETTERS.sub(lambda run: unicodedata.normalize("NFKC", run.group()), text)
    text = unicodedata.normalize("NFC", text)
    text = _JOINERS.sub(_needed_joiner, text)
    text = _TEMPLATE_TOKEN.sub(" ", text)
    return _WHITE_SPACE.sub(lambda run: "\n" if _LINE_BREAK.search(run.group()) else " ", text).strip()


def _needed_joiner(run: regex.Match[str]) -> str:
    """Return the first joiner of a run if its neighbours need it, else nothing."""
    joiner = run.group()[0]
    before, after = run.string[run.start() - 1 : run.start()], run.string[run.end() : run.end() + 1]
    if _INDIC.match(before):
        return joiner
    if joiner == _ZERO_WIDTH_NON_JOINER:
        return joiner if _CURSIVE.match(before) and _CURSIVE.match(after) else ""
    return joiner if _EMOJI.match(before) and _EMOJI.match(after) else ""
