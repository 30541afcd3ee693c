package conformance;

import static conformance.Scenario.await;
import static conformance.Scenario.check;
import static conformance.Scenario.equal;

import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** The old pull consumer: every status a pull can have, long polling, and offsets by hand. */
final class Pulling {
    private Pulling() {}

    static void register(Harness harness) {
        harness.scenario("pull-statuses", Pulling::statuses);
        harness.scenario("pull-waits-for-a-message", Pulling::longPolling);
        harness.scenario("pull-commits-offsets", Pulling::commits);
    }

    /** Sends {@code count} messages {@code m0}, {@code m1}, ... to one queue and gives it back. */
    private static MessageQueue filled(Scenario s, DefaultMQProducer producer, int count) throws Exception {
        MessageQueue queue = null;
        for (int i = 0; i < count; i++) {
            Message message = new Message(s.topic(), i % 2 == 0 ? "even" : "odd", ("m" + i).getBytes());
            queue = producer.send(message, (queues, unused, arg) -> queues.get(0), null).getMessageQueue();
        }
        return queue;
    }

    private static void statuses(Scenario s) throws Exception {
        MessageQueue queue = filled(s, s.producer(), 10);
        DefaultMQPullConsumer consumer = s.pullConsumer(s.group());
        equal(4, consumer.fetchSubscribeMessageQueues(s.topic()).size(), "queues");

        PullResult found = consumer.pull(queue, "*", 2, 5);
        equal(PullStatus.FOUND, found.getPullStatus(), "status of a pull with messages");
        equal(7L, found.getNextBeginOffset(), "next offset");
        equal(0L, found.getMinOffset(), "min offset");
        equal(10L, found.getMaxOffset(), "max offset");
        Set<String> bodies = new TreeSet<>();
        for (MessageExt message : found.getMsgFoundList()) {
            bodies.add(Inbox.text(message));
        }
        equal(new TreeSet<>(Set.of("m2", "m3", "m4", "m5", "m6")), bodies, "messages from offset 2");

        PullResult odd = consumer.pull(queue, "odd", 0, 32);
        equal(PullStatus.FOUND, odd.getPullStatus(), "status of a filtered pull");
        equal(5, odd.getMsgFoundList().size(), "messages with the tag");
        equal(10L, odd.getNextBeginOffset(), "next offset of a filtered pull");

        equal(PullStatus.NO_MATCHED_MSG, consumer.pull(queue, "no-such-tag", 0, 32).getPullStatus(), "status with another tag");
        equal(PullStatus.NO_NEW_MSG, consumer.pull(queue, "*", 10, 32).getPullStatus(), "status at the end");
        PullResult beyond = consumer.pull(queue, "*", 99, 32);
        equal(PullStatus.OFFSET_ILLEGAL, beyond.getPullStatus(), "status beyond the end");
        equal(10L, beyond.getNextBeginOffset(), "next offset beyond the end");

        MessageQueue empty = new MessageQueue(s.topic(), queue.getBrokerName(), (queue.getQueueId() + 1) % 4);
        PullStatus atEmpty = consumer.pull(empty, "*", 0, 32).getPullStatus();
        check(atEmpty != PullStatus.FOUND, "found something in an empty queue");
    }

    private static void longPolling(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        MessageQueue queue = filled(s, producer, 3);
        DefaultMQPullConsumer consumer = s.pullConsumer(s.group());
        consumer.fetchSubscribeMessageQueues(s.topic());

        CompletableFuture<PullResult> waiting = CompletableFuture.supplyAsync(() -> {
            try {
                return consumer.pullBlockIfNotFound(queue, "*", 3, 32);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        // It may not answer before there is something; a wrong server answers well within this.
        Exception notYet = Scenario.thrown("a pull at the end", () -> waiting.get(300, TimeUnit.MILLISECONDS));
        check(notYet instanceof java.util.concurrent.TimeoutException, "a pull at the end: " + notYet);
        long sentAt = System.nanoTime();
        filled(s, producer, 1);
        PullResult result = waiting.get(Scenario.SOON, TimeUnit.SECONDS);
        long waited = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - sentAt);
        equal(PullStatus.FOUND, result.getPullStatus(), "status of the pull that waited");
        equal(3L, result.getMsgFoundList().get(0).getQueueOffset(), "offset of the message it waited for");
        check(waited < 5_000, "the waiting pull was answered " + waited + " ms after the send");
    }

    private static void commits(Scenario s) throws Exception {
        MessageQueue queue = filled(s, s.producer(), 10);
        DefaultMQPullConsumer consumer = s.pullConsumer(s.group());
        consumer.fetchSubscribeMessageQueues(s.topic());
        commitAndRead(consumer, queue, 6);
        // Smaller offsets are accepted: clients rewind this way.
        commitAndRead(consumer, queue, 2);
        DefaultMQPullConsumer other = s.pullConsumer(s.group("other"));
        other.fetchSubscribeMessageQueues(s.topic());
        check(other.fetchConsumeOffset(queue, true) <= 0, "another group has an offset");
    }

    /**
     * Commits an offset and waits until it can be read.
     *
     * It travels one-way and is refused as long as the server does not know the group, which is
     * until the client's heartbeat after its first route; hence again and again.
     */
    static void commitAndRead(DefaultMQPullConsumer consumer, MessageQueue queue, long offset) throws Exception {
        var store = consumer.getDefaultMQPullConsumerImpl().getOffsetStore();
        await(Scenario.SOON, "offset " + offset + " of " + queue, () -> {
            store.updateOffset(queue, offset, false);
            store.persistAll(Set.of(queue));
            return consumer.fetchConsumeOffset(queue, true) == offset;
        });
    }
}
