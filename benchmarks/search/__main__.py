"""How long a search takes at a size, by part. Usage: python -m benchmarks.search --help."""

import argparse
from pathlib import Path

from benchmarks.fresh_site import set_up

DEMO = Path(__file__).parents[2] / "demo"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder to fill; used again, it is only topped up")
    parser.add_argument("--passages", type=int, default=10_000, help="how many there shall be")
    parser.add_argument("--texts", type=Path, default=DEMO, help="evaluation set with the texts and questions")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--only-fill", action="store_true")
    options = parser.parse_args()
    set_up(options.data_dir)
    from django.conf import settings

    from benchmarks.search import filling, measuring
    from searchapp.management.servers import servers_running
    from searchapp.services import evaluating

    texts = filling.base_texts(options.texts)
    with servers_running():
        vectors, standing = filling.prepare(texts)
        if "QDRANT_URL" in settings.GIVEN_ENVIRONMENT:
            filling.fill(texts, vectors, standing=standing, passage_count=options.passages)
    if "QDRANT_URL" not in settings.GIVEN_ENVIRONMENT:
        with filling.vector_store_within(settings.DATA_DIR / "vectors"):
            filling.fill(texts, vectors, standing=standing, passage_count=options.passages)
    if options.only_fill:
        return
    with servers_running():
        questions = list(dict.fromkeys(item.text for item in evaluating.load_set(options.texts).questions))
        step = max(1, len(questions) // (options.questions + measuring.WARM_UP))
        chosen = questions[::step][: options.questions + measuring.WARM_UP]
        print(f"{options.passages} passages, {len(chosen) - measuring.WARM_UP} questions")
        measuring.print_times(measuring.measure(chosen))


if __name__ == "__main__":
    main()
