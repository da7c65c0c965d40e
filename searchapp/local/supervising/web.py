"""The address of the site: taken before anything is started, and kept while the web server restarts."""

import http.client
import os
import socket
from dataclasses import dataclass

from searchapp.local.supervising.folder import ServeError

# Connections that wait while the web server is restarted; what gunicorn itself would ask for.
BACKLOG = 2048
PROBE_TIMEOUT_S = 5.0
WILDCARDS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - recognised here, bound only when asked for


@dataclass(frozen=True, slots=True)
class WebAddress:
    """Name the address as given and as a browser on this machine reaches it."""

    host: str
    port: int

    @property
    def is_wildcard(self) -> bool:
        return self.host in WILDCARDS

    @property
    def reachable_host(self) -> str:
        return "127.0.0.1" if self.is_wildcard else self.host

    @property
    def url(self) -> str:
        host = self.reachable_host
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"


def listen(host: str, *, port: int) -> socket.socket:
    """Open the listening socket; port 0 takes a free one.

    Raises:
        ServeError: the address is taken or not this machine's.
    """
    is_ipv6 = ":" in host
    try:
        return socket.create_server(
            (host, port),
            family=socket.AF_INET6 if is_ipv6 else socket.AF_INET,
            backlog=BACKLOG,
            dualstack_ipv6=is_ipv6 and host in WILDCARDS and socket.has_dualstack_ipv6(),
        )
    except socket.gaierror as exc:
        raise _not_listening(host, port, str(exc.strerror)) from exc
    except OSError as exc:
        raise _not_listening(host, port, os.strerror(exc.errno or 0)) from exc
    except OverflowError as exc:
        raise _not_listening(host, port, "There is no such port") from exc


def _not_listening(host: str, port: int, reason: str) -> ServeError:
    return ServeError("address_unusable", f"The site cannot listen on {host} port {port}: {reason}.")


def answers_200(host: str, port: int, path: str, *, host_header: str = "localhost") -> bool:
    """Return whether the server gives this path with status 200.

    Proxies named in the environment are not for servers of this machine, so none is used.
    """
    connection = http.client.HTTPConnection(host, port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", path, headers={"Host": host_header})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
