"""Language matrices as SVG: no script, no font of their own, colours that the colour-blind can tell apart."""

from collections.abc import Callable, Mapping
from html import escape

from searchapp.services.evaluating.comparing import Difference

Colour = tuple[int, int, int]

CELL_WIDTH = 52
CELL_HEIGHT = 30
LEFT = 96
TOP = 84
MARGIN = 16
LEAST_WIDTH = 420
# Cividis (Nuñez, Anderton and Renslow, Optimizing colormaps with consideration for color vision deficiency,
# PLOS ONE 2018) from its dark to its light end.
CIVIDIS: tuple[Colour, ...] = (
    (0, 34, 78),
    (53, 69, 108),
    (102, 105, 112),
    (148, 142, 119),
    (200, 184, 102),
    (254, 232, 56),
)
# Brown to blue through white: ColorBrewer's PuOr and RdBu ends, safe for the common colour blindnesses.
LOSS: Colour = (179, 88, 6)
EVEN: Colour = (255, 255, 255)
GAIN: Colour = (33, 102, 172)
# Differences below this never fill a cell with the full colour.
LEAST_SCALE = 0.05
# What would be shown as 0.0 is as good as nothing.
LEAST_SHOWN = 0.0005


def score_svg(cells: Mapping[tuple[str, str], float], *, title: str) -> str:
    """Draw scores in [0, 1] by language of the question and of the answer."""
    return _svg(
        cells,
        title=title,
        colour_of=lambda value: _between(CIVIDIS, min(1.0, max(0.0, value))),
        text_of=lambda value: f"{value:.2f}",
    )


def difference_svg(pairs: Mapping[tuple[str, str], Difference], *, title: str) -> str:
    """Draw differences, the clear ones with an outline."""
    means = {pair: difference.interval.mean for pair, difference in pairs.items()}
    scale = max([LEAST_SCALE, *(abs(mean) for mean in means.values())])
    clear = frozenset(pair for pair, item in pairs.items() if item.is_clear)
    return _svg(
        means,
        title=title,
        colour_of=lambda value: _between((LOSS, EVEN, GAIN), (value / scale + 1) / 2),
        text_of=lambda value: f"{100 * value:+.1f}" if abs(value) >= LEAST_SHOWN else "0",
        outlined=clear,
        note="In points of 100. Outlined: more than chance.",
    )


def _svg(
    cells: Mapping[tuple[str, str], float],
    *,
    title: str,
    colour_of: Callable[[float], Colour],
    text_of: Callable[[float], str],
    outlined: frozenset[tuple[str, str]] = frozenset(),
    note: str = "",
) -> str:
    asked = sorted({pair[0] for pair in cells})
    found = sorted({pair[1] for pair in cells})
    width = max(LEAST_WIDTH, LEFT + CELL_WIDTH * len(found) + MARGIN)
    height = TOP + CELL_HEIGHT * len(asked) + MARGIN + (20 if note else 0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="26" font-size="16" font-weight="600" fill="#111111">{escape(title)}</text>',
        f'<text x="{LEFT}" y="52" fill="#444444">answers in</text>',
        f'<text x="{MARGIN}" y="{TOP - 10}" fill="#444444">questions in</text>',
    ]
    for column, language in enumerate(found):
        x = LEFT + CELL_WIDTH * column + CELL_WIDTH // 2
        parts.append(f'<text x="{x}" y="{TOP - 10}" text-anchor="middle" fill="#111111">{escape(language)}</text>')
    for row, language in enumerate(asked):
        y = TOP + CELL_HEIGHT * row
        parts.append(f'<text x="{LEFT - 10}" y="{y + 20}" text-anchor="end" fill="#111111">{escape(language)}</text>')
        for column, other in enumerate(found):
            if (value := cells.get((language, other))) is None:
                continue
            x = LEFT + CELL_WIDTH * column
            colour = colour_of(value)
            is_outlined = (language, other) in outlined
            outline = ' stroke="#111111" stroke-width="2"' if is_outlined else ""
            weight = ' font-weight="700"' if is_outlined else ""
            parts.append(
                f"<g><title>{escape(language)} → {escape(other)}: {text_of(value)}</title>"
                f'<rect x="{x + 1}" y="{y + 1}" width="{CELL_WIDTH - 2}" height="{CELL_HEIGHT - 2}" '
                f'fill="{_hex(colour)}"{outline}/>'
                f'<text x="{x + CELL_WIDTH // 2}" y="{y + 20}" text-anchor="middle" '
                f'fill="{_readable_on(colour)}"{weight}>{text_of(value)}</text></g>'
            )
    if note:
        parts.append(f'<text x="{MARGIN}" y="{height - 12}" font-size="11" fill="#444444">{escape(note)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _between(colours: tuple[Colour, ...], place: float) -> Colour:
    """Return the colour at a place in [0, 1] of a scale."""
    position = place * (len(colours) - 1)
    lower = min(int(position), len(colours) - 2)
    share = position - lower
    first, second = colours[lower], colours[lower + 1]
    red, green, blue = (round(one + (other - one) * share) for one, other in zip(first, second, strict=True))
    return red, green, blue


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _readable_on(colour: Colour) -> str:
    """Return black or white, whichever contrasts more (WCAG 2.2, relative luminance)."""
    channels = [value / 255 for value in colour]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#ffffff"
