package conformance;

import static conformance.Scenario.await;
import static conformance.Scenario.check;
import static conformance.Scenario.equal;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Groups of push consumers: filters, sharing, broadcasting, order, and where they begin. */
final class Grouping {
    /**
     * Clients rebalance every 20 s by themselves; faster than that it was the server's notification.
     */
    private static final int NOTIFIED = 15;

    private Grouping() {}

    static void register(Harness harness) {
        harness.scenario("ordered-send-and-consume", Grouping::ordered);
        harness.scenario("shared-group-rebalance", Grouping::sharedGroup);
        harness.scenario("broadcasting", Grouping::broadcasting);
        harness.scenario("tag-filter", Grouping::tagFilter);
        harness.scenario("consume-from-first", Grouping::fromFirst);
        harness.scenario("consume-from-last", s -> fromWhere(s, ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET));
        harness.scenario("consume-from-timestamp", s -> fromWhere(s, ConsumeFromWhere.CONSUME_FROM_TIMESTAMP));
        harness.scenario("resume-where-left", Grouping::resume);
    }

    /** The queues of the topic this consumer has now. */
    private static Set<MessageQueue> queuesOf(DefaultMQPushConsumer consumer, String topic) {
        Set<MessageQueue> queues = new HashSet<>();
        for (MessageQueue queue : consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet()) {
            if (queue.getTopic().equals(topic)) {
                queues.add(queue);
            }
        }
        return queues;
    }

    /** Creates a topic and waits until producers and consumers can see it. */
    private static void createTopic(DefaultMQProducer producer, String topic, int queues) throws Exception {
        Compat.createTopic(producer, topic, queues);
        await(Scenario.SOON, "route of " + topic, () -> producer.fetchPublishMessageQueues(topic).size() == queues);
    }

    private static void tagFilter(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        String[] tags = {"TagA", "TagB", "TagC", null};
        for (int i = 0; i < 20; i++) {
            var message = Sending.message(s.topic(), tags[i % 4] + i);
            if (tags[i % 4] != null) {
                message.setTags(tags[i % 4]);
            }
            Sending.send(producer, message);
        }
        Inbox two = new Inbox();
        s.consume(s.group("two"), s.topic(), "TagA || TagC", two);
        Inbox one = new Inbox();
        s.consume(s.group("one"), s.topic(), "TagB", one);
        Inbox all = new Inbox();
        s.consume(s.group("all"), s.topic(), "*", all);
        two.awaitBodies(Set.of("TagA0", "TagA4", "TagA8", "TagA12", "TagA16", "TagC2", "TagC6", "TagC10", "TagC14", "TagC18"));
        one.awaitBodies(Set.of("TagB1", "TagB5", "TagB9", "TagB13", "TagB17"));
        await(Scenario.SOON, "all 20", () -> all.size() == 20);
        equal(10, two.size(), "messages of two tags, each once");
    }

    private static void sharedGroup(Scenario s) throws Exception {
        int queues = 8;
        DefaultMQProducer producer = s.producer();
        createTopic(producer, s.topic(), queues);
        Inbox first = new Inbox();
        DefaultMQPushConsumer a = s.consume(s.group(), s.topic(), "*", first);
        await(Scenario.SOON, "the only consumer has all queues", () -> queuesOf(a, s.topic()).size() == queues);

        Inbox second = new Inbox();
        DefaultMQPushConsumer b = s.consume(s.group(), s.topic(), "*", second);
        await(NOTIFIED, "two consumers have four disjoint queues each", () -> {
            Set<MessageQueue> ofA = queuesOf(a, s.topic());
            Set<MessageQueue> ofB = queuesOf(b, s.topic());
            Set<MessageQueue> both = new HashSet<>(ofA);
            both.addAll(ofB);
            return ofA.size() == 4 && ofB.size() == 4 && both.size() == queues;
        });

        for (int i = 0; i < 80; i++) {
            Sending.send(producer, Sending.message(s.topic(), "m" + i));
        }
        await(Scenario.SOON, "80 messages at two consumers", () -> union(first, second).size() == 80);
        check(first.size() >= 30 && second.size() >= 30, "shares " + first.size() + " and " + second.size());
        equal(80, first.size() + second.size(), "messages, each once");
        Set<MessageQueue> ofB = queuesOf(b, s.topic());
        for (MessageExt message : second.messages()) {
            check(ofB.stream().anyMatch(queue -> queue.getQueueId() == message.getQueueId()),
                "queue " + message.getQueueId() + " consumed by who does not have it");
        }

        b.shutdown();
        await(NOTIFIED, "the one that stayed has all queues", () -> queuesOf(a, s.topic()).size() == queues);
        for (int i = 80; i < 120; i++) {
            Sending.send(producer, Sending.message(s.topic(), "m" + i));
        }
        await(Scenario.SOON, "120 messages in all", () -> union(first, second).size() == 120);
        // What the leaver had consumed it had also committed.
        equal(120, first.size() + second.size(), "messages, each once");
    }

