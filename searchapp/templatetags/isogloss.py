"""Tags and filters that put values of the services into HTML."""

from functools import cache

from django import template
from django.template import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

from searchapp.services import generations
from searchapp.services.reasons import sentence
from searchapp.services.searching import Hit
from searchapp.web import presentation
from searchapp.web.presentation import Excerpt
from searchapp.web.themes import THEMES, current_theme

register = template.Library()

register.filter(presentation.language_name)
register.filter(presentation.native_name)
register.filter(presentation.html_language)
register.filter(presentation.language_attributes)
register.filter(presentation.language_badge)
register.filter(presentation.passage_url)
register.filter(presentation.collection_url)
register.filter(presentation.generation_field)
register.filter(presentation.lane_name)
register.filter(presentation.regression_name)
register.filter(presentation.percent)


@register.simple_tag(takes_context=True)
def theme(context: Context) -> str:
    """Return the theme that the visitor chose."""
    request = context.get("request")
    return current_theme(request) if request else THEMES[0]


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """Draw an icon of the sprite ``_icons.html``; it says nothing to screen readers."""
    return format_html('<svg class="icon" aria-hidden="true" focusable="false"><use href="#icon-{}"/></svg>', name)


@register.simple_tag
def index_problem() -> str:
    """Return what keeps the live index from answering or growing, for staff; or nothing."""
    live = generations.live_row()
    code = generations.problem_of(live) if live is not None else ""
    return sentence(code) if code else ""


@register.filter
def headline(hit: Hit) -> str:
    """Return what a hit is headed by: the question of a FAQ row, else the title of the document."""
    return hit.question.partition("\n")[0] or hit.title


@register.filter
def other_wordings(hit: Hit) -> str:
    """Return the similar wordings of a FAQ row's question, one a line."""
    return hit.question.partition("\n")[2]


@register.filter
def excerpt(hit: Hit) -> Excerpt:
    """Return the part of a hit's passage to show at first."""
    return presentation.excerpt(hit.text, hit.highlight)


@register.filter
def reason(hit: Hit) -> str:
    """Return in one line why a hit stands where it does."""
    return presentation.reason(hit.evidence)


@register.filter
def whole(hit: Hit) -> Excerpt:
    """Return a hit's whole passage."""
    return presentation.whole(hit.text, hit.highlight)
