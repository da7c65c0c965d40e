"""HTML to blocks: one walk over the tree, without recursion along its depth.

Everything that is no content of the page is left out: scripts, navigation, footers, hidden parts. Where
the page marks its main part, only that part is read.
"""

from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from searchapp.parsing._blocks import BlockList
from searchapp.parsing._document import BlockKind, ParsedDocument
from searchapp.parsing._text import clean, fold

# fmt: off
_DROPPED_TAGS = frozenset(
    {
        "head", "title", "script", "style", "noscript", "template", "svg", "iframe", "object", "embed",
        "audio", "video", "canvas", "map", "nav", "footer", "button", "select", "option", "textarea",
        "input", "dialog", "rt", "rp"
    }
)
# fmt: on
_DROPPED_ROLES = frozenset({"navigation", "contentinfo", "search", "menu", "banner"})
# The numbers and arrows of footnotes as Markdown renderers and xberg write them; the notes themselves stay.
_DROPPED_CLASSES = frozenset({"footnote-ref", "footnote-backref"})
# fmt: off
_BLOCK_TAGS = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "caption", "center", "details", "div", "dl",
        "dd", "dt", "fieldset", "figcaption", "figure", "form", "header", "hgroup", "hr", "legend", "li",
        "main", "menu", "ol", "p", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead",
        "tr", "ul"
    }
)
# fmt: on
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LISTS = frozenset({"ul", "ol", "dl", "menu"})
_ITEMS = frozenset({"li", "dt", "dd"})
# What makes a table a frame for other content instead of data.
_LAYOUT_CONTENT = "table, h1, h2, h3, h4, h5, h6, pre"
_MAX_SPAN = 1000  # HTML standard, algorithm for processing rows
_LINE_BREAK = "\0"  # stands for <br> while white space is folded; the parser lets no NUL through
_PERMALINK_MARKS = " ¶🔗"


def read_html(html: str, *, find_main: bool = True) -> ParsedDocument:
    """Read a page or fragment; the title is the first H1, else the title element.

    Args:
        find_main: read only the part marked as the main one, where there is one.
    """
    tree = LexborHTMLParser(html)
    title = tree.css_first("head > title")
    root = (_main_part(tree) if find_main else None) or tree.body or tree.root
    found = BlockList()
    if root is not None:
        _Walk(found).over(root)
    headline = next((b.text for b in found.blocks if b.kind is BlockKind.HEADING and not b.heading_path), "")
    has_h1 = tree.css_first("h1") is not None
    page_title = fold(clean(title.text())) if title is not None else ""
    return ParsedDocument(headline if has_h1 else page_title, tuple(found.blocks))


def _main_part(tree: LexborHTMLParser) -> LexborNode | None:
    for selector in ("main", "[role=main]", "article"):
        candidates = tree.css(selector)
        if len(candidates) == 1 and candidates[0].text().strip():
            return candidates[0]
    return None


def _is_dropped(node: LexborNode) -> bool:
    if node.tag in _DROPPED_TAGS:
        return True
    attributes = node.attributes
    if attributes.get("role") in _DROPPED_ROLES or attributes.get("aria-hidden") == "true":
        return True
    if not _DROPPED_CLASSES.isdisjoint((attributes.get("class") or "").split()):
        return True
    if "hidden" in attributes and attributes["hidden"] != "until-found":
        return True
    # A page header without a heading holds the name of the site and its menu.
    return node.tag == "header" and node.css_first("h1, h2, h3, h4, h5, h6") is None


def _children(node: LexborNode) -> Iterator[LexborNode]:
    child = node.child
    while child is not None:
        yield child
        child = child.next


