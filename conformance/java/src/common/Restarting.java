package conformance;

import static conformance.Scenario.await;
import static conformance.Scenario.check;
import static conformance.Scenario.equal;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * The server dies or stops under load, and comes back.
 *
 * Four threads send numbered messages, each to its own queue. A send that fails is not repeated: it
 * may have been stored or not. What was answered SEND_OK must be there, at the offset it was
 * answered with, in order, once, and must reach the consumer that ran all the time. An offset whose
 * commit was answered must not move back.
 */
final class Restarting {
    private static final int QUEUES = 4;
    /** Messages each thread must get acknowledged before, between and after the restarts. */
    private static final int MORE = 150;

    private Restarting() {}

    static void register(Harness harness) {
        harness.restarting("kill-under-load", s -> underLoad(s, 2, () -> Harness.ask("@kill-restart", "@restarted")));
        harness.restarting("stop-under-load", s -> underLoad(s, 1, () -> {
            Harness.ask("@stop", "@stopped");
            Harness.ask("@start", "@started");
        }));
    }

    interface Restart {
        void run() throws Exception;
    }

    /** One thread's sends: acknowledged number to offset. */
    private static final class Sender extends Thread {
        final Map<Integer, Long> acknowledged = new TreeMap<>();
        final AtomicInteger count = new AtomicInteger();
        private final DefaultMQProducer producer;
        private final String topic;
        private final int queue;
        private final AtomicBoolean done;

        Sender(DefaultMQProducer producer, String topic, int queue, AtomicBoolean done) {
            super("sender-" + queue);
            this.producer = producer;
            this.topic = topic;
            this.queue = queue;
            this.done = done;
        }

        @Override
        public void run() {
            for (int number = 0; !done.get(); number++) {
                try {
                    SendResult result = producer.send(Sending.message(topic, queue + ":" + number),
                        (queues, message, arg) -> queueWithId(queues, (Integer) arg), queue);
                    if (result.getSendStatus() == SendStatus.SEND_OK) {
                        acknowledged.put(number, result.getQueueOffset());
                        count.incrementAndGet();
                    }
                } catch (InterruptedException e) {
                    return;
                } catch (Exception e) {
                    // Refused or unknown while the server is away; a short pause spares the log.
                    pause();
                }
            }
        }

        private static MessageQueue queueWithId(List<MessageQueue> queues, int id) {
            for (MessageQueue queue : queues) {
                if (queue.getQueueId() == id) {
                    return queue;
                }
            }
            throw new IllegalStateException("no queue " + id + " in " + queues);
        }

        private static void pause() {
            try {
                Thread.sleep(10);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static void underLoad(Scenario s, int restarts, Restart restart) throws Exception {
        DefaultMQProducer producer = s.stoppedProducer();
        producer.setSendMsgTimeout(3_000);
        producer.start();
        Compat.createTopic(producer, s.topic(), QUEUES);
        await(Scenario.SOON, "route", () -> producer.fetchPublishMessageQueues(s.topic()).size() == QUEUES);
        Inbox inbox = new Inbox();
        var consumer = s.pushConsumer(s.group());
        consumer.setPersistConsumerOffsetInterval(500);
        consumer.subscribe(s.topic(), "*");
        consumer.registerMessageListener(inbox);
        consumer.start();
        DefaultMQPullConsumer reader = s.pullConsumer(s.group("reader"));
        List<MessageQueue> queues = new ArrayList<>(reader.fetchSubscribeMessageQueues(s.topic()));
        equal(QUEUES, queues.size(), "queues");

        AtomicBoolean done = new AtomicBoolean();
        List<Sender> senders = new ArrayList<>();
        s.closeAtEnd(() -> done.set(true));
        for (int i = 0; i < QUEUES; i++) {
            Sender sender = new Sender(producer, s.topic(), i, done);
            senders.add(sender);
            sender.start();
        }
        for (int i = 0; i < restarts; i++) {
            awaitMore(senders);
            Map<MessageQueue, Long> committed = commit(reader, queues, 100L * (i + 1));
            restart.run();
            await(Scenario.SOON, "offsets readable after the restart", () -> {
                for (MessageQueue queue : queues) {
                    reader.fetchConsumeOffset(queue, true);
                }
                return true;
            });
            for (MessageQueue queue : queues) {
                long now = reader.fetchConsumeOffset(queue, true);
                // The reference writes offsets every 5 s and promises nothing when it is killed in between.
                check(now >= committed.get(queue) || Scenario.REFERENCE, "offset of " + queue + " moved from " + committed.get(queue) + " to " + now);
            }
        }
        awaitMore(senders);
        done.set(true);
        for (Sender sender : senders) {
            sender.join();
        }

        for (MessageQueue queue : queues) {
            verify(reader, queue, senders.get(queue.getQueueId()));
        }
        int total = senders.stream().mapToInt(sender -> sender.acknowledged.size()).sum();
        await(60, "all " + total + " acknowledged messages at the push consumer", () -> {
            var bodies = inbox.bodies();
            return senders.stream().allMatch(sender ->
                sender.acknowledged.keySet().stream().allMatch(number -> bodies.contains(sender.queue + ":" + number)));
        });
        Harness.report(s.topic() + ": " + total + " acknowledged, " + inbox.size() + " deliveries");
    }

    private static void awaitMore(List<Sender> senders) throws InterruptedException {
        List<Integer> goals = senders.stream().map(sender -> sender.count.get() + MORE).toList();
        await(60, MORE + " more acknowledged sends by each thread", () -> {
            for (int i = 0; i < goals.size(); i++) {
                if (senders.get(i).count.get() < goals.get(i)) {
                    return false;
                }
            }
            return true;
        });
    }

    /**
     * Commits an offset in each queue, first in the way that is not answered, then in the way that
     * is: the answer promises that it lasts, even when the server had heard of it before.
     */
    private static Map<MessageQueue, Long> commit(DefaultMQPullConsumer reader, List<MessageQueue> queues, long offset)
            throws Exception {
        Map<MessageQueue, Long> committed = new HashMap<>();
        for (MessageQueue queue : queues) {
            Pulling.commitAndRead(reader, queue, offset);
        }
        for (MessageQueue queue : queues) {
            committed.put(queue, Compat.commitAnswered(reader, queue, offset) ? offset : -1);
        }
        return committed;
    }

    private static void verify(DefaultMQPullConsumer reader, MessageQueue queue, Sender sender) throws Exception {
        Map<Integer, Long> stored = new HashMap<>();
        int last = -1;
        long next = 0;
        while (true) {
            PullResult pulled = reader.pull(queue, "*", next, 32);
            if (pulled.getPullStatus() != PullStatus.FOUND) {
                equal(next, pulled.getMaxOffset(), "end of " + queue + " where pulling ended with " + pulled.getPullStatus());
                break;
            }
            for (MessageExt message : pulled.getMsgFoundList()) {
                equal(next, message.getQueueOffset(), "next offset of " + queue);
                int number = Integer.parseInt(Inbox.text(message).split(":")[1]);
                check(number > last, "message " + number + " after " + last + " in " + queue);
                last = number;
                stored.put(number, message.getQueueOffset());
                next++;
            }
        }
        for (Map.Entry<Integer, Long> acknowledged : sender.acknowledged.entrySet()) {
            int number = acknowledged.getKey();
            check(stored.containsKey(number), "message " + number + " of " + queue + " was acknowledged and is lost");
            equal(acknowledged.getValue(), stored.get(number), "offset of message " + number + " of " + queue);
        }
    }
}
