"""What each of the doctor's findings means: what is wrong, how it shows, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from searchapp.embedding.doctor import Finding


@dataclass(frozen=True, slots=True)
class Remedy:
    """Three sentences in the current language."""

    what: str
    shows: str
    remedy: str


# How faults show, to people who do not know of them.
_DOWN = _("Uploads wait with the reason shown, and searches say that the service cannot be reached.")
_REFUSED = _("Documents fail or wait with the service's reason, and searches end in an error.")
_WRONG = _("Nothing fails, but searches find the wrong passages, or none.")
_WORSE = _("Nothing fails, but searches find worse than the model could.")
_LONG = _("The ends of long passages cannot be found, or documents with long passages fail.")
_HARMLESS = _("Nothing: the site does what is needed by itself.")
_RERANK = _("With a reranker like this the order of the results gets worse.")
_SITE_DOWN = _("Every page ends in an error.")
_WAITING = _("Uploads stay queued; search goes on with what is indexed.")
_NO_SEARCH = _("Searches end in an error, and uploads wait.")

Sentences = tuple[str | Promise, str | Promise, str | Promise]

_SENTENCES: Mapping[str, Sentences] = {
    # the way to a service
    "address_missing": (
        _("%(setting)s is not set."),
        _DOWN,
        _("Start the site with script/serve, or set %(setting)s=http://host:port/v1"),
    ),
    "address_invalid": (
        _("%(setting)s is no address: %(url)s"),
        _DOWN,
        _("Set %(setting)s to scheme, host and port, e.g. http://host:30000/v1"),
    ),
    "dns": (
        _("The name %(host)s is not known."),
        _DOWN,
        _("Correct the host in %(setting)s, or its entry in DNS. Try: getent hosts %(host)s"),
    ),
    "refused": (
        _("Nothing listens at %(url)s."),
        _DOWN,
        _("Start the service, or correct host and port in %(setting)s. In a container, localhost is the container."),
    ),
    "unreachable": (
        _("There is no way to %(host)s."),
        _DOWN,
        _("Check network and firewall between the site and %(host)s. Try: curl -m 5 %(url)s/models"),
    ),
    "timeout": (
        _("The service did not answer within %(seconds)s seconds."),
        _DOWN,
        _("See its log and its load. If it only is slow, raise EMBEDDING_TIMEOUT_S, and the timeouts of proxies."),
    ),
    "tls_on_plain_port": (
        _("%(setting)s says https, but the port speaks plain http."),
        _DOWN,
        _("Write http:// in %(setting)s, or name the port that speaks TLS."),
    ),
    "plain_on_tls_port": (
        _("%(setting)s says http, but the port speaks TLS."),
        _DOWN,
        _("Write https:// in %(setting)s."),
    ),
    "tls_certificate": (
        _("The certificate of %(host)s is not trusted."),
        _DOWN,
        _("Renew it, use the host name it was made for, or name its authority: SSL_CERT_FILE=/path/ca.pem"),
    ),
    "connection_broken": (
        _("The service ends the connection without an answer."),
        _DOWN,
        _("See its log: it may have crashed over the request, or the port may belong to another program."),
    ),
    "url_endpoint": (
        _("%(setting)s names the endpoint, not the service."),
        _REFUSED,
        _("Set %(setting)s=%(right)s"),
    ),
    "url_double_slash": (
        _("%(setting)s has a double slash."),
        _REFUSED,
        _("Set %(setting)s=%(right)s"),
    ),
    "url_without_v1": (
        _("%(setting)s lacks /v1 at its end."),
        _REFUSED,
        _("Set %(setting)s=%(right)s"),
    ),
    "url_wrong_path": (
        _("There is a server at %(host)s, but no such service at this path."),
        _REFUSED,
        _("Correct the path of %(setting)s; it usually is /v1, without more. Found to answer: %(right)s"),
    ),
    "url_redirect": (
        _("%(setting)s leads to a redirect."),
        _REFUSED,
        _("Set %(setting)s=%(right)s, where it leads to: a redirect can lose the key and the texts on the way."),
    ),
    "key_missing": (
        _("The service wants a key, and none is set."),
        _REFUSED,
        _("Set %(prefix)s_API_KEY to the key that the service was started with (SGLang: --api-key)."),
    ),
    "key_refused": (
        _("The service refuses the key."),
        _REFUSED,
        _("Set %(prefix)s_API_KEY to the key that the service was started with (SGLang: --api-key)."),
    ),
    "key_unsendable": (
        _("%(prefix)s_API_KEY has blanks, line ends or letters that no request can carry."),
        _REFUSED,
        _("Copy the key anew, without quotation marks and without what stands before and after it."),
    ),
    # what it serves
    "model_colon": (
        _("The model's name has a colon, which SGLang reads as base:adapter and refuses: %(model)s"),
        _REFUSED,
        _("Start SGLang with --served-model-name and a name without a colon, and set %(prefix)s_MODEL to it."),
    ),
    "model_not_served": (
        _("The service does not serve a model named %(model)s."),
        _REFUSED,
        _("Set %(prefix)s_MODEL to a name that it serves. It names: %(served)s"),
    ),
    "model_not_listed": (
        _("The service answers to the name %(model)s, but does not list it. It may be another model."),
        _WRONG,
        _("Set %(prefix)s_MODEL to a name that it lists: %(served)s"),
    ),
    "model_differs": (
        _("Asked for %(model)s, the service answers as %(served)s."),
        _WRONG,
        _("Set %(prefix)s_MODEL=%(served)s if that is the model you want; else see why the service takes another."),
    ),
    "not_embedding": (
        _("The server was not started for embeddings."),
        _REFUSED,
        _("Start it for them: SGLang with --is-embedding, vLLM with --task embed, llama.cpp with --embeddings."),
    ),
    "busy": (
        _("The service is too busy to answer."),
        _DOWN,
        _("Wait, lower WORKER_THREADS, or start a second one. SGLang: raise --max-queued-requests."),
    ),
    "server_error": (
        _("The service breaks over an ordinary request."),
        _REFUSED,
        _("See its log. Out of memory is the most frequent cause; SGLang: lower --mem-fraction-static."),
    ),
    "request_refused": (
        _("The service refuses an ordinary request."),
        _REFUSED,
        _("Its words are the evidence. Try: curl %(url)s/embeddings with the same model and key"),
    ),
    "answer_unreadable": (
        _("What answers is no embedding service: a web page, a login, or another kind of API."),
        _REFUSED,
        _("Correct %(setting)s, and look for a proxy in between that answers by itself."),
    ),
    # vectors
    "vector_count": (
        _("The service answers with another number of vectors than texts were sent."),
        _REFUSED,
        _("Update the service, or use another: this one drops or joins texts."),
    ),
    "vector_lengths": (
        _("Vectors in one answer have different lengths."),
        _REFUSED,
        _("Update the service, or use another. A router in front may mix two models: name one of them."),
    ),
    "vector_index": (
        _("The answer does not say which vector belongs to which text: indexes are missing, doubled or no numbers."),
        _REFUSED,
        _("Update the service, or use another: each vector has to carry the index of its text, from 0 on."),
    ),
    "vector_form": (
        _("Vectors are neither lists of numbers nor base64."),
        _REFUSED,
        _("Look for a proxy that rewrites answers, and for pooling turned off (llama.cpp: --pooling last, not none)."),
    ),
    "vector_not_finite": (
        _("Vectors hold numbers that are none (NaN or infinite)."),
        _REFUSED,
        _("Start the service in another number format (SGLang: --dtype bfloat16); check that the weights are whole."),
    ),
    "vector_zero": (
        _("Vectors are zero: the model knows nothing of some texts."),
        _REFUSED,
        _("Check that model and tokenizer belong together and are whole; otherwise use another model."),
    ),
    "vector_constant": (
        _("Unlike texts get the same vector."),
        _WRONG,
        _("Check that the texts reach the model, and that its weights are whole. Start the service anew."),
    ),
    "vector_random": (
        _("The same text gets another vector each time."),
        _WRONG,
        _("Check that the weights were loaded (no --load-format dummy), and that a router does not mix two models."),
    ),
    "vector_not_normalised": (
        _("Vectors come unnormalised, with lengths from %(smallest)s to %(largest)s."),
        _HARMLESS,
        _("Nothing."),
    ),
    "base64_differs": (
        _("Vectors asked for in base64, as the site does, are not the same as in plain numbers."),
        _WRONG,
        _("Update the service, or use another: base64 has to be little-endian float32."),
    ),
    "base64_unasked": (
        _("The service answers in base64 where plain numbers were asked for."),
        _HARMLESS,
        _("Nothing on this site, which asks for base64. Other users of the service may not read it."),
    ),
    "dimensions_too_large": (
        _("EMBEDDING_DIMENSIONS is %(wanted)s, the model gives %(given)s."),
        _REFUSED,
        _("Set EMBEDDING_DIMENSIONS=%(given)s or less; 0 takes all."),
    ),
    "dimensions_index": (
        _("The index holds vectors of %(indexed)s numbers, the settings and the model give %(given)s."),
        _REFUSED,
        _("Set EMBEDDING_MODEL and EMBEDDING_DIMENSIONS as they were, or index all documents again."),
    ),
    "dimensions_unsupported": (
        _("The service cannot shorten vectors to %(wanted)s numbers."),
        _HARMLESS,
        _("Nothing. SGLang shortens them with --json-model-override-args '{\"is_matryoshka\": true}'"),
    ),
    "dimensions_wrong": (
        _("Vectors shortened by the service to %(wanted)s numbers are not the beginnings of the long ones."),
        _HARMLESS,
        _("Nothing on this site, which shortens them itself. Other users of the service should not ask it to."),
    ),
    "order_shuffled": (
        _("The service answers in another order than the texts were sent in."),
        _WRONG,
        _("Update the service, or use another. Then index all documents again."),
    ),
    "batch_differs": (
        _("A text gets another vector among others than alone; cosine %(cosine)s."),
        _WRONG,
        _("Update the service, or use another: padding leaks into the vectors. Then index all documents again."),
    ),
    "batch_refused": (
        _("The service does not take %(items)s texts in one request."),
        _("Indexing is slower: the site halves each batch until the service takes it."),
        _(
            "Raise its limit to %(items)s or more (text-embeddings-inference: --max-client-batch-size, "
            "SGLang: --max-queued-requests)."
        ),
    ),
    # how texts are read
    "reference_differs": (
        _("The vectors are not those of %(reference)s: published scores are missed by %(difference)s."),
        _WRONG,
        _("Check that the service was given the right and whole model directory, and no other --model-path."),
    ),
    "pooling_mean": (
        _("The vector is a mean over the text, but this kind of model wants the state of its last token."),
        _WRONG,
        _("Set last-token pooling (SGLang --is-embedding, llama.cpp --pooling last), then index all documents again."),
    ),
    "end_token_missing": (
        _("Texts reach the model without their end token, whose state the vector has to be."),
        _WRONG,
        _("Use the model's own tokenizer.json, which adds <|endoftext|>; update the service if it does not use it."),
    ),
    "instruction_ignored": (
        _("The instruction of a query has no effect on its vector."),
        _WORSE,
        _("Look for a proxy or a prompt setting that takes it off: texts have to reach the model whole."),
    ),
    "instruction_on_documents": (
        _("The service adds an instruction to every text, documents too."),
        _WORSE,
        _("Turn its default prompt off: the site puts the instruction into queries itself. Then index all again."),
    ),
    "text_truncated": (
        _("Texts are cut in silence from about %(found)s tokens; the site sends up to %(wanted)s."),
        _LONG,
        _("Raise the service's limit (SGLang: --context-length, no --allow-auto-truncate), or lower CHUNK_TOKENS."),
    ),
    "context_small": (
        _("Texts fail from about %(found)s tokens; the site sends up to %(wanted)s."),
        _LONG,
        _("Raise the limit of the service (SGLang: --context-length), or lower CHUNK_TOKENS."),
    ),
    "long_text_cut": (
        _("Texts beyond about %(found)s tokens are cut in silence, end token included."),
        _HARMLESS,
        _("Nothing while texts stay shorter. SGLang refuses them instead without --allow-auto-truncate."),
    ),
    "long_text_breaks": (
        _("The service breaks over texts beyond about %(found)s tokens instead of refusing them."),
        _HARMLESS,
        _("Nothing while texts stay shorter. See its log, and set a context length that fits its memory."),
    ),
    # what vectors mean
    "meaning_absent": (
        _("Translations are not found: %(share)s of them came first, and chance is 0.17."),
        _WRONG,
        _("Check that the weights are those of a multilingual embedding model, and whole."),
    ),
    "language_unread": (
        _("The letters of these languages do not reach the model: %(languages)s."),
        _WRONG,
        _("Look for a proxy that spoils what is not ASCII; otherwise the model's tokenizer lacks them: use another."),
    ),
    "language_weak": (
        _("The model is weak in these languages: %(languages)s."),
        _WRONG,
        _("For these use a larger or another model, e.g. Qwen3-Embedding-4B; manage.py evaluate measures it."),
    ),
    "near_far_mixed": (
        _("Pairs that say the same are not nearer than pairs that do not."),
        _WRONG,
        _("Check that the weights are those of an embedding model, and whole."),
    ),
    "near_far_scale": (
        _("Near pairs go down to %(near)s and far ones up to %(far)s; articles expect 0.75 and 0.35."),
        _HARMLESS,
        _("Nothing: every model has a scale of its own, and the order is right."),
    ),
    "weights_changed": (
        _("Other weights answer to the name %(model)s than when the index was made; cosine %(cosine)s."),
        _WRONG,
        _("Serve the weights of before (SGLang: --revision pins them), or index all documents again."),
    ),
    "slow": (
        _("A question's vector takes %(seconds)s seconds."),
        _("Each search takes that long, and fails from ten seconds on."),
        _("Serve the model on a card, or a smaller one; see what else the machine does."),
    ),
    # rerankers
    "rerank_absent": (
        _("The server at %(url)s has no /rerank."),
        _RERANK,
        _("Correct RERANK_BASE_URL, or start a reranker: SGLang with Qwen3-Reranker, without --is-embedding."),
    ),
    "rerank_constant": (
        _("The reranker gives every document the same score."),
        _RERANK,
        _("Start it with its own chat template, and check its weights; or leave RERANK_BASE_URL unset."),
    ),
    "rerank_meaningless": (
        _("What answers is no reranker: it put %(right)s of %(cases)s right answers first."),
        _RERANK,
        _("Start a real one (SGLang: Qwen3-Reranker, without --is-embedding), or leave RERANK_BASE_URL unset."),
    ),
    "rerank_order": (
        _("The reranker's scores depend on the order of the documents."),
        _RERANK,
        _("Update it, or use another; or leave RERANK_BASE_URL unset."),
    ),
    # the site
    "database_unreachable": (
        _("The database does not answer."),
        _SITE_DOWN,
        _("Start it, and check DATABASE_URL."),
    ),
    "database_read_only": (
        _("The database takes no writing."),
        _("Pages open, but uploads and sign-ins fail."),
        _("Check disk and rights of the database, and that DATABASE_URL names no replica."),
    ),
    "migrations_missing": (
        _("The database is not up to date: %(count)s migrations are missing."),
        _("Some pages end in an error."),
        _("Run: manage.py migrate"),
    ),
    "sqlite_on_network": (
        _("The SQLite file is on a network file system (%(kind)s), whose locks cannot be relied on."),
        _("Sooner or later the database is damaged."),
        _("Put DATA_DIR on a local disk, or set DATABASE_URL to a PostgreSQL server."),
    ),
    "broker_unreachable": (
        _("The broker does not answer."),
        _WAITING,
        _("Start Redis, and check REDIS_URL. Nothing is lost: workers go on when it is back."),
    ),
    "broker_refused": (
        _("The broker refuses an ordinary request."),
        _WAITING,
        _("Its words are the evidence. Check password and number in REDIS_URL, and that it names no replica."),
    ),
    "broker_not_persistent": (
        _("Redis keeps nothing on disk."),
        _("After it was started anew, documents wait a minute longer; nothing is lost."),
        _("Start it with --appendonly yes"),
    ),
    "workers_absent": (
        _("No worker answers."),
        _WAITING,
        _("Start one: script/serve does, or docker compose up --detach worker. See its log if it ends."),
    ),
    "beat_absent": (
        _("Workers answer, but nothing has sent them to look after the site for %(seconds)s seconds."),
        _("What a worker left is not taken up again, and uploads during an outage stay queued."),
        _("Start it: script/serve does, or docker compose up --detach beat"),
    ),
    "documents_waiting": (
        _("%(count)s documents are waiting, the oldest for %(minutes)s minutes. Reason: %(reason)s"),
        _WAITING,
        _("Mend what the reason names. Without one: more workers (docker compose up --scale worker=3)."),
    ),
    "documents_failed": (
        _("%(count)s documents have failed: %(codes)s"),
        _("They cannot be found, or only in their last good version."),
        _("The page of their collection says why, and retries them: Documents, Failed."),
    ),
    "vector_store_unreachable": (
        _("The vector store does not answer."),
        _NO_SEARCH,
        _("Start Qdrant, and check QDRANT_URL: the REST port, usually 6333."),
    ),
    "vector_store_key_refused": (
        _("The vector store refuses the key."),
        _NO_SEARCH,
        _("Set QDRANT_API_KEY to the key that Qdrant was started with."),
    ),
    "vector_store_refused": (
        _("The vector store refuses an ordinary request."),
        _NO_SEARCH,
        _("Its words are the evidence. Check QDRANT_URL and the version of Qdrant."),
    ),
    "index_missing": (
        _("There are %(passages)s passages, but no index for them named %(name)s."),
        _("Searches find nothing until the workers have indexed all documents again, which they do by themselves."),
        _("Wait; or, if model or dimensions were changed by mistake, set them as they were."),
    ),
    "index_model_changed": (
        _("The index was made with %(model)s, which no configured service has."),
        _("Searches find by words alone, and documents wait."),
        _("Put EMBEDDING_MODEL back, or name the new model in NEXT_EMBEDDING_MODEL and run manage.py reindex."),
    ),
    "index_model_drifted": (
        _("Other weights answer to the name %(model)s than those that the index was made with."),
        _("Searches find by words alone, and documents wait."),
        _("Serve the former weights again, or run manage.py reindex to build the index anew with the present ones."),
    ),
    "index_incomplete": (
        _("The index holds %(points)s points for %(passages)s passages."),
        _("Some passages are not found."),
        _("Wait some minutes: workers mend it. If it stays, see the worker's log."),
    ),
    "disk_full": (
        _("The disk of the data folder has %(free)s MB left."),
        _("Uploads fail, and SQLite and the index stop taking anything."),
        _("Make room on the disk of DATA_DIR, or move it to a larger one."),
    ),
    "disk_low": (
        _("The disk of the data folder has %(free)s MB left."),
        _("Soon uploads fail."),
        _("Make room on the disk of DATA_DIR, or move it to a larger one."),
    ),
    "data_folder_read_only": (
        _("The data folder takes no writing."),
        _("Uploads fail."),
        _("Give the user of the site the right to write in DATA_DIR."),
    ),
    "clock_skew": (
        _("The clocks of this machine and of %(other)s are %(seconds)s seconds apart."),
        _("Work under way is taken for abandoned, and sign-ins end early."),
        _("Turn time synchronisation on, on both machines: timedatectl set-ntp true"),
    ),
}


def describe(finding: Finding) -> Remedy:
    """Return, in the current language, what a finding means, how it shows and what to do."""
    what, shows, remedy = _SENTENCES[finding.code]
    values = {
        name: ", ".join(value) if isinstance(value, list) else str(value)
        for name, value in finding.values.items()
        if value != ""
    }
    missing = _Blank(values)
    return Remedy(str(what) % missing, str(shows) % missing, str(remedy) % missing)


def known_codes() -> frozenset[str]:
    """Return every code that has sentences."""
    return frozenset(_SENTENCES)


class _Blank(dict[str, str]):
    """Give a dash for a value that a finding does not have."""

    def __missing__(self, name: str) -> str:
        return "–"
