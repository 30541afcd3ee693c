"""The scenarios: one function each, named after its line of output.

Absent, because this client cannot: batch (see README.md), consume from last or timestamp, a choice of
the retry limit, admin, and a wrong queue or illegal topic (refused before anything is sent).
"""

import ctypes
import random
import sys
import threading
import time

from driver import say
from harness import (
    QUEUES,
    Inbox,
    check,
    dll,
    message,
    numbered,
    producer,
    pull_consumer,
    route_of,
    send_ok,
    send_texts,
    unique,
    until,
)

# What a group gets by default; this client offers no other limit.
RETRIES = 16


def send_sync():
    topic = unique("sync")
    client = producer()
    texts = numbered("sync", 8)
    for text in texts:
        result = send_ok(client, message(topic, text))
        check(len(result.msg_id) == 32 and result.offset >= 0, "send result %r" % (result,))
    Inbox(topic, unique("sync")).await_exactly(texts)


def send_async():
    topic = unique("async")
    client = producer()
    send_texts(client, topic, ["first"])  # Creates the topic; an asynchronous send does not wait for that.
    texts = numbered("async", 50)
    results, errors = [], []
    kept = [message(topic, text) for text in texts]  # The library reads them after the call returned.
    for built in kept:
        client.send_async(built, results.append, errors.append)
    until(lambda: len(results) + len(errors) == len(texts), lambda: "%d answers" % len(results))
    check(not errors, "asynchronous sends failed: %s" % errors[:1])
    Inbox(topic, unique("async")).await_texts(["first"] + texts)


def send_oneway():
    topic = unique("oneway")
    client = producer()
    send_texts(client, topic, ["first"])
    texts = numbered("oneway", 20)
    for text in texts:
        client.send_oneway(message(topic, text))
    Inbox(topic, unique("oneway")).await_exactly(["first"] + texts)


def round_trip(build, **options):
    """Sends the message to a new topic and returns it as consumed."""
    topic = unique("trip")
    client = producer(**options)
    send_ok(client, build(topic))
    inbox = Inbox(topic, unique("trip"))
    until(lambda: len(inbox.all()) == 1, "one message")
    return inbox.all()[0]


def keys_tags_properties():
    before = time.time() * 1000

    def build(topic):
        built = message(topic, "body", tags="TagA")
        built.set_keys("k1 k2")
        built.set_property("colour", "green")
        built.set_property("a=b?", "c d&e")
        return built

    got = round_trip(build)
    check(
        (got.tags, got.keys, got.property("colour"), got.property("a=b?")) == ("TagA", "k1 k2", "green", "c d&e"),
        "consumed %s" % vars(got),
    )
    check(got.id and got.born_timestamp > before - 1000 and got.store_timestamp > before - 1000, "%s" % vars(got))


def chinese_text():
    text = "你好，世界！訊息佇列 🚀"

    def build(topic):
        built = message(topic, text, tags="标签")
        built.set_keys("键")
        built.set_property("属性", "值：中文")
        return built

    got = round_trip(build)
    check(
        (got.text, got.tags, got.keys, got.property("属性")) == (text, "标签", "键", "值：中文"),
        "consumed %s" % vars(got),
    )


def compressed_body():
    """The client compresses bodies over 4 KiB; the server stores them as they came."""
    text = "compress me, 请压缩我. " * 3000
    got = round_trip(lambda topic: message(topic, text))
    check(got.text == text, "the body changed on its way")
    check(got.store_size < len(text) / 2, "stored in %d bytes: not compressed" % got.store_size)


def body_4_mib():
    """4 MiB is the largest body; one byte more is refused, and the next send works again.

    The client tries a refused message elsewhere, ends with "no route", and shows no response code.
    """
    limit = 4 << 20
    # The wrapper hands bodies around as C strings, so no byte may be zero.
    body = bytes(random.Random(7).choices(range(1, 256), k=limit))

    client = producer(max_message_size=2 * limit, timeout=10000)
    # Not in the wrapper, which would declare the argument types.
    dll.SetProducerCompressMsgBodyOverHowmuch(ctypes.c_void_p(client._handle), ctypes.c_int(2 * limit))
    topic = unique("big")
    send_ok(client, message(topic, body))
    inbox = Inbox(topic, unique("big"))
    until(lambda: len(inbox.all()) == 1, "the big message")
    check(inbox.all()[0].body == body, "the 4 MiB body changed on its way")

    try:
        result = client.send_sync(message(topic, body + b"x"))
    except Exception:
        send_ok(client, message(topic, "fine"))
    else:
        check(False, "4 MiB and a byte: accepted, %r" % (result,))