    private static Set<String> union(Inbox a, Inbox b) {
        Set<String> bodies = new TreeSet<>(a.bodies());
        bodies.addAll(b.bodies());
        return bodies;
    }

    private static void broadcasting(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        createTopic(producer, s.topic(), 4);
        List<Inbox> inboxes = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Inbox inbox = new Inbox();
            DefaultMQPushConsumer consumer = s.pushConsumer(s.group());
            Compat.setBroadcasting(consumer);
            consumer.subscribe(s.topic(), "*");
            consumer.registerMessageListener(inbox);
            consumer.start();
            await(Scenario.SOON, "a broadcast consumer has all queues", () -> queuesOf(consumer, s.topic()).size() == 4);
            inboxes.add(inbox);
        }
        for (int i = 0; i < 20; i++) {
            Sending.send(producer, Sending.message(s.topic(), "m" + i));
        }
        for (Inbox inbox : inboxes) {
            inbox.awaitBodies(Sending.numbered("m", 20));
            equal(20, inbox.size(), "messages, each once");
        }
    }

    private static void ordered(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        createTopic(producer, s.topic(), 4);
        Map<String, List<Integer>> seen = new ConcurrentHashMap<>();
        AtomicBoolean suspended = new AtomicBoolean();
        // Two consumers, so that queues are locked, given up and locked by the other.
        for (int i = 0; i < 2; i++) {
            DefaultMQPushConsumer consumer = s.pushConsumer(s.group());
            consumer.subscribe(s.topic(), "*");
            consumer.registerMessageListener((MessageListenerOrderly) (batch, context) -> {
                for (MessageExt message : batch) {
                    String[] parts = Inbox.text(message).split(":");
                    if (parts[0].equals("key2") && parts[1].equals("5") && suspended.compareAndSet(false, true)) {
                        return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
                    }
                    seen.computeIfAbsent(parts[0], key -> new ArrayList<>()).add(Integer.parseInt(parts[1]));
                }
                return ConsumeOrderlyStatus.SUCCESS;
            });
            consumer.start();
        }
        for (int i = 0; i < 20; i++) {
            for (int key = 0; key < 8; key++) {
                producer.send(Sending.message(s.topic(), "key" + key + ":" + i),
                    (queues, message, arg) -> queues.get((Integer) arg % queues.size()), key);
            }
        }
        await(60, "160 ordered messages", () -> seen.values().stream().mapToInt(List::size).sum() >= 160);
        List<Integer> inOrder = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            inOrder.add(i);
        }
        for (int key = 0; key < 8; key++) {
            equal(inOrder, seen.get("key" + key), "order of key" + key);
        }
        check(suspended.get(), "no message was suspended");
    }

    private static void fromFirst(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        for (int i = 0; i < 10; i++) {
            Sending.send(producer, Sending.message(s.topic(), "m" + i));
        }
        Inbox inbox = new Inbox();
        s.consume(s.group(), s.topic(), "*", inbox);
        inbox.awaitBodies(Sending.numbered("m", 10));
    }

    /**
     * A group that never consumed starts a small new topic at its first message, whatever it asked
     * for: the server answers offset 0 as long as that message is in memory, so that a consumer
     * that starts moments after the first send misses nothing.
     */
    private static void fromWhere(Scenario s, ConsumeFromWhere where) throws Exception {
        DefaultMQProducer producer = s.producer();
        for (int i = 0; i < 10; i++) {
            Sending.send(producer, Sending.message(s.topic(), "m" + i));
        }
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = s.pushConsumer(s.group());
        consumer.setConsumeFromWhere(where);
        consumer.subscribe(s.topic(), "*");
        consumer.registerMessageListener(inbox);
        consumer.start();
        inbox.awaitBodies(Sending.numbered("m", 10));
        for (int i = 10; i < 15; i++) {
            Sending.send(producer, Sending.message(s.topic(), "m" + i));
        }
        inbox.awaitBodies(Sending.numbered("m", 15));
    }

    private static void resume(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        for (int i = 0; i < 10; i++) {
            Sending.send(producer, Sending.message(s.topic(), "old" + i));
        }
        Inbox before = new Inbox();
        DefaultMQPushConsumer first = s.consume(s.group(), s.topic(), "*", before);
        before.awaitBodies(Sending.numbered("old", 10));
        // Consumed is not yet removed from the client's cache; a shutdown commits what is.
        await(Scenario.SOON, "everything acknowledged by the listener", () ->
            first.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().values().stream()
                .allMatch(cached -> cached.getMsgCount().get() == 0));
        first.shutdown();
        for (int i = 0; i < 10; i++) {
            Sending.send(producer, Sending.message(s.topic(), "new" + i));
        }
        Inbox after = new Inbox();
        s.consume(s.group(), s.topic(), "*", after);
        after.awaitBodies(Sending.numbered("new", 10));
    }
}