class _Walk:
    """Turn one subtree into blocks: text gathers until a block boundary, lists until their end."""

    def __init__(self, found: BlockList) -> None:
        self._found = found
        self._inline: list[str] = []
        self._list_lines: list[str] = []
        self._counters: list[int | None] = []  # one per open list: the last number, None if unnumbered
        self._marker = ""

    def over(self, root: LexborNode) -> None:
        # A node stands on the stack twice: to be entered, and to be left after its content.
        stack: list[tuple[LexborNode, bool]] = [(root, True)]
        while stack:
            node, is_entering = stack.pop()
            if not is_entering:
                self._leave(node)
            elif self._enter(node):
                stack.append((node, False))
                stack.extend((child, True) for child in reversed(list(_children(node))))
        self._end_lists()

    def _enter(self, node: LexborNode) -> bool:
        """Take in a node; tell whether its content is to be walked."""
        if node.is_text_node:
            self._inline.append(node.text_content or "")
            return False
        tag = node.tag or ""
        if not node.is_element_node or _is_dropped(node):
            return False
        if tag == "br":
            self._inline.append(_LINE_BREAK)
        elif tag == "img":
            self._inline.append(f" {node.attributes.get('alt') or ''} ")
        elif tag == "pre":
            self._end_lists()
            self._found.add(BlockKind.CODE, node.text())
            return False
        elif tag == "table" and all(inner == node for inner in node.css(_LAYOUT_CONTENT)):
            self._end_lists()
            self._found.add(BlockKind.TABLE, _table_text(node))
            return False
        elif tag in _HEADINGS:
            self._end_lists()
        elif tag in _BLOCK_TAGS:
            self._end_paragraph()
            self._open_list_part(node, tag)
        return True

    def _leave(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if tag in _HEADINGS:
            text = fold("".join(self._inline).replace(_LINE_BREAK, " ")).rstrip(_PERMALINK_MARKS)
            self._inline.clear()
            self._found.add_heading(text, level=_HEADINGS[tag])
        elif tag in _BLOCK_TAGS:
            self._end_paragraph()
            if tag in _LISTS and self._counters:
                self._counters.pop()
                if not self._counters:
                    self._end_lists()

    def _open_list_part(self, node: LexborNode, tag: str) -> None:
        if tag in _LISTS:
            self._counters.append(_list_start(node) - 1 if tag == "ol" else None)
        elif tag in _ITEMS and self._counters:
            number = self._counters[-1]
            if number is not None:
                self._counters[-1] = number + 1
                self._marker = f"{number + 1}. "
            else:
                self._marker = "- " if tag == "li" else ""

    def _end_paragraph(self) -> None:
        lines = [fold(line) for line in "".join(self._inline).split(_LINE_BREAK)]
        self._inline.clear()
        text = "\n".join(line for line in lines if line)
        if not text:
            return
        if not self._counters:
            self._found.add(BlockKind.TEXT, text)
            return
        indent = "  " * (len(self._counters) - 1)
        self._list_lines.append(f"{indent}{self._marker}{text}")
        self._marker = ""

    def _end_lists(self) -> None:
        """Close the text gathered so far, also in the middle of a list that goes on after a heading."""
        self._end_paragraph()
        self._found.add(BlockKind.TEXT, "\n".join(self._list_lines))
        self._list_lines.clear()


def _list_start(node: LexborNode) -> int:
    start = node.attributes.get("start") or ""
    return int(start) if start.isascii() and start.isdigit() and len(start) <= 9 else 1


def _table_text(table: LexborNode) -> str:
    """Write a table as one line per row that can be understood alone.

    With a header row a line reads ``Name: Ann; Age: 7``, else ``Ann | 7``.
    """
    lines: list[str] = []
    caption = table.css_first("caption")
    if caption is not None:
        lines.append(_flat_text(caption))
    rows = table.css("tr")
    grid = _grid(rows)
    header = grid[0] if len(grid) > 1 and _is_header(rows[0]) else None
    for cells in grid[1:] if header else grid:
        if header:
            line = "; ".join(
                f"{name}: {cell}" if name and name != cell else cell
                for name, cell in zip(header, cells, strict=False)
                if cell
            )
        else:
            line = " | ".join(cell for cell in cells if cell)
        lines.append(line)
    return "\n".join(line for line in lines if line)


def _cells(row: LexborNode) -> list[LexborNode]:
    return [child for child in _children(row) if child.tag in {"td", "th"}]


def _is_header(row: LexborNode) -> bool:
    cells = _cells(row)
    return len(cells) > 1 and all(cell.tag == "th" for cell in cells)


def _grid(rows: list[LexborNode]) -> list[list[str]]:
    """Lay cells out in columns: a cell over several rows stands in each, one over several columns in the first."""
    grid: list[list[str]] = []
    held: dict[int, tuple[int, str]] = {}  # column -> rows still to fill, text
    for row in rows:
        line: list[str] = []
        for cell in [*_cells(row), None]:
            while len(line) in held:
                remaining, text = held.pop(len(line))
                if remaining > 1:
                    held[len(line)] = (remaining - 1, text)
                line.append(text)
            if cell is None:
                break
            text = _flat_text(cell)
            rowspan = _span(cell, "rowspan")
            if rowspan > 1:
                held[len(line)] = (rowspan - 1, text)
            line.extend([text, *[""] * (_span(cell, "colspan") - 1)])
        grid.append(line)
    return grid


def _span(cell: LexborNode, name: str) -> int:
    value = cell.attributes.get(name) or ""
    return max(1, min(int(value), _MAX_SPAN)) if value.isascii() and value.isdigit() and len(value) <= 9 else 1


def _flat_text(node: LexborNode) -> str:
    found = BlockList()
    _Walk(found).over(node)
    return fold(" ".join(block.text for block in found.blocks))