def delay_level():
    """Level 1 means one second, both in the default table and in a table of all ones."""
    topic = unique("delay")
    client = producer()
    send_texts(client, topic, numbered("fill", QUEUES))
    inbox = Inbox(topic, unique("delay"))
    inbox.await_texts(numbered("fill", QUEUES))
    built = message(topic, "later")
    built.set_delay_time_level(1)
    sent = time.monotonic()
    send_ok(client, built)
    inbox.await_exactly(numbered("fill", QUEUES) + ["later"])
    waited = inbox.all()[-1].at - sent
    # The server may round its deadline down to the timer's tick.
    check(0.9 <= waited < 10, "delivered after %.3f s, want 1 s" % waited)


def tag_filter():
    """All to one queue; its last message matches, so then everything before it was decided."""
    topic = unique("filter")
    client = producer()
    for tag in ["A", "C", "B", "C", "A", "Aa", "B"]:
        client.send_orderly(message(topic, "tag " + tag, tags=tag), 2)
    inbox = Inbox(topic, unique("filter"), tags="A || B")
    until(lambda: len(inbox.all()) >= 4, lambda: "two A and two B, got %s" % inbox.texts())
    check(sorted(inbox.texts()) == ["tag A", "tag A", "tag B", "tag B"], "A || B let through %s" % inbox.texts())


def pull():
    """Asks for offsets by itself, as stream readers do."""
    topic = unique("pull")
    client = producer()
    texts = numbered("pull", 20)
    send_texts(client, topic, texts)
    until(lambda: route_of(topic) == QUEUES, "a route")
    reader = pull_consumer()
    got = [received.body.decode() for received in reader.pull(topic, max_num=3)]
    check(sorted(got) == sorted(texts), "pulled %s" % got)


def consume_from_first():
    """A new group on a young topic sees everything, though this client prefers the last offset."""
    topic = unique("first")
    client = producer()
    send_texts(client, topic, numbered("old", 10))
    inbox = Inbox(topic, unique("first"))
    inbox.await_exactly(numbered("old", 10))
    send_texts(client, topic, numbered("new", 10))
    inbox.await_exactly(numbered("old", 10) + numbered("new", 10))


def resume_from_committed_offset():
    """A group that comes back goes on where it committed."""
    topic = unique("resume")
    group = unique("resume")
    client = producer()
    send_texts(client, topic, numbered("before", 12))
    inbox = Inbox(topic, group)
    inbox.await_exactly(numbered("before", 12))
    # The client commits in the background, every five seconds, and tells nobody.
    time.sleep(6)
    inbox.stop()
    send_texts(client, topic, numbered("after", 12))
    Inbox(topic, group).await_exactly(numbered("after", 12))


