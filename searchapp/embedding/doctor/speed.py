"""How fast the service is, cold and warm, for a question and for a batch of passages."""

import statistics

from searchapp.embedding.doctor import samples
from searchapp.embedding.doctor.visit import Visit

QUERIES = 5
BATCH_ITEMS = 32
# A person waits for the vector of a question; the site's client gives up after ten seconds.
SLOW_QUERY_S = 3.0


def check_speed(visit: Visit) -> None:
    """Measure the time of a question and the tokens a second of passages."""
    queries = [visit.wire.embed([f"{text} {number}"]) for number, text in enumerate(samples.SENTENCES["en"][:QUERIES])]
    warm_s = statistics.median(answer.took_s for answer in queries)
    passages = [f"{samples.CONTEXTS[number % 4]} {number}" for number in range(BATCH_ITEMS)]
    batch = visit.wire.embed(passages)
    tokens = batch.prompt_tokens or sum(len(text) // 4 for text in passages)
    visit.measurements["query_ms"] = round(warm_s * 1000)
    visit.measurements["tokens_per_s"] = round(tokens / max(batch.took_s, 1e-6))
    visit.measurements["passages_per_s"] = round(BATCH_ITEMS / max(batch.took_s, 1e-6), 1)
    if warm_s > SLOW_QUERY_S:
        visit.find("slow", f"{warm_s:.1f} s", seconds=round(warm_s, 1))
