# SPDX-License-Identifier: MIT
"""The subscriber: order, gaps and replays on top of a link.

The hub numbers the messages of a topic 1, 2, 3, ... within an epoch. What comes in order is handed
out at once. What comes early is held while the missing part is asked for, and what the hub does
not have any more becomes a Gap. `seen` remembers what is known to exist, so a message that is
dropped for want of room is not forgotten: it is asked for when there is room again.
"""

import collections
import logging
import random
import re
import secrets
import time
from typing import NamedTuple, Optional

import msgpack

from . import links

REPLAYED, GAP, RETAINED, DELTA, DURABLE = 1, 2, 4, 8, 16

_TOPIC = re.compile(rb"[a-z0-9._/-]{1,63}")
_HEADS = "core/heads"
_TOPICS_MAX = 16384  # topics that are followed
_ASKS_MAX = 4        # requests under way at a time
_ASK_COUNT = 1024    # messages of one request
_TRIES = 3           # repetitions without progress before messages are given up

_log = logging.getLogger("meshkern_bus")


class Message(NamedTuple):
    topic: str
    epoch: int
    seq: int
    time_us: int
    origin: str
    schema: int
    flags: int
    origin_seq: Optional[int]  # durable topics only
    body: dict


class Gap(NamedTuple):
    """Messages seq .. seq+lost-1 will not come.

    reason: "expired" (the hub has them no more), "unanswered" (it did not answer, or its answers
    were lost), "no-replay" (no address for requests), "superseded" (by a newer retained value),
    "restart" (the hub began a new epoch; if lost is None, nobody knows how many).
    """
    topic: str
    epoch: int
    seq: int
    lost: Optional[int]
    reason: str


class _Topic:
    __slots__ = ("name", "next", "seen", "held", "retained", "joining", "kept", "first", "tries",
                 "deadline")

    def __init__(self, name, following, retained):
        self.name, self.retained = name, retained
        self.next = following  # sequence to hand out next, 0 = not known yet
        self.seen = 0          # highest sequence known to exist
        self.held = {}         # early ones: sequence -> (message, size)
        self.joining = retained and not following  # its retained value is awaited,
        self.kept = 0                              # has come up to this sequence
        self.first = self.tries = self.deadline = 0  # of the request under way

    def hole(self, limit):
        """(first, end) of the missing range at `next`; None if nothing is missing."""
        if not self.next or self.next > self.seen:
            return None
        stop = min(self.seen + 1, self.next + limit)
        while stop - 1 in self.held:
            stop -= 1
        return self.next, stop


