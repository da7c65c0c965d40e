"""How long a text may be, and what becomes of one that is too long."""

import math
from collections.abc import Iterator

import numpy as np

from searchapp.embedding.doctor import samples
from searchapp.embedding.doctor.visit import Visit
from searchapp.embedding.doctor.wire import SMALLEST_NORM, Embedded, FaultError

# Lengths are raised step by step; a service that names no limit is not asked for more, which costs it seconds.
LONGEST_UNDECLARED_TOKENS = 8_192
LONGEST_TOKENS = 40_000
# One that takes this long for one text has been asked enough.
PATIENCE_S = 20.0
# Words of the site's texts may come in more tokens than those of the probe.
SMALLEST_PROBE_TOKENS = 128
# Counts of tokens a word outside of this are no counts of tokens, and are not believed.
TOKENS_PER_WORD = (0.5, 16.0)
USUAL_TOKENS_PER_WORD = 1.3
BISECTIONS = 6
SMALLEST_WORDS = 8
# Where two texts differ, and by what.
ENDS, STARTS = "last", "start"
TENTHS = ("salt soup fish rice", "song drum horn bell")
# Equal but for rounding; one sentence of thousands in a mean moves the vector by more than 1e-8.
EQUAL_DISTANCE = 1e-9


def check_lengths(visit: Visit) -> None:
    """Lengthen a text until its end has no effect, or it is refused, or there is reason to stop; then try its start."""
    per_word = _tokens_per_word(visit)
    declared = visit.facts.context_tokens
    # Beyond by more than the tenth in which the two texts differ.
    limit = min(declared * 1.2 + 64, LONGEST_TOKENS) if declared else LONGEST_UNDECLARED_TOKENS
    wanted = visit.expectations.text_tokens
    outcome, works, longest = "works", 0, 0
    for tokens in _steps(limit, wanted):
        words = max(SMALLEST_WORDS, int(tokens / per_word))
        outcome, seen = _try(visit, words, ENDS)
        if outcome != "works":
            if outcome != "breaks":
                longest, works = _bisect(visit, longest, words, works, ENDS)
            break
        works, longest, per_word = seen, words, seen / words
        if seen > limit or _is_slow(visit):
            break
    if longest and _try(visit, longest, STARTS)[0] == "cut":
        outcome = "cut"
        _longest, works = _bisect(visit, 0, longest, 0, STARTS)
    if outcome == "works":
        visit.measurements["context_tokens"] = f">= {works}"
        return
    visit.measurements["context_tokens"] = works
    visit.measurements["too_long"] = outcome
    _judge(visit, outcome, works, wanted)


def _judge(visit: Visit, outcome: str, found: int, wanted: int) -> None:
    if outcome == "cut":
        visit.find(
            "text_truncated" if found < wanted else "long_text_cut", f"at about {found}", found=found, wanted=wanted
        )
    elif outcome == "breaks":
        visit.find(
            "context_small" if found < wanted else "long_text_breaks", f"at about {found}", found=found, wanted=wanted
        )
    elif found < wanted:
        visit.find("context_small", f"refused from about {found}", found=found, wanted=wanted)


def _steps(limit: float, wanted: int) -> Iterator[float]:
    """Yield lengths to try, the longest that the site sends among them: one that breaks is not narrowed down."""
    tokens = float(SMALLEST_PROBE_TOKENS)
    longest_sent = wanted * 1.1
    while tokens < limit:
        yield tokens
        if tokens < longest_sent < min(2 * tokens, limit):
            yield longest_sent
        tokens *= 2
    yield limit


def _text(words: int, *, start: str = "", last: str = "") -> str:
    """Return a text of so many words, whose first or last tenth is made of the given ones."""
    filler = " ".join(samples.FILLER).split()
    repeated = [filler[number % len(filler)] for number in range(words)]
    # A tenth, so that a cut by little is seen as well.
    tenth = max(4, words // 10)
    if start:
        repeated[:tenth] = (start.split() * words)[:tenth]
    if last:
        repeated[-tenth:] = (last.split() * words)[:tenth]
    return " ".join(repeated)


def _tokens_per_word(visit: Visit) -> float:
    words = 20
    return max(_counted(visit.wire.embed([_text(words)]), words) / words, 1.0)


def _counted(answer: Embedded, words: int) -> int:
    """Return the tokens of a text as the service counts them, or about as many where it cannot be believed."""
    least, most = TOKENS_PER_WORD
    is_credible = least * words <= answer.prompt_tokens <= most * words
    return answer.prompt_tokens if is_credible else round(words * USUAL_TOKENS_PER_WORD)


def _try(visit: Visit, words: int, place: str) -> tuple[str, int]:
    """Send two texts that differ at one end alone; return what became of them and the tokens counted."""
    try:
        first, second = (visit.wire.embed([_text(words, **{place: tenth})]) for tenth in TENTHS)
    except FaultError as exc:
        code = exc.finding.code
        if code in ("timeout", "connection_broken", "server_error", "answer_unreadable"):
            return "breaks", 0
        if code in ("request_refused", "url_wrong_path") and exc.status:
            return "refused", 0
        raise
    if not (np.isfinite(first.norms).all() and first.norms.min() >= SMALLEST_NORM):
        return "breaks", 0
    return ("cut" if _distance(first, second) < EQUAL_DISTANCE else "works"), _counted(first, words)


def _distance(first: Embedded, second: Embedded) -> float:
    """Return half the squared distance, which is one minus the cosine, without its rounding near one."""
    return float(np.square(first.units[0].astype(np.float64) - second.units[0].astype(np.float64)).sum() / 2)


def _bisect(visit: Visit, low: int, high: int, works: int, place: str) -> tuple[int, int]:
    """Return about the largest number of words, and of their tokens, that works between two numbers of words."""
    for _round in range(BISECTIONS):
        # By ratio: a service may cut at a hundredth of what it takes.
        middle = round(math.sqrt(max(low, SMALLEST_WORDS) * high))
        if middle in (low, high):
            break
        outcome, seen = _try(visit, middle, place)
        if outcome == "works":
            low, works = middle, max(works, seen)
        else:
            high = middle
    return low, works


def _is_slow(visit: Visit) -> bool:
    return visit.wire.slowest_s > PATIENCE_S
