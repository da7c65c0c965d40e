"""How many tokens a text may be, without the model's tokenizer.

Two figures: `estimate_tokens` is near the truth and cuts passages; `most_tokens` is never below it and
keeps texts within what a model can read.
"""

import re
import unicodedata

import regex

# Han, kana, hangul, Thai, Lao, Khmer, Burmese, Tibetan: scripts written without spaces, where subword
# tokenizers of multilingual models spend about one token a character.
_DENSE = re.compile(r"[\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_WORD = re.compile(r"[^\W_]+|[^\w\s]|_")
# Characters a token in Latin words; other alphabets get shorter pieces.
_LATIN_CHARACTERS_PER_TOKEN = 4
_OTHER_CHARACTERS_PER_TOKEN = 2

# Characters that the Qwen tokenizer (byte-level BPE) knows whole, read off its 151,643 entries; the
# vocabularies of XLM-R and its kin know more. Three groups by bytes in UTF-8 and tokens: of two bytes one, of three
# bytes one, of three bytes two. The Han of the second are the 3,755 common ones (GB 2312, level 1).
# Of those, 硷 and 矽 take two.
_RARE = frozenset({(0xBC, 0xEF), (0xCE, 0xF9)})
_COMMON_HAN = "".join(
    bytes((high, low)).decode("gb2312")
    for high in range(0xB0, 0xD8)
    for low in range(0xA1, 0xFF if high < 0xD7 else 0xFA)
    if (high, low) not in _RARE
)
_TWO_BYTES_ONE_TOKEN = re.compile(r"[\u00a0-\u0171\u0391-\u03ce\u040e-\u0461\u05d0-\u05ea\u061f-\u063a\u063c-\u064b]")
_THREE_BYTES_ONE_TOKEN = re.compile(
    rf"[\u0e00-\u0e39\u1ea0-\u1ef9\u2010-\u2027\u3041-\u3095\u30a1-\u30f6\u3008-\u3020\ufef7-\uffa0{_COMMON_HAN}]"
)
_THREE_BYTES_TWO_TOKENS = regex.compile(
    r"[[\u0900-\u0b3f\u0b82-\u0e00\u0e3a-\u0f7f\u0fc0-\u16f8\u1780-\u1878\u1e00-\u1e9f\u1efa-\u200f\u2028-\u20bf"
    r"\u2100-\u287f\u2e80-\u3007\u3021-\u3040\u3096-\u30a0\u30f7-\u347f"
    r"\u4d80-\u91ff\u9240-\u9bbf\u9c40-\u9d00\u9e00-\u9fff\uac00-\ubfff\uc040-\ud7a3]"
    rf"--[{_COMMON_HAN}]]",
    regex.VERSION1,
)
# Words that could be said, of one case or with a capital. Random ones with vowels need up to 0.75 tokens a letter, any
# other run of letters up to one.
_WORD_OF_LETTERS = re.compile(r"(?<![A-Za-z])(?:[A-Z]?[a-z]+|[A-Z]+)(?![A-Za-z])")
_VOWEL = re.compile(r"[aeiouAEIOU]")
_SPACE_IN_WORD = re.compile(r"(?<=\S) (?=[A-Za-z])")
# The tokens that begin and end every text (none to two), and the mark of a word's begin that some put before the first.
_FRAME_TOKENS = 3


def estimate_tokens(text: str) -> int:
    """Return an upper estimate of the number of tokens.

    One token for each character of a dense script and each punctuation mark; words of Latin script
    count one token for each four characters begun, of other alphabets for each two.
    """
    dense, sparse_text = _count_and_blank(text)
    words = 0
    for match in _WORD.finditer(sparse_text):
        word = match.group()
        per_token = _LATIN_CHARACTERS_PER_TOKEN if word.isascii() else _OTHER_CHARACTERS_PER_TOKEN
        words += -(-len(word) // per_token)
    return dense + words


def most_tokens(text: str) -> int:
    """Return a number of tokens that no tokenizer in use exceeds, begin and end included.

    A byte-level tokenizer never makes more tokens than there are bytes; what is known of characters and
    words lowers that. Tokenizers that decompose compatibility forms are given what those become.
    """
    tokens = _FRAME_TOKENS + len(text.encode("utf-8", "surrogatepass"))
    if not text.isascii():
        han = len(_THREE_BYTES_ONE_TOKEN.findall(text))
        pairs = len(_THREE_BYTES_TWO_TOKENS.findall(text))
        tokens -= len(_TWO_BYTES_ONE_TOKEN.findall(text)) + 2 * han + pairs
        tokens += max(0, len(unicodedata.normalize("NFKC", text)) - len(text))
    tokens -= len(_SPACE_IN_WORD.findall(text))
    return tokens - sum(len(word) // 4 for word in _WORD_OF_LETTERS.findall(text) if _VOWEL.search(word))


def _count_and_blank(text: str) -> tuple[int, str]:
    blanked, count = _DENSE.subn(" ", text)
    return count, blanked
