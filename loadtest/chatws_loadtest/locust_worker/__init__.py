"""Load process: Locust users on the gevent client. Programs with an asyncio event loop must not import it.

Locust must be imported first: it patches the standard library, which has no effect on names imported before.
"""

import locust

LOCUST_VERSION = locust.__version__
