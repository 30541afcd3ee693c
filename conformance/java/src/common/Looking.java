package conformance;

import static conformance.Scenario.await;
import static conformance.Scenario.check;
import static conformance.Scenario.equal;

import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Looking at what is stored: offsets of a queue, messages by id and by key. */
final class Looking {
    private Looking() {}

    static void register(Harness harness) {
        harness.scenario("queue-offsets", Looking::offsets);
        harness.scenario("view-message", Looking::view);
        harness.scenario("query-message", Looking::query);
    }

    private static void offsets(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        long before = System.currentTimeMillis();
        MessageQueue queue = null;
        for (int i = 0; i < 5; i++) {
            queue = producer.send(Sending.message(s.topic(), "m" + i), (queues, unused, arg) -> queues.get(0), null).getMessageQueue();
        }
        MessageQueue filled = queue;
        await(Scenario.SOON, "max offset 5", () -> producer.maxOffset(filled) == 5);
        equal(0L, producer.minOffset(queue), "min offset");
        equal(0L, producer.searchOffset(queue, before - 1_000), "offset of a time before all messages");
        equal(5L, producer.searchOffset(queue, System.currentTimeMillis() + 100_000), "offset of a time after all messages");

        long earliest = producer.earliestMsgStoreTime(queue);
        check(earliest >= before - 1_000 && earliest <= System.currentTimeMillis(), "earliest store time " + earliest);
        equal(0L, producer.searchOffset(queue, earliest), "offset of the earliest store time");

        MessageQueue empty = new MessageQueue(s.topic(), queue.getBrokerName(), (queue.getQueueId() + 1) % 4);
        equal(0L, producer.maxOffset(empty), "max offset of an empty queue");
        equal(0L, producer.minOffset(empty), "min offset of an empty queue");
        equal(0L, producer.searchOffset(empty, before), "offset by time in an empty queue");
    }

    private static void view(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        SendResult other = Sending.send(producer, Sending.message(s.topic(), "other"));
        SendResult sent = Sending.send(producer, Sending.message(s.topic(), "seen"));
        MessageExt byOffset = producer.viewMessage(s.topic(), sent.getOffsetMsgId());
        equal("seen", Inbox.text(byOffset), "message by offset id");
        equal(sent.getQueueOffset(), byOffset.getQueueOffset(), "queue offset");
        check(!sent.getOffsetMsgId().equals(other.getOffsetMsgId()), "two messages share an offset id");
        // The unique key travels through the index, which follows the log.
        await(Scenario.SOON, "message by unique key", () -> {
            MessageExt byKey = producer.viewMessage(s.topic(), sent.getMsgId());
            return byKey != null && Inbox.text(byKey).equals("seen");
        });
    }

    private static void query(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        long before = System.currentTimeMillis();
        for (int i = 0; i < 6; i++) {
            Sending.send(producer, new Message(s.topic(), "TagQ", "one" + i + " all", ("m" + i).getBytes()));
        }
        Sending.send(producer, new Message(s.topic("elsewhere"), "TagQ", "all", "elsewhere".getBytes()));
        long begin = before - 60_000;
        long end = before + 600_000;
        await(Scenario.SOON, "six messages by their common key", () ->
            bodies(producer.queryMessage(s.topic(), "all", 32, begin, end)).equals(Sending.numbered("m", 6)));
        equal(Set.of("m3"), bodies(producer.queryMessage(s.topic(), "one3", 32, begin, end)), "messages by one key");
        equal(2, bodies(producer.queryMessage(s.topic(), "all", 2, begin, end)).size(), "messages when two are asked for");
        Exception none = Scenario.thrown("query by an unknown key", () -> producer.queryMessage(s.topic(), "no-such-key", 32, begin, end));
        check(none.toString().contains("no message") || none.toString().contains("CODE: 208"), "query by an unknown key: " + none);
        Exception past = Scenario.thrown("query in the past", () -> producer.queryMessage(s.topic(), "all", 32, 0, before - 600_000));
        check(past.toString().contains("no message") || past.toString().contains("CODE: 208"), "query in the past: " + past);
    }

    private static Set<String> bodies(QueryResult result) {
        Set<String> bodies = new TreeSet<>();
        for (MessageExt message : result.getMessageList()) {
            bodies.add(Inbox.text(message));
        }
        return bodies;
    }
}
