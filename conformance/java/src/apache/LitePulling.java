package conformance;

import static conformance.Scenario.await;
import static conformance.Scenario.check;
import static conformance.Scenario.equal;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** The lite pull consumer: by subscription, and by assignment with seeking. */
final class LitePulling {
    private LitePulling() {}

    static void register(Harness harness) {
        harness.scenario("lite-pull-subscribe", LitePulling::subscribe);
        harness.scenario("lite-pull-assign-seek-commit", LitePulling::assign);
    }

    private static DefaultLitePullConsumer consumer(Scenario s, String group) {
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(group);
        s.configure(consumer);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setPullThreadNums(2);
        s.closeAtEnd(consumer::shutdown);
        return consumer;
    }

    private static Set<String> pollUntil(DefaultLitePullConsumer consumer, Set<String> expected) throws InterruptedException {
        Set<String> bodies = new TreeSet<>();
        await(Scenario.SOON, "polled " + expected.size() + " messages", () -> {
            for (MessageExt message : consumer.poll(200)) {
                bodies.add(Inbox.text(message));
            }
            return bodies.containsAll(expected);
        });
        return bodies;
    }

    private static void subscribe(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        for (int i = 0; i < 20; i++) {
            var message = Sending.message(s.topic(), "m" + i);
            message.setTags(i < 10 ? "TagA" : "TagB");
            Sending.send(producer, message);
        }
        DefaultLitePullConsumer consumer = consumer(s, s.group());
        consumer.setAutoCommit(false);
        consumer.subscribe(s.topic(), "TagA");
        consumer.start();
        equal(Sending.numbered("m", 10), pollUntil(consumer, Sending.numbered("m", 10)), "messages of TagA");
        Collection<MessageQueue> queues = consumer.fetchMessageQueues(s.topic());
        equal(4, queues.size(), "queues");
        consumer.commitSync();
        await(Scenario.SOON, "committed offsets in the store", () -> {
            long sum = 0;
            for (MessageQueue queue : queues) {
                sum += Math.max(0, consumer.committed(queue));
            }
            return sum >= 10;
        });
    }

    private static void assign(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        MessageQueue queue = Sending.send(producer, Sending.message(s.topic(), "m0")).getMessageQueue();
        for (int i = 1; i < 10; i++) {
            producer.send(Sending.message(s.topic(), "m" + i), queue);
        }
        DefaultLitePullConsumer consumer = consumer(s, s.group());
        consumer.setAutoCommit(false);
        consumer.start();
        consumer.assign(List.of(queue));
        // Everything first: the client may hand out what a pull brings that a seek overtook.
        equal(Sending.numbered("m", 10), pollUntil(consumer, Sending.numbered("m", 10)), "messages of the queue");
        consumer.seek(queue, 7);
        equal(Set.of("m7", "m8", "m9"), pollUntil(consumer, Set.of("m7", "m8", "m9")), "messages from offset 7");
        consumer.commitSync();
        await(Scenario.SOON, "committed offset 10", () -> consumer.committed(queue) == 10);

        consumer.seekToBegin(queue);
        equal(Sending.numbered("m", 10), pollUntil(consumer, Sending.numbered("m", 10)), "messages from the beginning");
        consumer.seekToEnd(queue);
        equal(10L, producer.send(Sending.message(s.topic(), "m10"), queue).getQueueOffset(), "offset after the end");
        List<String> after = new ArrayList<>(pollUntil(consumer, Set.of("m10")));
        equal(List.of("m10"), after, "messages from the end");

        long future = System.currentTimeMillis() + 600_000;
        equal(11L, consumer.offsetForTimestamp(queue, future), "offset of a time after all messages");
        equal(0L, consumer.offsetForTimestamp(queue, 0L), "offset of a time before all messages");
        check(consumer.isRunning(), "the consumer stopped");
    }
}
