"""Language matrices as SVG."""

from xml.etree import ElementTree

import pytest

from searchapp.metrics import Interval
from searchapp.services.evaluating import Difference, difference_svg, score_svg

SVG = "{http://www.w3.org/2000/svg}"


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def cells_of(svg: str) -> dict[str, tuple[ElementTree.Element, ElementTree.Element]]:
    groups = ElementTree.fromstring(svg).iter(f"{SVG}g")  # noqa: S314 - our own
    return {group.find(f"{SVG}text").text: (group.find(f"{SVG}rect"), group.find(f"{SVG}text")) for group in groups}


def difference(mean: float, *, low: float, high: float, answers: int = 30) -> Difference:
    return Difference(30, answers, 0.5, 0.5 + mean, Interval(mean, low, high), 1, 1, 28)


@pytest.mark.parametrize("value", [0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0])
def test_score_svg_number_can_be_read_on_its_colour(value: float) -> None:
    rect, text = cells_of(score_svg({("en", "de"): value}, title="A set"))[f"{value:.2f}"]
    lighter, darker = sorted((luminance(rect.get("fill")), luminance(text.get("fill"))), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_score_svg_higher_is_lighter_and_pairs_without_figures_are_left_out() -> None:
    cells = cells_of(score_svg({("en", "de"): 0.2, ("de", "en"): 0.9}, title="A set"))
    assert set(cells) == {"0.20", "0.90"}
    assert luminance(cells["0.90"][0].get("fill")) > luminance(cells["0.20"][0].get("fill"))


def test_score_svg_markup_in_names_is_text() -> None:
    svg = score_svg({("<en>", "de"): 0.5}, title='<script>"&')
    assert "<script>" not in svg
    assert '<script>"&' in {element.text for element in ElementTree.fromstring(svg).iter()}  # noqa: S314 - our own


def test_difference_svg_outlines_what_is_clear_and_colours_gain_and_loss_apart() -> None:
    svg = difference_svg(
        {
            ("en", "de"): difference(0.1, low=0.05, high=0.15),
            ("de", "en"): difference(-0.1, low=-0.3, high=0.1),
            ("de", "fr"): difference(-0.05, low=-0.06, high=-0.04, answers=3),
        },
        title="A set",
    )
    cells = cells_of(svg)
    assert {text for text, (rect, _text) in cells.items() if rect.get("stroke")} == {"+10.0"}
    blue, brown = cells["+10.0"][0].get("fill"), cells["-10.0"][0].get("fill")
    assert int(blue[5:], 16) > int(blue[1:3], 16)
    assert int(brown[1:3], 16) > int(brown[5:], 16)