def rebalance():
    """Two members share the queues; when one leaves, the other gets its half; nothing is lost."""
    topic = unique("rebalance")
    group = unique("rebalance")
    client = producer()
    send_texts(client, topic, numbered("fill", 2 * QUEUES))
    one = Inbox(topic, group)
    two = Inbox(topic, group)
    sent = numbered("fill", 2 * QUEUES)

    def got():
        return set(one.texts()) | set(two.texts())

    def shares():
        """Sends a round that reaches every queue; the number of queues each member served."""
        texts = numbered(unique("round"), 2 * QUEUES)
        sent.extend(texts)
        send_texts(client, topic, texts)
        until(lambda: got().issuperset(texts), "a round of messages")
        return tuple(len({taken.queue_id for taken in member.all() if taken.text in texts}) for member in (one, two))

    until(lambda: shares() == (QUEUES // 2, QUEUES // 2), "half of the queues each")
    two.stop()
    until(lambda: shares() == (QUEUES, 0), "all queues with the one that stayed")
    check(got().issuperset(sent), "%d of %d messages consumed" % (len(got()), len(sent)))


def broadcasting():
    """Every member of a broadcast group gets every message."""
    topic = unique("broadcast")
    group = unique("broadcast")
    client = producer()
    send_texts(client, topic, numbered("fill", QUEUES))
    members = [Inbox(topic, group, broadcast=True) for _ in range(3)]

    # They start at the end, and when is not visible: probe until all serve all queues.
    def all_serve():
        send_texts(client, topic, ["probe"] * QUEUES)
        return all(len({taken.queue_id for taken in member.all()}) == QUEUES for member in members)

    until(all_serve, "three members that serve all queues")
    texts = numbered("broadcast", 20)
    send_texts(client, topic, texts)
    for member in members:
        member.await_texts(texts)
        check(sum(text.startswith("broadcast") for text in member.texts()) == len(texts), "something came twice")


def ordered():
    """Messages of one key stay in one queue and come in order, also when one is refused once."""
    keys, per_key, refused = 6, 20, "2/7"
    topic = unique("order")
    client = producer()
    for i in range(per_key):
        for key in range(keys):
            result = client.send_orderly(message(topic, "%d/%d" % (key, i)), key)
            check(result.status == 0, "send result %r" % (result,))

    seen = []

    def accept(taken):
        if taken.text == refused and not seen:
            seen.append(taken.text)
            return False
        return True

    inbox = Inbox(topic, unique("order"), orderly=True, accept=accept)
    wanted = keys * per_key + 1  # The refused one comes twice.
    until(lambda: len(inbox.all()) >= wanted, lambda: "%d of %d messages" % (len(inbox.all()), wanted))
    taken = inbox.all()
    check(inbox.texts().count(refused) == 2, "the refused message came %d times" % inbox.texts().count(refused))
    for key in range(keys):
        mine = [one for one in taken if one.text.startswith("%d/" % key)]
        check({one.queue_id for one in mine} == {key % QUEUES}, "key %d lies in several queues" % key)
        order = list(dict.fromkeys(one.text for one in mine))  # The repeated one counts once,
        check(order == ["%d/%d" % (key, i) for i in range(per_key)], "key %d came as %s" % (key, order))
        if key == 2:  # and was repeated before its successor.
            at = [one.text for one in mine].index(refused)
            check(mine[at + 1].text == refused, "the successor overtook the refused message")


def refuse_always(topic, group):
    """Sends a message to a group that refuses it; the group's inbox once the retries are used up."""
    client = producer()
    send_texts(client, topic, ["good"])

    def accept(taken):
        return taken.tags != "bad"

    # The group's heartbeat makes the server create its retry topic, but this client looks for new
    # routes only every 30 s. So the group shows up once, and starts again when the route is there.
    herald = Inbox(topic, group, accept=accept)
    herald.await_texts(["good"])
    until(lambda: route_of("%RETRY%" + group) == 1, "a route of the retry topic")
    herald.stop()

    inbox = Inbox(topic, group, accept=accept)
    bad = message(topic, "poison", tags="bad")
    bad.set_keys("poison-key")
    bad.set_property("colour", "red")
    send_ok(client, bad)

    def poisons():
        return [taken for taken in inbox.all() if taken.text == "poison"]

    until(lambda: len(poisons()) == 1 + RETRIES, lambda: "retries, got %d" % len(poisons()))
    return poisons()


def retry():
    """A refused message comes back with counted retries and all it carried."""
    poisons = refuse_always(unique("retry"), unique("retry"))
    counted = [taken.reconsume_times for taken in poisons]
    check(counted == list(range(1 + RETRIES)), "deliveries counted %s" % counted)
    for taken in poisons:
        check((taken.property("colour"), taken.keys) == ("red", "poison-key"), "a retry has %s" % vars(taken))


def dead_letter():
    """After the last retry the message lies in the dead-letter topic.

    This client's send-back has no originTopic; Java 5.3.3 answers the one that should end in the
    dead-letter topic with a NullPointerException. So this scenario is not for the reference server.
    """
    topic = unique("dead")
    group = unique("dead")
    refuse_always(topic, group)
    until(lambda: route_of("%DLQ%" + group) == 1, "a dead-letter topic")
    dead = Inbox("%DLQ%" + group, unique("undertaker"))
    dead.await_exactly(["poison"])
    letter = dead.all()[0]
    check(
        (letter.keys, letter.property("colour"), letter.property("RETRY_TOPIC")) == ("poison-key", "red", topic),
        "the dead letter has %s" % vars(letter),
    )


def kill_restart_under_load():
    """Everything answered with OK before, during and after a kill of the server is consumed."""
    topic = unique("kill")
    client = producer()
    send_texts(client, topic, numbered("fill", 2 * QUEUES))
    inbox = Inbox(topic, unique("kill"))
    answered = []
    stop = threading.Event()

    def sender(number):
        i = 0
        while not stop.is_set():
            text = "%d/%d" % (number, i)
            i += 1
            try:
                send_ok(client, message(topic, text))
                answered.append(text)
            except Exception:
                time.sleep(0.02)  # Nobody is there: do not spin.
            if i % 50 == 0:
                time.sleep(0.001)  # A load, not a flood.

    threads = [threading.Thread(target=sender, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(answered) >= 500, "500 answers before the kill")
    say("@kill-restart")
    line = sys.stdin.readline().strip()
    check(line == "@restarted", "the runner answered %r" % line)
    after = len(answered)
    until(lambda: len(answered) >= after + 500, lambda: "500 answers after the restart, got %d" % (len(answered) - after))
    stop.set()
    for thread in threads:
        thread.join(30)
    inbox.await_texts(list(answered))
    say("kill-restart: %d answered, %d consumed" % (len(answered), len(inbox.all())))
