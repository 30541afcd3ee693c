package conformance;

import static conformance.Scenario.await;
import static conformance.Scenario.check;
import static conformance.Scenario.equal;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Sending in every way, and what arrives of it. */
final class Sending {
    private Sending() {}

    static void register(Harness harness) {
        harness.scenario("sync-send", Sending::syncSend);
        harness.scenario("async-send", Sending::asyncSend);
        harness.scenario("oneway-send", Sending::onewaySend);
        harness.scenario("auto-created-topic", Sending::autoCreatedTopic);
        harness.scenario("vip-channel", Sending::vipChannel);
        harness.scenario("tags-keys-properties", Sending::tagsKeysProperties);
        harness.scenario("chinese-text", Sending::chineseText);
        harness.scenario("compressed-body", Sending::compressedBody);
        harness.scenario("body-of-4-mib", Sending::largestBody);
        harness.scenario("delay-level", Sending::delayLevel);
    }

    /** A message with a text as its body. */
    static Message message(String topic, String body) {
        return new Message(topic, body.getBytes(StandardCharsets.UTF_8));
    }

    /** Sends, checks that it is stored, and gives back the result. */
    static SendResult send(DefaultMQProducer producer, Message message) throws Exception {
        SendResult result = producer.send(message);
        equal(SendStatus.SEND_OK, result.getSendStatus(), "send status");
        return result;
    }

    /** The bodies {@code prefix0} to {@code prefix<count - 1>}. */
    static Set<String> numbered(String prefix, int count) {
        Set<String> bodies = new TreeSet<>();
        for (int i = 0; i < count; i++) {
            bodies.add(prefix + i);
        }
        return bodies;
    }

    private static void syncSend(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        Map<Integer, Long> next = new HashMap<>();
        for (int i = 0; i < 20; i++) {
            SendResult result = send(producer, message(s.topic(), "m" + i));
            check(result.getMsgId() != null && !result.getMsgId().isEmpty(), "no message id");
            check(result.getOffsetMsgId() != null && !result.getOffsetMsgId().isEmpty(), "no offset message id");
            int queue = result.getMessageQueue().getQueueId();
            long expected = next.getOrDefault(queue, 0L);
            equal(expected, result.getQueueOffset(), "offset in queue " + queue);
            next.put(queue, expected + 1);
        }
        equal(Set.of(0, 1, 2, 3), next.keySet(), "queues sent to");

        Inbox inbox = new Inbox();
        s.consume(s.group(), s.topic(), "*", inbox);
        inbox.awaitBodies(numbered("m", 20));
        equal(20, inbox.size(), "messages, each once");
    }

