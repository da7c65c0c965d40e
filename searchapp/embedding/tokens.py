"""How many tokens a text may be, without the model's tokenizer."""

import re

# Han, kana, hangul, Thai, Lao, Khmer, Burmese, Tibetan: scripts written without spaces, where subword
# tokenizers of multilingual models spend about one token a character.
_DENSE = re.compile(r"[\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_WORD = re.compile(r"[^\W_]+|[^\w\s]|_")
# Characters a token in Latin words; other alphabets get shorter pieces.
_LATIN_CHARACTERS_PER_TOKEN = 4
_OTHER_CHARACTERS_PER_TOKEN = 2


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


def _count_and_blank(text: str) -> tuple[int, str]:
    blanked, count = _DENSE.subn(" ", text)
    return count, blanked
