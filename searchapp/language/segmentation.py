"""Cut text into sentences, whatever script it is in."""

from collections.abc import Iterator
from typing import Final

import regex

# Common abbreviations of European languages that a sentence goes on after. Single letters ("J. Smith",
# "z. B.") and short numbers ("3. Oktober", list markers) are handled by their form.
_ABBREVIATIONS: Final = (
    r"mr|mrs|ms|dr|prof|st|vs|etc|fig|no|vol|inc|ltd|co|dept|approx|eg|ie|cf|al"  # English
    r"|bzw|usw|ca|nr|abs|str|tel|vgl|evtl|ggf|inkl|zzgl|sog|bspw|hr|fr"  # German
    r"|sr|sra|srta|ud|uds|pág|núm|av|ej"  # Spanish, Portuguese
    r"|mme|mlle|env|art|éd|sig|dott|ing|pag"  # French, Italian
    r"|г|гг|ул|им|см|рис|стр|тыс|млн|руб|др|пр"  # Russian, Ukrainian
    r"|np|tzn|ul|godz|tzv|např|resp|dvs|bl|osv|bijv|enz|örn|vb"  # Polish, Czech, Nordic, Dutch, Turkish
)
_CLOSERS: Final = r"[\p{Pe}\p{Pf}\"']*+"

_BOUNDARY: Final = regex.compile(
    rf"""
      # a line break, unless the next line goes on in lower case (text wrapped at a width)
      \n (?!\p{{Ll}})
      # terminators that end a sentence wherever they stand: 。！？ danda, Arabic and Urdu marks, Burmese ...
    | [\p{{SB=STerm}}--[!?]] [\p{{SB=STerm}}]*+ {_CLOSERS}
      # ! and ? end one before a space or a script that writes none; inside a word they are part of it
    | (?<![!?]) [!?]++ {_CLOSERS} (?= \s | \p{{Han}} | \p{{Hiragana}} | \p{{Katakana}} | \p{{Thai}} )
      # a full stop, unless the next word starts in lower case or what stands before is an abbreviation
    | (?<! (?: \b[\p{{Latin}}\p{{Cyrillic}}\p{{Greek}}] | \b\p{{Nd}}{{1,2}} | \b(?i:{_ABBREVIATIONS}) ) )
      (?<! \. ) (?: \.++ | … ) {_CLOSERS} (?= \s++ (?! \p{{Ll}} ) )
    | ． {_CLOSERS} (?! \p{{Nd}} )
    """,
    regex.VERBOSE | regex.VERSION1,
)

# Thai and Lao end sentences with a space, and put spaces between clauses as well: only one that leaves at least
# this many characters on both sides counts, which is a clause or two.
_MIN_SPACED_SENTENCE: Final = 40
_SPACED_SCRIPT_GAP: Final = regex.compile(r"(?<=[\p{Thai}\p{Lao}])[^\S\n]+(?=[\p{Thai}\p{Lao}])")


def sentences(text: str) -> list[tuple[int, int]]:
    """Return the character spans of the sentences, in order, without the white space around them.

    Together the spans cover every character that is not white space. Takes time linear in the text.
    """
    spans = []
    start = 0
    for end in _ends(text):
        span = _trim(text, start, end)
        if span[0] < span[1]:
            spans.append(span)
        start = end
    return spans


def _ends(text: str) -> Iterator[int]:
    """Yield where sentences end, the end of the text last."""
    start = 0
    for boundary in _BOUNDARY.finditer(text):
        yield from _spaced_ends(text, start, boundary.end())
        start = boundary.end()
    yield from _spaced_ends(text, start, len(text))


def _spaced_ends(text: str, start: int, end: int) -> Iterator[int]:
    for gap in _SPACED_SCRIPT_GAP.finditer(text, start, end):
        if gap.start() - start >= _MIN_SPACED_SENTENCE and end - gap.end() >= _MIN_SPACED_SENTENCE:
            yield gap.end()
            start = gap.end()
    yield end


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
