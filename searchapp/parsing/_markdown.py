"""Markdown by way of HTML, so that HTML inside Markdown is understood as well."""

import re
import tomllib
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from mdit_py_plugins.footnote import footnote_plugin

from searchapp.parsing._document import ParsedDocument
from searchapp.parsing._html import read_html
from searchapp.parsing._text import clean, fold

_FRONT_MATTER = re.compile(r"\s*(---|\+\+\+)[ \t]*\n(.*?\n)\1[ \t]*(?:\n|$)", re.S)
# What site generators replace: Hugo {{< x >}} {{% x %}}, Liquid {% x %}, attributes {#id} {.class} {: x}.
# The lengths are bounded so that unclosed openings cannot make the search quadratic.
_TEMPLATE = re.compile(r"\{\{[<%].{0,500}?[%>]\}\}|\{%.{0,500}?%\}|[ \t]*\{[:#.][-\w:.#=\"' ]{1,200}\}", re.S)


def read_markdown(text: str) -> ParsedDocument:
    """Read Markdown; the title is the one of the YAML or TOML front matter, else the first H1."""
    title, body = _split_front_matter(clean(text))
    document = read_html(_RENDERER.render(body), find_main=False)
    return ParsedDocument(title or document.title, document.blocks)


def render_inline(text: str) -> str:
    """Render one line of Markdown to HTML without a paragraph around it."""
    rendered: str = _RENDERER.renderInline(text)
    return rendered


def _split_front_matter(text: str) -> tuple[str, str]:
    match = _FRONT_MATTER.match(text)
    if match is None:
        return "", text
    try:
        values: Any = tomllib.loads(match[2]) if match[1] == "+++" else yaml.safe_load(match[2])
    except (tomllib.TOMLDecodeError, yaml.YAMLError, ValueError):
        return "", text  # two thematic breaks with prose between them
    if not isinstance(values, dict):
        return "", text
    title = values.get("title")
    return fold(clean(title)) if isinstance(title, str) else "", text[match.end() :]


def _skip_template(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - signature of the library
    del silent
    match = _TEMPLATE.match(state.src, state.pos)
    if match is None:
        return False
    state.pos = match.end()
    return True


def _make_renderer() -> MarkdownIt:
    renderer = MarkdownIt("commonmark").enable(["table", "strikethrough"]).use(footnote_plugin)
    renderer.inline.ruler.before("html_inline", "template", _skip_template)
    return renderer


_RENDERER = _make_renderer()
