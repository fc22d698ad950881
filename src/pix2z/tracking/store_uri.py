"""The address of a store, as it may be shown."""

import re
from urllib.parse import urlsplit, urlunsplit

__all__ = ["shown_uri"]


def shown_uri(uri: str) -> str:
    """Return the URI of a store without the password that it may hold."""
    parts = urlsplit(uri)
    query = re.sub(r"(^|&)password=[^&]*", "", parts.query)
    place = parts.netloc
    if parts.password is not None:
        place = f"{parts.username}@{place.rpartition('@')[2]}"
    if (place, query) == (parts.netloc, parts.query):
        return uri  # as it was written: urlunsplit would take the slashes of sqlite:////path
    return urlunsplit(parts._replace(netloc=place, query=query))
