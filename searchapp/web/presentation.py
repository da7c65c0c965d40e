"""How things of the services look on a page."""

import uuid
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from babel import Locale
from django.urls import get_script_prefix, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext_lazy, to_locale
from django.utils.translation import gettext as _

from searchapp.language import SUPPORTED_LANGUAGES, UNDETERMINED
from searchapp.models import Document
from searchapp.ranking import Evidence
from searchapp.services.comparing import Regression
from searchapp.services.reasons import sentence
from searchapp.services.searching import Hit, MarkedPassage

# A passage up to this long is shown whole; of a longer one, about this much around the highlight.
EXCERPT_CHARACTERS = 480
# How far a cut may move to fall between words.
CUT_SLACK_CHARACTERS = 24
# What stands in an address before the id or the slug is put in.
EXAMPLE_ID = str(uuid.UUID(int=0))
EXAMPLE_SLUG = "example-slug"
# Languages and pages are fewer; the limit is for codes that no one foresaw.
KEPT_FRAGMENTS = 1_000
# Who waits behind more documents than this is told just that.
MAX_COUNTED_QUEUE = 1_000

# What people distinguish among the states of a document.
STATUS_FILTERS = {
    "working": (Document.Status.QUEUED, *Document.RUNNING),
    "ready": (Document.Status.READY,),
    "failed": (Document.Status.FAILED,),
}
GENERATION_FIELDS = {
    "model": gettext_lazy("Model"),
    "dimensions": gettext_lazy("Dimensions"),
    "family": gettext_lazy("Instruction policy"),
    "chunking": gettext_lazy("Chunking: version and tokens"),
    "schema_version": gettext_lazy("Version of the index"),
}
LANE_NAMES = {
    "hybrid": gettext_lazy("As on the site: by meaning and words"),
    "dense": gettext_lazy("By meaning alone"),
    "lexical": gettext_lazy("By words alone"),
}


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a passage as shown: ``before``, the marked span, ``after``. Joined they are the part.

    ``is_cut_before`` and ``is_cut_after`` say where the passage goes on.
    """

    before: str
    marked: str
    after: str
    is_cut_before: bool = False
    is_cut_after: bool = False

    @property
    def is_cut(self) -> bool:
        """Return whether the passage is longer than what is shown."""
        return self.is_cut_before or self.is_cut_after


@dataclass(frozen=True, slots=True)
class HitGroup:
    """The hits of one document, the best first."""

    best: Hit
    more: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """What changes on a page with the highlight of a passage that it shows.

    ``whole`` is None where the passage is shown whole anyway; ``is_glimpse`` says that only a line of it is shown.
    """

    chunk_id: uuid.UUID
    excerpt: Excerpt
    whole: Excerpt | None
    is_glimpse: bool


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document in a list.

    ``queued_before`` is how many documents come first: None where it does not wait in the queue, at
    most `MAX_COUNTED_QUEUE`. ``reason`` is the sentence for its error code.
    """

    document: Document
    queued_before: int | None
    reason: str


def group_hits(hits: Iterable[Hit]) -> list[HitGroup]:
    """Return the hits by document, where the best of it stands; the rows of a FAQ each on their own."""
    groups: dict[object, list[Hit]] = {}
    for hit in hits:
        groups.setdefault(hit.chunk_id if hit.question else hit.document_id, []).append(hit)
    return [HitGroup(group[0], tuple(group[1:])) for group in groups.values()]


def marks(passages: Iterable[MarkedPassage], *, glimpses: Container[uuid.UUID]) -> list[Mark]:
    """Return what changes with the highlights that were found."""
    return [
        Mark(
            passage.chunk_id,
            excerpt(passage.text, passage.highlight),
            whole(passage.text, passage.highlight) if excerpt(passage.text, None).is_cut else None,
            is_glimpse=passage.chunk_id in glimpses,
        )
        for passage in passages
        if passage.highlight
    ]


def whole(text: str, highlight: tuple[int, int] | None) -> Excerpt:
    """Return the whole passage with its highlight."""
    start, end = highlight or (0, 0)
    return Excerpt(text[:start], text[start:end], text[end:])