class Bus:
    """Iterate over it: Message and Gap, in order per topic. For one thread at a time.

    topics     names, or subtrees that end in "/"; none: everything
    requests   address for replays; None: where the hub has it by default; "": do without
    retained   topics and subtrees whose retained value is wanted at the beginning, besides the
               topics that `topics` names
    since      what position() gave: go on from there
    tls        for tls+tcp:// and wss://: an SSLContext, or a dict of ca, cert, key, server_name
    silence    seconds without a message after which the link is taken for dead
    """

    def __init__(self, url, requests=None, topics=(), *, since=None, tls=None, client=None,
                 retained=("snapshot/", "backfill/progress", "core/plugins"),
                 max_message=64 << 20, max_held=65536, max_held_bytes=64 << 20,
                 reply_timeout=2.0, connect_timeout=5.0, max_backoff=10.0, silence=30.0):
        links.check_url(url)
        self._url = url
        self._requests = links.default_requests(url) if requests is None else requests
        if self._requests:
            links.check_url(self._requests)
        self._client = client or "py-" + secrets.token_hex(8)
        names = [topics] if isinstance(topics, str) else list(topics)
        if not all(_TOPIC.fullmatch(n.encode()) for n in names):
            raise ValueError("topics %r" % names)
        self._subtrees = tuple(n for n in names if n.endswith("/")) if names else ("",)
        self._exact = frozenset(n for n in names if not n.endswith("/"))
        self._retained = retained
        self._mine = b"~%s/" % self._client.encode()
        self._prefixes = tuple([n.encode() for n in self._subtrees] + [_HEADS.encode() + b" "]
                               + [n.encode() + b" " for n in self._exact] + [self._mine])
        is_tls = any(u and u.startswith(("tls", "wss")) for u in (url, self._requests))
        self._link_options = dict(
            tls=links.tls_context(tls) if is_tls else None, timeout=connect_timeout,
            server_name=tls.get("server_name") if isinstance(tls, dict) else None,
            max_message=max_message)
        self._max_held, self._max_held_bytes = max_held, max_held_bytes
        self._reply_timeout, self._max_backoff = reply_timeout, max_backoff
        self._silence, self._closed = silence, False
        self._link = self._push = None
        self._backoff, self._retry_at, self._push_retry_at = 0.1, 0.0, 0.0
        self._connected_at = self._heard_at = 0.0
        self._ready = collections.deque()
        self._topics, self._names = {}, {}
        self._wanting, self._asks = {}, {}  # topics to be asked about, being asked about
        self._held = self._held_bytes = 0
        self._epoch = None
        self._from_one = False  # topics not heard of yet begin at 1
        self.stats = dict.fromkeys(
            ("received", "malformed", "duplicates", "put_off", "untracked", "gaps", "lost",
             "requests", "request_errors", "connects", "disconnects", "restarts"), 0)
        if since:
            self._epoch, self._from_one = since[0], True
            for name, seq in list(since[1].items())[:_TOPICS_MAX]:
                self._track(name).next = seq + 1

    # ------------------------------------------------------------ for the user

    def __iter__(self):
        while (item := self.get()) is not None:
            yield item

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def get(self, timeout=None):
        """The next Message or Gap; None when the time is up or the bus is closed."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self._ready and not self._closed:
            self._step(end)
            if end is not None and time.monotonic() >= end:
                break
        return self._ready.popleft() if self._ready and not self._closed else None

    @property
    def backlog(self):
        """How many items get() has at hand."""
        return len(self._ready)

    def position(self):
        """How far the items handed out go, for `since` of a later Bus: (epoch, {topic: seq})."""
        epoch = self._ready[0].epoch if self._ready else self._epoch
        seqs = {}
        if epoch == self._epoch:
            seqs = {t.name: t.next - 1 for t in self._topics.values() if t.next}
        for item in reversed(self._ready):
            if item.epoch == epoch and not (isinstance(item, Message) and item.flags & RETAINED):
                seqs[item.topic] = item.seq - 1
        return epoch, seqs

    def close(self):
        self._closed = True
        for link in filter(None, (self._link, self._push)):
            link.close()

    # ------------------------------------------------------------- the links

    def _step(self, end):
        """Do what is due, then read once or wait: a second at most, and not beyond `end`."""
        now = time.monotonic()
        wake = now + 1 if end is None else min(now + 1, end)
        try:
            if not self._link:
                if now < self._retry_at:
                    time.sleep(max(0, min(wake, self._retry_at) - now))
                    return
                self._connect()
            self._pump(now)
            messages = self._link.receive()
            if messages is None and not self._ready:
                if now - self._heard_at > self._silence:
                    raise ConnectionError("silent for %d s" % self._silence)
                self._link.wait(min([wake] + [t.deadline for t in self._asks.values()]) - now)
            elif messages is not None:
                self._heard_at = now
                self.stats["received"] += len(messages)
                for data in messages:
                    self._take(data)
        except (OSError, ValueError) as error:
            if not self._closed:
                self._disconnect(error)

    def _connect(self):
        self._link = links.open_link(self._url, links.SUB, self._prefixes, **self._link_options)
        self.stats["connects"] += 1
        self._connected_at = self._heard_at = time.monotonic()
        if self._epoch is None:
            for name in self._exact.difference(self._topics):
                self._track(name)
        self._ask_anew()
        if self._requests:
            self._request(_HEADS, 0, 1)  # a hub that retains it spares us a wait

    def _disconnect(self, error):
        now = time.monotonic()
        if self._link:
            self._link.close()
            self._link = None
            self.stats["disconnects"] += 1
            if now - self._connected_at > self._max_backoff:
                self._backoff = 0.1
        self._retry_at = now + self._backoff * random.uniform(0.5, 1)
        self._backoff = min(2 * self._backoff, self._max_backoff)
        _log.warning("%s: %s", self._url, error)

    def _request(self, topic, first, count):
        """Send a request; if that fails, the missing answer has it repeated."""
        self.stats["requests"] += 1
        now = time.monotonic()
        try:
            if self._push:
                self._push.receive()  # notices that the other side has gone
            elif now < self._push_retry_at:
                return
            else:
                self._push = links.open_link(self._requests, links.PUSH, **self._link_options)
            self._push.send(msgpack.packb({"do": "replay", "client": self._client, "topic": topic,
                                           "from": first, "n": count}))
        except (OSError, ValueError) as error:
            self.stats["request_errors"] += 1
            _log.warning("%s: %s", self._requests, error)
            self._push_retry_at = time.monotonic() + 1
            if self._push:
                self._push.close()
                self._push = None

    # ------------------------------------------------------------- messages

    def _decode(self, data):
        """(message, is it an answer), or None if it is for someone else; raises if malformed."""
        space = data.index(b" ", 0, 128)
        raw = bytes(data[:space])
        name = self._names.get(raw)
        if name is None:
            is_answer = raw.startswith(self._mine)
            if raw.startswith(b"~") and not is_answer:
                return None
            short = raw[len(self._mine):] if is_answer else raw
            if not _TOPIC.fullmatch(short):
                raise ValueError("topic")
            name = short.decode(), is_answer
            if len(self._names) < 2 * _TOPICS_MAX:
                self._names[raw] = name
        with memoryview(data)[space + 1:] as packed:
            if len(packed) > 4096:
                # Before anything is allocated: are the declared counts backed by bytes?
                scan = msgpack.Unpacker(max_buffer_size=len(packed))
                scan.feed(packed)
                scan.skip()
            header, body = msgpack.unpackb(packed)[:2]
        version, epoch, seq, time_us, origin, schema, flags = header[:7]
        origin_seq = header[7] if flags & DURABLE else 0
        if not (version == 1 and type(epoch) is type(seq) is type(time_us) is type(schema) is int
                and type(flags) is type(origin_seq) is int and type(origin) is str
                and type(body) is dict and epoch >= 0 and seq >= 0 and (seq or name[1])):
            raise ValueError("header")
        return Message(name[0], epoch, seq, time_us, origin, schema, flags,
                       origin_seq if flags & DURABLE else None, body), name[1]

    def _take(self, data):
        try:
            found = self._decode(data)
        except Exception:  # of a dozen kinds; a bad message must never do harm
            self.stats["malformed"] += 1
            return
        if not found:
            return
        m, is_answer = found
        if m.epoch != self._epoch:
            self._begin_epoch(m.epoch)
        if is_answer:
            self._answer(m, len(data))
        else:
            self._live(m, len(data))

    def _live(self, m, size):
        if m.topic == _HEADS:
            self._learn_heads(m.body)
            if not self._wanted(_HEADS):
                return
        t = self._topics.get(m.topic) or self._track(m.topic)
        if t is None:
            self._ready.append(m)
            return
        t.next = t.next or m.seq
        self._place(t, m, size)

    def _place(self, t, m, size):
        if m.seq > t.seen:
            t.seen = m.seq
        if m.seq < t.next or m.seq in t.held:
            self.stats["duplicates"] += 1
        elif m.seq == t.next and not t.joining:
            self._ready.append(m)
            t.next += 1
            if t.held:
                self._drain(t)
        elif self._held < self._max_held and self._held_bytes + size <= self._max_held_bytes:
            t.held[m.seq] = m, size
            self._held += 1
            self._held_bytes += size
        else:
            self.stats["put_off"] += 1
        if t.next <= t.seen:
            self._repair(t)

    def _release(self, t, seq):
        """Take an early message out of hold; None if it is not there."""
        m, size = t.held.pop(seq, (None, 0))
        if m:
            self._held -= 1
            self._held_bytes -= size
        return m

    def _drain(self, t):
        while m := self._release(t, t.next):
            self._ready.append(m)
            t.next += 1

    # ------------------------------------------------- topics, heads and epochs

    def _wanted(self, topic):
        return topic in self._exact or topic.startswith(self._subtrees)

    def _track(self, name):
        if len(self._topics) >= _TOPICS_MAX:
            self.stats["untracked"] += 1
            return None
        retained = bool(self._requests) and (name in self._exact or any(
            name == r or r.endswith("/") and name.startswith(r) for r in self._retained))
        t = self._topics[name] = _Topic(name, int(self._from_one), retained)
        self._repair(t)
        return t

    def _learn_heads(self, body):
        heads = body.get("heads")
        if type(heads) is not dict:
            self.stats["malformed"] += 1
            return
        for name, seq in heads.items():
            if type(seq) is not int or seq < 0 or not self._wanted(name):
                continue
            t = self._topics.get(name) or self._track(name)
            if t:
                t.next = t.next or seq + 1
                t.seen = max(t.seen, seq)
                self._repair(t)
        self._from_one = True

    def _begin_epoch(self, epoch):
        if self._epoch is None:
            self._epoch = epoch
            return
        self.stats["restarts"] += 1
        self._from_one = True
        for t in self._topics.values():
            if t.next > 1 or 0 < t.next <= t.seen:
                self._lose(t, t.seen + 1, "restart")
                self._ready.append(Gap(t.name, self._epoch, t.next, None, "restart"))
                self.stats["gaps"] += 1
            t.next, t.seen, t.joining = 1, 0, False
        self._epoch = epoch
        self._ask_anew()

    def _ask_anew(self):
        """No answer will come to the requests under way."""
        waiting = list(self._asks.values())
        self._asks.clear()
        for t in waiting:
            t.tries = 0
            self._repair(t)

    # ------------------------------------------------------ gaps and replays

    def _gap(self, t, lost, reason):
        """The next `lost` messages are gone."""
        self.stats["gaps"] += 1
        self.stats["lost"] += lost
        self._ready.append(Gap(t.name, self._epoch, t.next, lost, reason))
        t.next += lost
        if t.retained and reason in ("expired", "unanswered"):
            t.joining, t.kept = True, 0  # a delta is worth nothing without what it changes

    def _lose(self, t, stop, reason):
        """What is missing before `stop` is gone for good; hand out the rest."""
        for seq in sorted(s for s in t.held if s < stop) + [stop]:
            if seq > t.next:
                self._gap(t, seq - t.next, reason)
            self._drain(t)

    def _repair(self, t):
        """See to it that the topic gets what it lacks."""
        if not self._requests:
            if 0 < t.next <= t.seen:
                self._lose(t, t.seen + 1, "no-replay")
        elif t.name not in self._asks and (t.joining or t.next <= t.seen):
            self._wanting[t.name] = t

    def _pump(self, now):
        """Send the requests that are due; repeat, or give up, what was not answered."""
        for t in list(self._asks.values()):
            if now < t.deadline:
                continue
            del self._asks[t.name]
            t.tries += 1
            if t.tries > (_TRIES if t.first else 1):
                t.tries = 0
                if not t.first:
                    self._joined(t)
                elif t.next <= t.seen:
                    self._lose(t, min(t.held, default=t.seen + 1), "unanswered")
            self._repair(t)
        while self._wanting and len(self._asks) < _ASKS_MAX:
            self._ask(self._wanting.pop(next(iter(self._wanting))), now)

    def _ask(self, t, now):
        hole = (0, 1) if t.joining else t.hole(_ASK_COUNT)
        if not hole:
            return
        t.first = hole[0]
        t.deadline = now + self._reply_timeout * 2 ** t.tries
        self._asks[t.name] = t
        self._request(t.name, t.first, hole[1] - t.first)

    def _answer(self, m, size):
        if m.topic == _HEADS and m.flags & RETAINED:
            self._learn_heads(m.body)
            return
        t = self._asks.get(m.topic)
        if not t:
            self.stats["duplicates"] += 1  # late: it was asked for again, or given up
        elif not m.flags & (GAP | REPLAYED):
            self._answered(t)
        else:
            t.deadline = time.monotonic() + self._reply_timeout * 2 ** t.tries
            lost = m.body.get("lost")
            if m.flags & RETAINED:
                self._take_retained(t, m)
            elif not t.first:
                pass  # of a topic that is not retained after all
            elif not m.flags & GAP:
                self._place(t, m, size)
            elif type(lost) is int and lost > 0 and m.seq <= t.next:
                self._lose(t, min(m.seq + lost, t.seen + 1), "expired")

    def _answered(self, t):
        """The hub has said all it has to say to the request under way."""
        if t.first and t.next == t.first <= t.seen:
            # Nothing of it arrived. The hub's queue may be full; leave it some time.
            t.deadline = time.monotonic() + 0.1 * 2 ** t.tries
            return
        del self._asks[t.name]
        t.tries = 0
        if not t.first:
            self._joined(t)
        self._repair(t)

    def _take_retained(self, t, m):
        if not t.joining or m.seq <= t.kept:
            self.stats["duplicates"] += 1
            return
        if 0 < t.next < m.seq:
            self._gap(t, m.seq - t.next, "superseded")
        t.kept = m.seq
        t.next = max(t.next, m.seq + 1)
        t.seen = max(t.seen, m.seq)
        self._ready.append(m)

    def _joined(self, t):
        """The retained value has come, or never will: go on with what came meanwhile."""
        t.joining = False
        for seq in [s for s in t.held if s < t.next]:
            self._release(t, seq)
        self._drain(t)
