"""What stands in the log, and what must not."""

import logging

from django.test import RequestFactory

from searchapp.log import LineFormatter


def test_log_line_of_a_refused_request_keeps_the_question_to_itself() -> None:
    request = RequestFactory().get("/", {"q": "salary of Ms Meier"})
    record = logging.makeLogRecord(
        {"name": "django.request", "levelname": "WARNING", "msg": "Bad Request: /", "status_code": 400}
        | {"request": request}
    )

    line = LineFormatter().format(record)

    assert line.endswith("WARNING django.request: Bad Request: / status_code=400")