def excerpt(text: str, highlight: tuple[int, int] | None) -> Excerpt:
    """Return about `EXCERPT_CHARACTERS` of a passage around its highlight, or all of a short one.

    The highlight is shown whole even where it alone is longer.
    """
    if len(text) <= EXCERPT_CHARACTERS:
        return whole(text, highlight)
    start, end = highlight or (0, 0)
    spare = max(0, EXCERPT_CHARACTERS - (end - start))
    first = min(max(0, start - spare // 2), max(0, len(text) - EXCERPT_CHARACTERS))
    last = min(len(text), max(end, first + EXCERPT_CHARACTERS))
    first = _word_start(text, first, latest=start)
    last = _word_end(text, last, earliest=end)
    return Excerpt(
        text[first:start],
        text[start:end],
        text[end:last],
        is_cut_before=first > 0,
        is_cut_after=last < len(text),
    )


def reason(evidence: Evidence) -> str:
    """Return in one line why a passage stands where it does."""
    parts = []
    if evidence.similarity:
        parts.append(_("meaning %(percent)d %%") % {"percent": round(100 * max(0.0, evidence.similarity))})
    if percent := round(100 * evidence.term_share):
        parts.append(_("rare words %(percent)d %%") % {"percent": percent})
    parts.append(_("language of the question") if evidence.is_own_language else _("another language"))
    return " · ".join(parts)


def language_name(code: str) -> str:
    """Return what the current language of the pages calls a language; its code where it is unknown."""
    if code not in SUPPORTED_LANGUAGES:
        return code
    page_locale = Locale.parse(to_locale(get_language() or "en"))
    name: str = page_locale.languages.get(code.replace("-", "_"), SUPPORTED_LANGUAGES[code].name)
    return name


def native_name(code: str) -> str:
    """Return what its speakers call a language; its code where it is unknown."""
    return SUPPORTED_LANGUAGES[code].native_name if code in SUPPORTED_LANGUAGES else code


def kind_name(kind: str) -> str:
    """Return what people call a type of file."""
    names = {"markdown": "Markdown", "text": _("Text")}
    return names.get(kind, kind.upper())


def language_choices(codes: Iterable[str]) -> list[tuple[str, str]]:
    """Return ``(code, native name)`` of the known languages among the codes, by name."""
    known = [SUPPORTED_LANGUAGES[code] for code in codes if code in SUPPORTED_LANGUAGES]
    return [(language.code, language.native_name) for language in sorted(known, key=lambda known: known.name)]


def html_language(code: str) -> str:
    """Return the value of the ``lang`` attribute: empty, which means unknown, for an undetermined language."""
    return "" if code == UNDETERMINED else code


def text_direction(code: str) -> str:
    """Return the value of the ``dir`` attribute of a text in a language."""
    return SUPPORTED_LANGUAGES[code].direction if code in SUPPORTED_LANGUAGES else "auto"


@lru_cache(KEPT_FRAGMENTS)
def language_attributes(code: str) -> SafeString:
    """Return the ``lang`` and ``dir`` attributes of a text in a language."""
    return format_html('lang="{}" dir="{}"', html_language(code), text_direction(code))


def language_badge(code: str) -> SafeString:
    """Return a language's native name as a badge that the current language of the pages explains; empty for none."""
    return _language_badge(code, get_language()) if code and code != UNDETERMINED else SafeString("")


@lru_cache(KEPT_FRAGMENTS)
def _language_badge(code: str, _page_language: str | None) -> SafeString:
    return format_html(
        '<span class="badge badge-language" lang="{}" title="{}">{}</span>',
        html_language(code),
        language_name(code),
        native_name(code),
    )


def passage_url(document_id: uuid.UUID | str, ordinal: int) -> str:
    """Return the address of a passage on the page of its document."""
    page = _address("document", EXAMPLE_ID, get_script_prefix()).format(document_id)
    return f"{page}?passage={ordinal}#passage-{ordinal}"


def collection_url(slug: str) -> str:
    """Return the address of a collection."""
    return _address("collection", EXAMPLE_SLUG, get_script_prefix()).format(slug)


@lru_cache(KEPT_FRAGMENTS)
def _address(page: str, example: str, _script_prefix: str) -> str:
    """Return the address of a page with braces in place of the example.

    To look each of them up anew is a good part of rendering a page of hits.
    """
    return reverse(page, args=[example]).replace(example, "{}")


def generation_field(name: str) -> str:
    """Return what people call a field of an index generation."""
    return str(GENERATION_FIELDS[name])


def lane_name(lane: str) -> str:
    """Return what people call the means by which passages were found."""
    return str(LANE_NAMES[lane])


def regression_name(item: Regression) -> str:
    """Return in words what a new index does clearly worse."""
    if item.kind == "unmeasured":
        return _("no question could be asked, so nothing is known")
    if item.kind == "agreement":
        return _("the questions asked of late get quite other answers")
    values = {
        "lane": lane_name(item.lane),
        "set": item.set_name,
        "asked": language_name(item.asked) if item.asked else "",
        "found": language_name(item.found) if item.found else "",
    }
    if item.kind == "pair":
        text = _("%(lane)s: questions in %(asked)s, answers in %(found)s") % values
    else:
        text = _("%(lane)s: all questions together") % values
    return _("%(text)s (evaluation set %(set)s)") % {"text": text, "set": item.set_name} if item.set_name else text


def percent(share: float | None) -> str:
    """Return a share as a percentage; a dash where there is none."""
    return "–" if share is None else f"{share:.0%}"


def document_rows(documents: Sequence[Document]) -> list[DocumentRow]:
    """Return the documents with what their rows show; at most one query."""
    queue = _queue() if any(_is_in_queue(document) for document in documents) else []
    positions = {created_at: position for position, created_at in reversed(list(enumerate(queue)))}
    return [
        DocumentRow(
            document,
            positions.get(document.created_at, len(queue)) if _is_in_queue(document) else None,
            sentence(document.error_code) if document.error_code else "",
        )
        for document in documents
    ]


def _is_in_queue(document: Document) -> bool:
    return document.status == Document.Status.QUEUED and not document.error_code


def _queue() -> list[datetime]:
    waiting = Document.objects.filter(status=Document.Status.QUEUED, error_code="").order_by("created_at")
    return list(waiting.values_list("created_at", flat=True)[:MAX_COUNTED_QUEUE])


def _word_start(text: str, position: int, *, latest: int) -> int:
    """Return the first start of a word after the position, if there is one nearby."""
    if position == 0:
        return 0
    for candidate in range(position, min(position + CUT_SLACK_CHARACTERS, latest)):
        if text[candidate - 1].isspace():
            return candidate
    return position


def _word_end(text: str, position: int, *, earliest: int) -> int:
    """Return the last end of a word before the position, if there is one nearby."""
    if position == len(text):
        return position
    for candidate in range(position, max(position - CUT_SLACK_CHARACTERS, earliest), -1):
        if text[candidate].isspace():
            return candidate
    return position
