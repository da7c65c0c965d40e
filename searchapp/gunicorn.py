"""What every web server of the site is started with: ``gunicorn --config python:searchapp.gunicorn``."""

from gunicorn.http import message  # type: ignore[import-untyped]

worker_class = "gthread"
# One start of a process must fit in, on a slow and busy machine. It bounds no request: with threads
# the worker is alive while an upload of any length goes on.
timeout = 120
control_socket_disable = True
# A question travels in the address, where each of its characters takes up to 12 bytes (RFC 3986, UTF-8).
# What is longer than MAX_QUERY_CHARACTERS has to arrive to be refused in words. Gunicorn's own bound of
# 8,190 bytes, which 900 Chinese characters fill, is a constant.
limit_request_line = message.MAX_REQUEST_LINE = 128 * 1024
