# SPDX-License-Identifier: MIT
"""Client of the meshkern bus; docs/events.md describes what it speaks.

    from meshkern_bus import Bus, Gap

    for item in Bus("ipc:///var/lib/meshkern/run/bus.ipc", topics=["rx/"]):
        if isinstance(item, Gap):
            print("lost", item)
        else:
            print(item.topic, item.seq, item.body)
"""

from .bus import DELTA, DURABLE, GAP, REPLAYED, RETAINED, Bus, Gap, Message

__all__ = ["Bus", "Message", "Gap", "REPLAYED", "GAP", "RETAINED", "DELTA", "DURABLE"]
