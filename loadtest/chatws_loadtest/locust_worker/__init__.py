"""The load process: Locust users on the lean client. Imported by nothing that has a server or an event loop of its own.

Locust comes first: it patches the standard library, which breaks whatever has already taken its parts from there.
"""

import locust

LOCUST_VERSION = locust.__version__
