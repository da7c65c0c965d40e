"""The errors that every room raises."""

import pickle

from searchapp.errors import PermanentError


def test_error_with_the_words_of_a_broken_service_keeps_what_a_database_takes() -> None:
    error = PermanentError("embedding_refused", "lost\x00 \ud83d!")
    assert error.detail == "lost\ufffd ?!"
    assert pickle.loads(pickle.dumps(error)).detail == error.detail  # noqa: S301 - our own bytes
