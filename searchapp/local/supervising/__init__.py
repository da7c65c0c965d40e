"""Start the parts of a site on one machine, keep them running, and leave none behind.

`claim_data_folder` makes sure that one copy runs on a folder, `listen` takes the port, `plan_servers`
and `plan_site` describe the parts, and a `Supervisor` runs them. The order is that of
``manage.py serve``; the tests start the local servers through the same door.
"""

from searchapp.local.supervising.folder import ServeError, claim_data_folder, write_private
from searchapp.local.supervising.log import Log
from searchapp.local.supervising.parts import Servers, plan_examination, plan_seed, plan_servers, plan_site
from searchapp.local.supervising.supervisor import Part, Supervisor
from searchapp.local.supervising.web import WebAddress, listen

__all__ = [
    "Log",
    "Part",
    "ServeError",
    "Servers",
    "Supervisor",
    "WebAddress",
    "claim_data_folder",
    "listen",
    "plan_examination",
    "plan_seed",
    "plan_servers",
    "plan_site",
    "write_private",
]
