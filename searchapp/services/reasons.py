"""What each error code means to a person, and what to do about it."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_SENTENCES: dict[str, str | Promise] = {
    # uploads
    "name_invalid": _("The file has no usable name. Rename it and upload it again."),
    "empty_file": _("The file is empty. Check that it was saved, and upload it again."),
    "file_too_large": _(
        "The file is larger than this site takes. Split it, or ask an administrator for a higher limit."
    ),
    "unsupported_type": _(
        "This type of file cannot be read. Upload Markdown, text, HTML, PDF, DOCX or a CSV with questions and answers."
    ),
    "type_mismatch": _("The content is not what the file's ending says. Give it the right ending, or export it again."),
    "language_unknown": _("This language code is not known. Leave it out to have the language found."),
    "tags_too_many": _("A document has at most 20 tags. Leave some out."),
    "tag_too_long": _("A tag has at most 50 characters. Shorten it, or put commas between several."),
    "upload_conflict": _("The same file was being uploaded elsewhere at this moment. Try again."),
    # reading
    "file_broken": _("The file is damaged and cannot be read. Open it in its program, save it anew and upload that."),
    "file_encrypted": _("The file is protected by a password. Save it without one and upload that."),
    "no_text": _("No text was found. A scanned document needs text recognition (OCR) before it is uploaded."),
    "parse_timeout": _("Reading the file took too long. Split it into smaller files."),
    "parse_memory": _("Reading the file took too much memory. Split it into smaller files."),
    "too_much_text": _("The file holds more text than one document may have. Split it into smaller files."),
    "faq_columns_needed": _(
        "Which columns hold the questions and the answers is not clear. Choose them on the document's page."
    ),
    "parser_unavailable": _("The part that reads files did not start. It is tried again by itself."),
    # services
    "embedding_not_configured": _(
        "No embedding service is set up. Start the site with script/serve, or set its address."
    ),
    "embedding_unreachable": _("The embedding service cannot be reached. It is tried again by itself."),
    "embedding_timeout": _("The embedding service did not answer in time. It is tried again by itself."),
    "embedding_busy": _("The embedding service is busy. It is tried again by itself."),
    "embedding_key_refused": _(
        "The embedding service refused the key. An administrator has to set EMBEDDING_API_KEY, then retry."
    ),
    "embedding_not_found": _(
        "The embedding service does not know the address or the model. "
        "An administrator has to check EMBEDDING_BASE_URL (it ends in /v1) and EMBEDDING_MODEL, then retry."
    ),
    "embedding_refused": _("The embedding service refused this text. An administrator finds its words in the details."),
    "embedding_answer_invalid": _(
        "The embedding service answered with vectors that cannot be right. "
        "An administrator has to check it, then retry."
    ),
    "embedding_dimensions": _(
        "The vectors have another length than expected. "
        "An administrator has to check EMBEDDING_DIMENSIONS and the model, then retry."
    ),
    "embedding_tokenizer": _(
        "The tokenizer cannot be read. An administrator has to check EMBEDDING_TOKENIZER, then retry."
    ),
    "vector_store_not_configured": _(
        "No vector store is set up. Start the site with script/serve, or set its address."
    ),
    "vector_store_unreachable": _("The vector store cannot be reached. It is tried again by itself."),
    "vector_store_unavailable": _("The vector store cannot serve now. It is tried again by itself."),
    "vector_store_key_refused": _("The vector store refused the key. An administrator has to set QDRANT_API_KEY."),
    "vector_store_refused": _("The vector store refused the request. An administrator finds its words in the details."),
    "index_dimensions": _(
        "The index holds vectors of another length. "
        "An administrator has to set EMBEDDING_DIMENSIONS or EMBEDDING_MODEL as they were, then retry."
    ),
    "ranking_file_invalid": _(
        "The file with the constants of ranking cannot be read. An administrator has to check RANKING_FILE."
    ),
    # generations of the index
    "index_model_changed": _(
        "The index was made with a model that no configured service has. Nothing is lost. An administrator puts the "
        "former EMBEDDING_MODEL back, or builds the index anew with manage.py reindex."
    ),
    "index_model_drifted": _(
        "Other weights answer to the name of the model that the index was made with. Nothing is lost. "
        "An administrator puts the former weights back, or builds the index anew with manage.py reindex."
    ),
    "generation_nothing_indexed": _("Nothing is indexed yet. The first document that is uploaded makes the index."),
    "generation_under_way": _("Another index is being built or waits to go live. Switch to it or give it up first."),
    "generation_service_faulty": _(
        "The service for the new index has faults, so none is built with it. "
        "manage.py doctor --url and --model say what they are and what to do."
    ),
    "generation_same": _("The settings are those of the live index, so there is nothing to build."),
    "generation_not_building": _("No index is being built at this moment."),
    "generation_not_paused": _("The build is neither paused nor failed."),
    "generation_not_candidate": _("There is no new index to give up."),
    "generation_not_built": _("The new index is not complete, so it cannot go live."),
    "generation_incomplete": _("The new index misses documents, so it cannot go live. It is being completed."),
    "generation_no_former": _("There is no former index to go back to."),
    "generation_no_report": _("The new index was not compared with the live one yet. Have the report made first."),
    "generation_regression": _(
        "The new index answers clearly worse than the live one. Read the report; if you want it all the same, say so."
    ),
    "generation_documents_failed": _(
        "Some documents could not be brought into the new index. See the details, then resume the build or give it up."
    ),
    "generation_switched": _("The index changed while the document was worked on. It is tried again by itself."),
    # indexing
    "worker_stopped": _(
        "The worker stopped several times while it worked on this document. Retry, or upload a smaller file."
    ),
    "internal_error": _(
        "Something went wrong on our side. An administrator finds the cause in the details and the log."
    ),
    # questions
    "query_empty": _("Type a question or a few words."),
    "query_too_long": _("The question is too long. Shorten it to at most 2,000 characters."),
    # collections
    "collection_exists": _("A collection with this short name exists already. Choose another."),
    "collection_invalid": _("The collection cannot be saved like this. Check the fields."),
}
_UNKNOWN = _("Something went wrong. An administrator finds the cause in the details.")


def sentence(code: str) -> str:
    """Return, in the current language, what an error code means and what to do about it."""
    return str(_SENTENCES.get(code, _UNKNOWN))


def known_codes() -> frozenset[str]:
    """Return every code that has a sentence."""
    return frozenset(_SENTENCES)
