"""How the service reads a text: what it adds to it, and which of its states becomes the vector.

Measured on two random Qwen3 models, served rightly, with mean pooling, and without their end token
(texts of about 250 characters; "word": mean distance after the last word was changed, "rest": after all the rest was)::

                       last token     mean           no end token
    word / rest        0.10 .. 0.24   0.005 .. 0.007   1.7 .. 3.4

With a mean, one word among n moves the vector by about 1/n and the distance by 1/n squared; with the
state of the last token it moves more, since that token looks at its neighbours; and where the end
token is lost, the vector is that of the last word itself.
"""

import numpy as np

from searchapp.embedding.doctor import samples
from searchapp.embedding.doctor.visit import SkippedError, Visit

IGNORED_COSINE = 0.9999
# The service counts the tokens that it read: one letter, a beginning and an end are three, a stray byte a few more.
MOST_TOKENS_OF_A_LETTER = 8
MEAN_SHARE = 0.02
# The texts of the pooling check have this many characters, and no tokenizer makes more tokens of them.
POOLING_TOKENS = 300
LOST_END_SHARE = 1.0


def framed(text: str, instruction: str) -> str:
    """Return a query as Qwen3-Embedding wants it (model card)."""
    return f"Instruct: {instruction}\nQuery:{text}"


def check_instruction(visit: Visit) -> None:
    """An instruction has to change a query's vector, and nothing of the kind may be added to a document."""
    text, instruction = samples.SENTENCES["en"][0], visit.expectations.instruction
    texts = [text, framed(text, instruction), framed(text, samples.OTHER_INSTRUCTION)]
    bare, asked, other = visit.wire.embed(texts).units
    letter = visit.wire.embed(["a"])
    counted = letter.prompt_tokens
    ids = visit.wire.token_ids("a")
    is_longer = bool(ids) and counted > len(ids) + 2
    # A service that counts what it pads a text to counts the same for a longer one.
    is_padded = counted > 0 and counted == visit.wire.embed([text]).prompt_tokens
    if (counted > MOST_TOKENS_OF_A_LETTER or is_longer) and not is_padded:
        visit.find("instruction_on_documents", f"one letter counts as {counted} tokens", tokens=counted)
        return
    to_asked, to_other, between = float(bare @ asked), float(bare @ other), float(asked @ other)
    visit.measurements["instruction_cosine"] = round(to_asked, 4)
    if between < IGNORED_COSINE and max(to_asked, to_other) >= IGNORED_COSINE:
        visit.find("instruction_on_documents", f"bare and framed text have one vector: {to_asked:.5f}", tokens=counted)
    elif visit.takes_instructions and between >= IGNORED_COSINE:
        visit.find("instruction_ignored", f"cosine of two instructions: {between:.6f}", cosine=round(between, 6))


def check_pooling(visit: Visit) -> None:
    """Tell the state of an end token from a mean, and from the last word's own state."""
    if not visit.is_last_token_model or visit.measurements.get("reference") == "equal":
        raise SkippedError
    longest = visit.measurements.get("context_tokens")
    if isinstance(longest, int) and longest < POOLING_TOKENS:
        raise SkippedError
    texts = [f"{context} {word}" for context in samples.CONTEXTS for word in samples.LAST_WORDS]
    units = np.concatenate([visit.wire.embed(texts[start : start + 4]).units for start in range(0, len(texts), 4)])
    grid = units.reshape(len(samples.CONTEXTS), len(samples.LAST_WORDS), -1)
    distances = 1 - np.einsum("cwd,kvd->ckwv", grid, grid)
    contexts, words = len(samples.CONTEXTS), len(samples.LAST_WORDS)
    word = float(np.mean([distances[c, c, w, v] for c in range(contexts) for w in range(words) for v in range(w)]))
    rest = float(np.mean([distances[c, k, w, w] for c in range(contexts) for k in range(c) for w in range(words)]))
    share = word / max(rest, 1e-9)
    visit.measurements["last_word_share"] = round(share, 4)
    evidence = f"last word {word:.5f}, all the rest {rest:.5f}, share {share:.4f}"
    ends = [ids[-1] for ids in map(visit.wire.token_ids, ("a", "hello", "42")) if ids]
    has_no_end = len(ends) == 3 and len(set(ends)) > 1
    if share >= LOST_END_SHARE or has_no_end:
        visit.find("end_token_missing", evidence + ("; the tokenizer adds none" if has_no_end else ""))
    elif share < MEAN_SHARE:
        visit.find("pooling_mean", evidence, share=round(share, 4))