    private static void asyncSend(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        send(producer, message(s.topic(), "a0"));
        AtomicInteger stored = new AtomicInteger();
        ConcurrentLinkedQueue<Throwable> failures = new ConcurrentLinkedQueue<>();
        for (int i = 1; i < 100; i++) {
            producer.send(message(s.topic(), "a" + i), new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    if (result.getSendStatus() == SendStatus.SEND_OK) {
                        stored.incrementAndGet();
                    }
                }

                @Override
                public void onException(Throwable failure) {
                    failures.add(failure);
                }
            });
        }
        await(Scenario.SOON, "99 callbacks", () -> stored.get() + failures.size() == 99);
        check(failures.isEmpty(), "failures: " + failures);

        Inbox inbox = new Inbox();
        s.consume(s.group(), s.topic(), "*", inbox);
        inbox.awaitBodies(numbered("a", 100));
    }

    private static void onewaySend(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        for (int i = 0; i < 50; i++) {
            producer.sendOneway(message(s.topic(), "o" + i));
        }
        // The consumer finds a topic only once it exists.
        await(Scenario.SOON, "topic created by a one-way send", () -> !producer.fetchPublishMessageQueues(s.topic()).isEmpty());
        Inbox inbox = new Inbox();
        s.consume(s.group(), s.topic(), "*", inbox);
        inbox.awaitBodies(numbered("o", 50));
    }

    private static void autoCreatedTopic(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        Exception unknown = Scenario.thrown("route of an unknown topic", () -> producer.fetchPublishMessageQueues(s.topic()));
        check(unknown.toString().contains("Can not find"), "route of an unknown topic: " + unknown);
        send(producer, message(s.topic(), "first"));
        await(Scenario.SOON, "route of the created topic", () -> producer.fetchPublishMessageQueues(s.topic()).size() == 4);

        DefaultMQProducer narrow = s.stoppedProducer();
        narrow.setDefaultTopicQueueNums(2);
        narrow.start();
        send(narrow, message(s.topic("narrow"), "first"));
        await(Scenario.SOON, "two queues as the producer asked", () -> narrow.fetchPublishMessageQueues(s.topic("narrow")).size() == 2);

        Compat.createTopic(producer, s.topic("explicit"), 7);
        await(Scenario.SOON, "seven queues as created", () -> producer.fetchPublishMessageQueues(s.topic("explicit")).size() == 7);
    }

    private static void vipChannel(Scenario s) throws Exception {
        DefaultMQProducer producer = s.stoppedProducer();
        producer.setVipChannelEnabled(true);
        producer.start();
        check(producer.isSendMessageWithVIPChannel(), "the client does not use the VIP channel");
        send(producer, message(s.topic(), "through the other port"));

        Inbox inbox = new Inbox();
        s.consume(s.group(), s.topic(), "*", inbox);
        inbox.awaitBodies(Set.of("through the other port"));
    }

    private static void tagsKeysProperties(Scenario s) throws Exception {
        long before = System.currentTimeMillis();
        Message sent = new Message(s.topic(), "TagA", "k1 k2", "body".getBytes(StandardCharsets.UTF_8));
        sent.setFlag(17);
        sent.putUserProperty("colour", "red");
        sent.putUserProperty("spaced", " a b ");
        SendResult result = send(s.producer(), sent);

        Inbox inbox = new Inbox();
        s.consume(s.group(), s.topic(), "TagA", inbox);
        inbox.awaitBodies(Set.of("body"));
        MessageExt got = inbox.messages().get(0);
        equal(s.topic(), got.getTopic(), "topic");
        equal("TagA", got.getTags(), "tags");
        equal("k1 k2", got.getKeys(), "keys");
        equal(17, got.getFlag(), "flag");
        equal("red", got.getUserProperty("colour"), "user property");
        equal(" a b ", got.getUserProperty("spaced"), "user property with spaces");
        equal(result.getMsgId(), got.getMsgId(), "message id");
        equal(result.getQueueOffset(), got.getQueueOffset(), "queue offset");
        equal(result.getMessageQueue().getQueueId(), got.getQueueId(), "queue id");
        equal(0, got.getReconsumeTimes(), "reconsume times");
        check(got.getBornTimestamp() >= before, "born " + got.getBornTimestamp() + " before the send " + before);
        check(got.getStoreTimestamp() >= before, "stored " + got.getStoreTimestamp() + " before the send " + before);
        check(got.getBornHostString().startsWith("127.0.0.1"), "born host " + got.getBornHostString());
        check(got.getStoreHost().toString().contains("127.0.0.1"), "store host " + got.getStoreHost());
        check(got.getProperty("MIN_OFFSET") != null, "no MIN_OFFSET");
        check(got.getProperty("MAX_OFFSET") != null, "no MAX_OFFSET");
    }

    private static void chineseText(Scenario s) throws Exception {
        Message sent = new Message(s.topic(), "标签", "订单-42", "你好,世界 🚀".getBytes(StandardCharsets.UTF_8));
        sent.putUserProperty("颜色", "红色");
        sent.putUserProperty("emoji", "🀄");
        send(s.producer(), sent);

        Inbox all = new Inbox();
        s.consume(s.group("all"), s.topic(), "*", all);
        Inbox tagged = new Inbox();
        s.consume(s.group("tagged"), s.topic(), "标签", tagged);
        all.awaitBodies(Set.of("你好,世界 🚀"));
        tagged.awaitBodies(Set.of("你好,世界 🚀"));
        MessageExt got = tagged.messages().get(0);
        equal("标签", got.getTags(), "tags");
        equal("订单-42", got.getKeys(), "keys");
        equal("红色", got.getUserProperty("颜色"), "user property");
        equal("🀄", got.getUserProperty("emoji"), "property outside the basic plane");
    }

    private static void compressedBody(Scenario s) throws Exception {
        // Over 4 KiB and repetitive: the client compresses it, the server keeps it as it came.
        String body = "kerolox ".repeat(10_000);
        send(s.producer(), message(s.topic(), body));
        Inbox inbox = new Inbox();
        s.consume(s.group(), s.topic(), "*", inbox);
        await(Scenario.SOON, "the message", () -> inbox.size() == 1);
        MessageExt got = inbox.messages().get(0);
        equal(body, Inbox.text(got), "body");
        check(got.getStoreSize() < 10_000, "stored size " + got.getStoreSize() + " is not that of a compressed body");
    }

    private static void largestBody(Scenario s) throws Exception {
        int limit = 4 * 1024 * 1024;
        DefaultMQProducer producer = s.stoppedProducer();
        producer.setMaxMessageSize(limit + 1);
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        producer.start();
        byte[] body = new byte[limit];
        new Random(1).nextBytes(body);
        send(producer, new Message(s.topic(), body));

        Refusals.refused("4 MiB and a byte", 13, () -> producer.send(new Message(s.topic(), new byte[limit + 1])));
        send(producer, message(s.topic(), "the connection still works"));

        Inbox inbox = new Inbox();
        s.consume(s.group(), s.topic(), "*", inbox);
        await(Scenario.SOON, "both messages", () -> inbox.size() == 2);
        check(inbox.messages().stream().anyMatch(got -> Arrays.equals(body, got.getBody())), "4 MiB came back changed");
    }

    private static void delayLevel(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        send(producer, message(s.topic(), "at once"));
        Inbox inbox = new Inbox();
        s.consume(s.group(), s.topic(), "*", inbox);
        inbox.awaitBodies(Set.of("at once"));

        // The consumer waits at the end of the queues, so that arrival is delivery.
        long sentAt = System.currentTimeMillis();
        for (int level = 1; level <= 3; level++) {
            Message delayed = message(s.topic(), "level " + level);
            delayed.setDelayTimeLevel(level);
            send(producer, delayed);
        }
        boolean early = inbox.size() > 1;
        long seenAt = System.currentTimeMillis();
        check(!early || seenAt - sentAt >= 1_000, "delivered " + (seenAt - sentAt) + " ms after a send with 1 s of delay");
        inbox.awaitBodies(Set.of("at once", "level 1", "level 2", "level 3"));
        for (MessageExt got : inbox.messages()) {
            if (!Inbox.text(got).equals("at once")) {
                long waited = got.getStoreTimestamp() - got.getBornTimestamp();
                check(waited >= 1_000, Inbox.text(got) + " stored for its topic after " + waited + " ms");
                equal(s.topic(), got.getTopic(), "topic of a delayed message");
            }
        }
        MessageQueue last = send(producer, message(s.topic(), "after")).getMessageQueue();
        equal(s.topic(), last.getTopic(), "topic after delays");
    }
}
