"""Cut blocks into passages: sections first, then blocks, sentences, and fragments only at need.

A document falls into sections, runs of blocks under the same headings. A section that stands on its own is
never mixed with another: one answer under one heading is what people look for. Only a section too small to
say anything (a heading with three words) joins its sibling or first child, under their common parent.

A section over budget becomes as few passages as fit, of about equal size, parted where it hurts least.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise, takewhile
from math import ceil, inf
from typing import Final

from semantic_text_splitter import TextSplitter

from searchapp.chunking.passages import Block, Passage, document_text, text_offsets
from searchapp.language import UNDETERMINED, detect, sentences

# The cost of parting after an atom, against the distance from the ideal size as a share of the budget: a
# paragraph end is worth 15 % of imbalance over a sentence end. A bound pair is parted only at need.
_SECTION_END: Final = 0.0
_BLOCK_END: Final = 0.1
_SENTENCE_END: Final = 0.25
_FRAGMENT_END: Final = 0.5
_BOUND: Final = 2.0
# What outweighs all of these: leaving a passage too small, here or at the end.
_STUNTED: Final = 1.0

# A section or rest below this share of the budget (32 tokens of 512: a title and a sentence) is no passage.
_MIN_SHARE: Final = 1 / 16

# Passages read to find the main language of a document, evenly spaced.
_LANGUAGE_SAMPLES: Final = 64

# Shows the splitter several passages at once; English has about 4 characters per token, Chinese 1.5.
_WINDOW_CHARACTERS_PER_TOKEN: Final = 16

_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Atom:
    """What is not cut any further: a block, a sentence or row of a long one, a fragment of a long sentence."""

    start: int
    end: int
    tokens: int
    cost_after: float
    path: _Path
    page: int | None
    heading: str = ""


@dataclass(slots=True)
class _Section:
    """Consecutive atoms under one heading path, after the headings that lead to it.

    Attributes:
        max_tokens: what a passage of it may count.
        question: makes it a FAQ row, which joins no other section.
        body_tokens: of all atoms but headings.
    """

    path: _Path
    atoms: list[_Atom]
    max_tokens: int
    question: str = ""
    body_tokens: int = 0

    def add(self, atoms: Iterable[_Atom]) -> None:
        for atom in atoms:
            self.atoms.append(atom)
            self.body_tokens += atom.tokens

    @property
    def all_tokens(self) -> int:
        return sum(atom.tokens for atom in self.atoms)

    @property
    def first_tokens(self) -> int:
        """Count the headings and the first atom of the body."""
        headings = sum(1 for _ in takewhile(lambda atom: atom.heading, self.atoms))
        return sum(atom.tokens for atom in self.atoms[: headings + 1])

    def is_near(self, other: "_Section") -> bool:
        """Tell whether the other section is a sibling or child, and none of the two a FAQ row."""
        is_faq = bool(self.question or other.question)
        return not is_faq and len(_common_path((self.path, other.path))) >= len(self.path) - 1

    def absorb(self, other: "_Section") -> None:
        self.atoms[-1] = replace(self.atoms[-1], cost_after=_SECTION_END)
        self.atoms += other.atoms
        self.body_tokens += other.body_tokens
        self.path = _common_path((self.path, other.path))

    def drop_implied_headings(self) -> None:
        """Drop the leading headings that stand in the path of all that follows."""
        implied = 0
        for index, atom in enumerate(self.atoms[:-1]):
            own = (*atom.path, atom.heading)
            below = _common_path(later.path for later in self.atoms[index + 1 :])
            if not atom.heading or below[: len(own)] != own:
                break
            implied += 1
        del self.atoms[:implied]


def cut(
    blocks: Sequence[Block],
    *,
    max_tokens: int,
    count_tokens: Callable[[str], int],
    languages: Sequence[str] | None = None,
    language: str = "",
) -> list[Passage]:
    """Cut the blocks of a document into passages, in order.

    Every character of the document that is not white space is in the text, the heading path or the question
    of a passage. A heading that leads a passage is in its path only; it is a text of its own only where
    nothing fits beside it. A FAQ row without an answer is left out.

    Args:
        blocks: the document in reading order.
        max_tokens: no text of a passage counts more, and for a FAQ row text and question together count no
            more unless the question alone takes half. A single character is never cut.
        count_tokens: of a text, as the embedding model counts. Called once per block, per sentence of a
            block over budget and per passage, and some twenty times per passage of a text without sentences.
        languages: codes to detect among; all supported ones if None.
        language: code declared by a person; it wins over detection.

    Returns:
        The passages; empty if the blocks hold nothing but white space.

    Raises:
        ValueError: half of ``max_tokens`` leaves no room beside the tokens that an empty text counts.
    """
    if max_tokens // 2 <= count_tokens(""):
        raise ValueError(f"max_tokens={max_tokens} leaves no room for text")
    cutter = _Cutter(document_text(blocks), max_tokens, count_tokens)
    pieces = [
        piece
        for section in _join_small(cutter.sections(blocks), ceil(max_tokens * _MIN_SHARE))
        for piece in cutter.pieces(section)
    ]
    asked = [f"{piece.question}\n{cutter.text[piece.start : piece.end]}" for piece in pieces]
    tongues = [language] * len(pieces) if language else _detect_all(asked, languages)
    return [
        Passage(
            ordinal=ordinal,
            text=cutter.text[piece.start : piece.end],
            question=piece.question,
            heading_path=piece.path,
            page=piece.page,
            start=piece.start,
            end=piece.end,
            language=tongue,
            token_count=piece.tokens,
        )
        for ordinal, (piece, tongue) in enumerate(zip(pieces, tongues, strict=True))
    ]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A passage to be, without its language."""

    start: int
    end: int
    tokens: int
    path: _Path
    page: int | None
    question: str


