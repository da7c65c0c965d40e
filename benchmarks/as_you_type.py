"""How soon results stand on the page of a running site while somebody types. Usage: --help.

In a real headless Chromium: from the moment the page asks, after its pause for the next key, to the moment
the results are in the page and laid out; beside it the server's own time of the same request.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu"]
DEMO_QUESTIONS = Path(__file__).parents[1] / "demo" / "queries.jsonl"
WARM_UP = 3
KEY_DELAY_MS = 20
GOAL_MS = 100

# Events of htmx; the answer counts once a frame with it has been painted.
WATCH = """
window.timings = [];
let typed = 0, asked = 0;
document.addEventListener("input", () => { typed = performance.now(); });
document.addEventListener("htmx:beforeRequest", () => { asked = performance.now(); });
document.addEventListener("htmx:afterSettle", () => requestAnimationFrame(() => setTimeout(() => {
  const request = performance.getEntriesByType("resource").filter((entry) => entry.name.includes("?q=")).at(-1);
  window.timings.push({
    pause: asked - typed,
    shown: performance.now() - asked,
    request: request.duration,
    server: Object.fromEntries(request.serverTiming.map((part) => [part.name, part.duration])),
  });
})));
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.as_you_type", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of the site, with the demo in it")
    parser.add_argument("--questions", type=int, default=40)
    options = parser.parse_args()
    texts = [json.loads(line)["text"] for line in DEMO_QUESTIONS.read_text(encoding="utf-8").splitlines()]
    count = min(options.questions + WARM_UP, len(texts))
    with sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        page = browser.new_page()
        page.add_init_script(WATCH)
        page.goto(options.url)
        timings = [_type(page, texts[place * len(texts) // count]) for place in range(count)][WARM_UP:]
        browser.close()
    _print(timings)


def _type(page: Page, text: str) -> dict[str, float]:
    """Type a question and return the times of the request that its last key led to."""
    box = page.locator("#query")
    box.fill("")
    box.press_sequentially(text, delay=KEY_DELAY_MS)
    page.wait_for_function(
        "(text) => new URL(location).searchParams.get('q') === text && window.timings.length", arg=text
    )
    timing = page.evaluate("window.timings.splice(0).at(-1)")
    server = sum(timing["server"].values())
    return {**{name: float(timing[name]) for name in ("pause", "request", "shown")}, "server": server}


def _print(timings: list[dict[str, float]]) -> None:
    print(f"{len(timings)} questions")
    print(f"{'ms':<42}{'p50':>8}{'p95':>8}")
    names = {
        "pause": "pause after the last key",
        "server": "the server's own time",
        "request": "the request",
        "shown": "from the request to results on the page",
    }
    for name, label in names.items():
        p50, p95 = np.percentile([timing[name] for timing in timings], [50, 95])
        print(f"{label:<42}{p50:>8.1f}{p95:>8.1f}")
    shown = np.array([timing["shown"] for timing in timings])
    pause = float(np.median([timing["pause"] for timing in timings]))
    print(f"within {GOAL_MS} ms: {np.mean(shown <= GOAL_MS):.0%}")
    print(f"share of the pause in what a person waits: {pause / (pause + float(np.median(shown))):.0%}")


if __name__ == "__main__":
    main()
