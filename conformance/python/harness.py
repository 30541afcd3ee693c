"""What every scenario needs: unique names, clients, and an inbox that can be waited for.

Waiting always has a condition and the scenario's deadline. Where the Python wrapper lacks a call that
its C library has, the library is called directly, and the place says why.
"""

import ctypes
import os
import threading
import time

from rocketmq.client import Message, Producer, PullConsumer, PushConsumer, RecvMessage, SendStatus
from rocketmq.ffi import MessageModel, _CConsumeStatus, _CMessageQueue, dll

NAMESRV = os.environ["NAMESRV_ADDR"]

# Poll interval of awaited conditions, in seconds.
TICK = 0.02

# The queues of a topic this client creates by sending.
QUEUES = 4

# Every client of the process: one that Python collects is destroyed, and then the library now and then
# aborts with boost::thread_interrupted.
_alive = []

_serial = [0]
_deadline = [0.0]


def set_deadline(seconds):
    _deadline[0] = time.monotonic() + seconds


def unique(name):
    """A topic, group or instance name no other run uses."""
    _serial[0] += 1
    return "py_%s_%d_%d" % (name, os.getpid(), _serial[0])


def check(holds, text):
    if not holds:
        raise AssertionError(text)


def until(holds, what):
    """Waits for the condition; `what` is the text, or gives it, when it never comes."""
    while not holds():
        check(time.monotonic() < _deadline[0], "not in time: %s" % (what() if callable(what) else what))
        time.sleep(TICK)


def numbered(prefix, count):
    return ["%s-%d" % (prefix, i) for i in range(count)]


def producer(**options):
    client = Producer(unique("producer"), **options)
    client.set_namesrv_addr(NAMESRV)
    # No wrapper for this one. Without a name of its own, clients of a process share a connection.
    dll.SetProducerInstanceName(client._handle, unique("instance").encode())
    client.start()
    _alive.append(client)
    return client


def message(topic, body, tags=None):
    built = Message(topic)
    built.set_body(body)
    if tags is not None:
        built.set_tags(tags)
    return built


def send_ok(client, built):
    """Sends; as often as it takes when the client has no route yet, which means that nothing was sent."""
    while True:
        try:
            result = client.send_sync(built)
            break
        except Exception as error:
            if "No route info" not in str(error) or time.monotonic() > _deadline[0]:
                raise
            time.sleep(TICK)
    check(result.status == SendStatus.OK, "send result %r" % (result,))
    return result


def send_texts(client, topic, texts):
    for text in texts:
        send_ok(client, message(topic, text))


class Taken:
    """A consumed message, copied: the library frees its own after the callback."""

    def __init__(self, received):
        self.body = received.body
        self.text = received.body.decode("utf-8", "replace")
        self.tags = received.tags.decode()
        self.keys = received.keys.decode()
        self.id = received.id
        self.queue_id = received.queue_id
        self.queue_offset = received.queue_offset
        self.store_size = received.store_size
        self.reconsume_times = received.reconsume_times
        self.born_timestamp = received.born_timestamp
        self.store_timestamp = received.store_timestamp
        self.at = time.monotonic()
        self._properties = {
            name: (received.get_property(name) or b"").decode()
            for name in ("colour", "a=b?", "属性", "RETRY_TOPIC")
        }

    def property(self, name):
        return self._properties[name]


class Inbox:
    """A started push consumer and what it was given, in the order of the calls."""

    def __init__(self, topic, group, tags="*", accept=lambda taken: True, orderly=False, broadcast=False):
        self.lock = threading.Lock()
        self.messages = []
        model = MessageModel.BROADCASTING if broadcast else MessageModel.CLUSTERING
        self.client = PushConsumer(group, orderly=orderly, message_model=model)
        self.client.set_namesrv_addr(NAMESRV)
        self.client.set_instance_name(unique("instance"))

        def take(_consumer, raw):
            taken = Taken(RecvMessage(raw))
            with self.lock:
                self.messages.append(taken)
            return (_CConsumeStatus.CONSUME_SUCCESS if accept(taken) else _CConsumeStatus.RECONSUME_LATER).value

        # Not PushConsumer.subscribe(): its callback raises through C, which arrives there as success,
        # so a refused message would never be retried.
        dll.Subscribe(self.client._handle, topic.encode(), tags.encode())
        self.client._register_callback(take)
        self.client.start()
        _alive.append(self.client)

    def all(self):
        with self.lock:
            return list(self.messages)

    def texts(self):
        return [taken.text for taken in self.all()]

    def missing(self, texts):
        got = set(self.texts())
        return [text for text in texts if text not in got]

    def await_texts(self, texts):
        """Waits until every text came at least once."""

        def what():
            missing = self.missing(texts)
            return "%d of %d messages not consumed, first %s" % (len(missing), len(texts), missing[0])

        until(lambda: not self.missing(texts), what)

    def await_exactly(self, texts):
        """The same, and nothing else and nothing twice."""
        self.await_texts(texts)
        check(len(self.all()) == len(texts), "consumed %s, want %d messages" % (self.texts(), len(texts)))

    def stop(self):
        self.client.shutdown()


def route_of(topic):
    """The number of queues the name server routes, 0 without a route."""
    reader = _reader()
    queues = ctypes.POINTER(_CMessageQueue)()
    count = ctypes.c_int()
    status = dll.FetchSubscriptionMessageQueues(
        reader._handle, topic.encode(), ctypes.pointer(queues), ctypes.pointer(count)
    )
    return count.value if status == 0 else 0


_readers = []


def _reader():
    """The consumer that only asks for routes, made when first needed."""
    if not _readers:
        _readers.append(pull_consumer())
    return _readers[0]


def pull_consumer():
    client = PullConsumer(unique("pull"))
    client.set_namesrv_addr(NAMESRV)
    client.start()
    _alive.append(client)
    return client