class _Cutter:
    """Cut one document."""

    def __init__(self, text: str, max_tokens: int, count_tokens: Callable[[str], int]) -> None:
        self.text = text
        self._max_tokens = max_tokens
        self._count = count_tokens
        # Special tokens surround every text; the sum over parts must not hold them once per part.
        self._overhead = count_tokens("")

    def sections(self, blocks: Sequence[Block]) -> Iterator[_Section]:
        """Yield the sections; a FAQ row is one of its own, headings without a body are the last."""
        section: _Section | None = None
        headings: list[_Atom] = []
        placed = [pair for pair in zip(blocks, text_offsets(blocks), strict=True) if pair[0].text.strip()]
        for index, (block, start) in enumerate(placed):
            if block.kind == "heading":
                headings += self._atoms(block, start, self._max_tokens, cost_after=_BOUND)
                continue
            if section is None or headings or block.question or section.question or section.path != block.heading_path:
                if section:
                    yield section
                section = _Section(block.heading_path, headings, self._answer_tokens(block.question), block.question)
                headings = []
            leads_to_code = block.kind == "text" and any(
                below.kind == "code" and below.heading_path == block.heading_path
                for below, _ in placed[index + 1 : index + 2]
            )
            cost_after = _BOUND if leads_to_code else _BLOCK_END
            section.add(self._atoms(block, start, section.max_tokens, cost_after=cost_after))
        if section:
            yield section
        if headings:
            yield _Section((), headings, self._max_tokens)

    def pieces(self, section: _Section) -> Iterator[_Piece]:
        """Part a section into passages."""
        section.drop_implied_headings()
        atoms = section.atoms
        sums = list(accumulate((atom.tokens for atom in atoms), initial=0))
        first = 0
        while first < len(atoms):
            last = _best_end(atoms, sums, first, section.max_tokens - self._overhead)
            tokens = self._count(self.text[atoms[first].start : atoms[last - 1].end])
            # Sums miss the white space between atoms, and few tokenizers are additive.
            while tokens > section.max_tokens and last - first > 1:
                last = first + min(last - first - 1, max(1, (last - first) * section.max_tokens // tokens))
                tokens = self._count(self.text[atoms[first].start : atoms[last - 1].end])
            yield _Piece(
                start=atoms[first].start,
                end=atoms[last - 1].end,
                tokens=tokens,
                path=_common_path(atom.path for atom in atoms[first:last]),
                page=atoms[first].page,
                question=section.question,
            )
            first = last

    def _answer_tokens(self, question: str) -> int:
        """Return what is left for the answer when the question is repeated with every part of it."""
        return max(self._max_tokens - self._count(question), self._max_tokens // 2) if question else self._max_tokens

    def _atoms(self, block: Block, start: int, max_tokens: int, *, cost_after: float) -> list[_Atom]:
        """Cut a block only as far as needed: not at all, at sentence or row ends, inside of them.

        Where the block is bound to what follows, its last sentence is an atom even if all of it fits.
        """
        end = start + len(block.text.rstrip())
        start += len(block.text) - len(block.text.lstrip("\n"))
        room = max_tokens - self._overhead
        heading = block.text if block.kind == "heading" else ""

        def atom(start: int, end: int, cost_after: float) -> _Atom:
            tokens = self._net(self.text[start:end])
            return _Atom(start, end, tokens, cost_after, block.heading_path, block.page, heading)

        whole = atom(start, end, cost_after)
        fits = whole.tokens <= room
        if fits and (heading or cost_after != _BOUND):
            return [whole]
        spans = [(start + a, start + b) for a, b in _units(block.kind, self.text[start:end])]
        if fits and len(spans) > 2:
            spans = [(start, spans[-2][1]), spans[-1]]
        atoms = []
        for unit in (atom(*span, _SENTENCE_END) for span in spans):
            if unit.tokens <= room:
                atoms.append(unit)
            else:
                atoms += [atom(*span, _FRAGMENT_END) for span in self._split(unit.start, unit.end, max_tokens)]
        atoms[-1] = replace(atoms[-1], cost_after=cost_after)
        return atoms

    def _split(self, start: int, end: int, max_tokens: int) -> Iterator[tuple[int, int]]:
        """Yield spans within the budget of a text that has no sentence ends, parted between words at best."""
        room = max_tokens - self._overhead
        splitter = TextSplitter.from_callback(self._net, room)
        # The splitter takes time quadratic in a text without spaces: it is shown a window at a time.
        window = _WINDOW_CHARACTERS_PER_TOKEN * max_tokens
        while start < end:
            window_end = min(start + window, end)
            spans = [
                (start + offset, start + offset + len(text))
                for offset, text in splitter.chunk_indices(self.text[start:window_end])
            ]
            # The end of the window cut the last span short: it begins the next window.
            for span in spans if window_end == end else spans[:-1]:
                # The splitter adds counts of words up, which holds for no tokenizer exactly.
                excess = self._net(self.text[slice(*span)]) - room
                yield from self._split(*span, max_tokens - excess) if 0 < excess < room else [span]
            if window_end == end:
                return
            if len(spans) > 1:
                start = spans[-1][0]
            else:
                window *= 2

    def _net(self, text: str) -> int:
        """Count the tokens of a part of a text, without those that surround every text."""
        return max(1, self._count(text) - self._overhead)


def _units(kind: str, text: str) -> list[tuple[int, int]]:
    """Return the spans of the sentences of prose, of the lines of code and tables."""
    if kind not in ("code", "table"):
        return sentences(text)
    ends = list(accumulate((len(line) for line in text.splitlines(keepends=True)), initial=0))
    lines = ((start, start + len(text[start:end].rstrip())) for start, end in pairwise(ends))
    return [(start, end) for start, end in lines if start < end]


def _best_end(atoms: Sequence[_Atom], sums: Sequence[int], first: int, room: int) -> int:
    """Return where the passage that starts with atom ``first`` ends best (exclusive).

    The rest is to become as few passages as fit, equal in size; ends that part what belongs together are
    moved from. ``sums[i]`` is the number of tokens before atom ``i``.
    """
    rest = sums[-1] - sums[first]
    if rest <= room:
        return len(atoms)
    ideal = rest / ceil(rest / room)
    best, best_cost = first + 1, inf
    for end in range(first + 1, len(atoms)):
        tokens = sums[end] - sums[first]
        if tokens > room:
            break
        cost = abs(tokens - ideal) / room + atoms[end - 1].cost_after
        cost += _STUNTED * (tokens < ideal / 2 or rest - tokens < room * _MIN_SHARE)
        if cost < best_cost:
            best, best_cost = end, cost
    return best


def _join_small(sections: Iterable[_Section], min_tokens: int) -> list[_Section]:
    """Join each section below the minimum to the next, else to the one before it, where they are near.

    It takes the beginning of a long section along, and never makes a full one overflow: the headings of
    what was joined count as text. Headings that nothing follows join what is before them in any case.
    """
    forward: list[_Section] = []
    for section in sections:
        small = forward[-1] if forward and forward[-1].body_tokens < min_tokens else None
        if small and small.is_near(section) and small.all_tokens + section.first_tokens <= small.max_tokens:
            small.absorb(section)
        else:
            forward.append(section)
    joined = forward[:1]
    for section in forward[1:]:
        before = joined[-1]
        fits = before.all_tokens + section.all_tokens <= before.max_tokens
        is_left_over = section.body_tokens < min_tokens and section.is_near(before) and fits
        if is_left_over or (not section.body_tokens and not before.question):
            before.absorb(section)
        else:
            joined.append(section)
    return joined


def _common_path(paths: Iterable[_Path]) -> _Path:
    distinct = set(paths)
    return tuple(level[0] for level in takewhile(lambda level: len(set(level)) == 1, zip(*distinct, strict=False)))


def _detect_all(texts: Sequence[str], languages: Sequence[str] | None) -> list[str]:
    """Detect the language of each passage, expecting the main language of the document."""
    characters: Counter[str] = Counter()
    for text in texts[:: ceil(len(texts) / _LANGUAGE_SAMPLES) or 1]:
        characters[detect(text, languages=languages)] += len(text)
    del characters[UNDETERMINED]
    main = max(characters, key=characters.__getitem__, default="")
    return [detect(text, languages=languages, prior=main) for text in texts]
