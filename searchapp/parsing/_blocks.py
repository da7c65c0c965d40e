"""Collect blocks in reading order while keeping track of the headings above them."""

from searchapp.parsing._document import Block, BlockKind
from searchapp.parsing._text import clean, has_letters

# Longer "headings" are paragraphs somebody styled as a heading.
MAX_HEADING_CHARACTERS = 300


class BlockList:
    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._path: tuple[str, ...] = ()
        self._levels: list[int] = []

    def add_heading(self, text: str, *, level: int, page: int | None = None) -> None:
        """Add a heading; it stands above what follows until one of the same or a smaller level."""
        text = clean(text).strip()
        if len(text) > MAX_HEADING_CHARACTERS:
            self.add(BlockKind.TEXT, text, page=page)
            return
        if not has_letters(text):
            return
        while self._levels and self._levels[-1] >= level:
            self._levels.pop()
        self._path = self._path[: len(self._levels)]
        self.blocks.append(Block(BlockKind.HEADING, text, self._path, page))
        self._levels.append(level)
        self._path = (*self._path, text)

    def add(self, kind: BlockKind, text: str, *, page: int | None = None, question: str = "") -> None:
        """Add a block under the current headings; blank text adds nothing."""
        text = clean(text).strip("\n").rstrip()
        if text.strip():
            self.blocks.append(Block(kind, text, self._path, page, clean(question).strip()))
