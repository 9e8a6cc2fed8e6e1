"""Values and files that somebody may have damaged or forged."""

from __future__ import annotations

import os

# What may stand in JSON where a number, a word or an object is expected.
DAMAGED = (None, "x", [], {}, {"a": 1}, True, -1, 0, float("nan"), float("inf"), 10**400)


class Payload:
    """What an unpickled file could do: it makes a folder."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)
