package conformance;

import static conformance.Scenario.await;
import static conformance.Scenario.check;
import static conformance.Scenario.equal;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Ordered consumption while its members change, and when a message cannot be consumed at all. */
final class Ordering {
    private static final int QUEUES = 4;
    /** Two rounds of a client's own rebalancing, which every hand-over of a lock may take. */
    private static final int HANDED_OVER = 60;
    /** A lock lives this long behind its last refresh. */
    private static final int LOCK_SECONDS = 60;

    private Ordering() {}

    static void register(Harness harness) {
        harness.scenario("ordered-rebalance-without-overlap", Ordering::withoutOverlap);
        harness.scenario("ordered-dead-letter", Ordering::deadLetter);
        harness.scenario("ordered-lock-expires", Ordering::lockExpires);
    }

    /** What all members of the group see, by queue. */
    private static final class Queues {
        final Map<Integer, List<Integer>> seen = new ConcurrentHashMap<>();
        final Map<Integer, AtomicBoolean> busy = new ConcurrentHashMap<>();
        final ConcurrentLinkedQueue<String> broken = new ConcurrentLinkedQueue<>();

        /** A member that takes a moment for each message, so that an overlap would be noticed. */
        MessageListenerOrderly member(AtomicInteger count) {
            return (List<MessageExt> batch, ConsumeOrderlyContext context) -> {
                int queue = batch.get(0).getQueueId();
                AtomicBoolean taken = busy.computeIfAbsent(queue, id -> new AtomicBoolean());
                if (!taken.compareAndSet(false, true)) {
                    broken.add("two members consume queue " + queue + " at once");
                }
                for (MessageExt message : batch) {
                    seen.computeIfAbsent(queue, id -> new ArrayList<>()).add(Integer.parseInt(Inbox.text(message)));
                    count.incrementAndGet();
                }
                pause();
                taken.set(false);
                return ConsumeOrderlyStatus.SUCCESS;
            };
        }

        /** Every number came, and none before its time; what a member had not committed came again. */
        void check(int last) {
            Scenario.check(broken.isEmpty(), "" + broken.peek());
            for (int queue = 0; queue < QUEUES; queue++) {
                int expected = 0;
                for (int number : seen.get(queue)) {
                    Scenario.check(number <= expected, "queue " + queue + ": " + number + " where " + expected + " was due");
                    expected = Math.max(expected, number + 1);
                }
                equal(last, expected, "numbers of queue " + queue);
            }
        }

        private static void pause() {
            try {
                Thread.sleep(5);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static DefaultMQPushConsumer join(Scenario s, MessageListenerOrderly listener) throws Exception {
        DefaultMQPushConsumer consumer = s.pushConsumer(s.group());
        // A thread is busy with its queue for as long as messages come.
        consumer.setConsumeThreadMin(QUEUES);
        consumer.setConsumeThreadMax(QUEUES);
        consumer.subscribe(s.topic(), "*");
        consumer.registerMessageListener(listener);
        consumer.start();
        return consumer;
    }

    /** Sends one number to each queue; they rise from call to call. */
    private static void sendNext(DefaultMQProducer producer, Scenario s, AtomicInteger next) throws Exception {
        int number = next.getAndIncrement();
        for (int queue = 0; queue < QUEUES; queue++) {
            producer.send(Sending.message(s.topic(), "" + number), (queues, message, arg) -> queues.get((Integer) arg), queue);
        }
    }

    private static void withoutOverlap(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        Compat.createTopic(producer, s.topic(), QUEUES);
        await(Scenario.SOON, "route", () -> producer.fetchPublishMessageQueues(s.topic()).size() == QUEUES);
        Queues queues = new Queues();
        AtomicInteger next = new AtomicInteger();
        AtomicInteger atFirst = new AtomicInteger();
        AtomicInteger atSecond = new AtomicInteger();
        join(s, queues.member(atFirst));
        await(Scenario.SOON, "the only member consumes", () -> {
            sendNext(producer, s, next);
            return atFirst.get() > 20;
        });
        DefaultMQPushConsumer second = join(s, queues.member(atSecond));
        await(HANDED_OVER, "the second member gets a queue", () -> {
            sendNext(producer, s, next);
            return atSecond.get() > 20;
        });
        second.shutdown();
        int behind = next.get();
        await(HANDED_OVER, "the first member has all queues again", () -> {
            sendNext(producer, s, next);
            return queues.seen.values().stream().allMatch(seen -> seen.get(seen.size() - 1) >= behind);
        });
        int last = next.get();
        await(Scenario.SOON, "all of all queues", () -> queues.seen.values().stream().allMatch(seen -> seen.contains(last - 1)));
        queues.check(last);
    }

    /** A member that is gone without a word keeps its queue for as long as a lock lives, and no longer. */
    private static void lockExpires(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        Compat.createTopic(producer, s.topic(), QUEUES);
        await(Scenario.SOON, "route", () -> producer.fetchPublishMessageQueues(s.topic()).size() == QUEUES);
        MessageQueue queue = producer.fetchPublishMessageQueues(s.topic()).stream().filter(q -> q.getQueueId() == 0).findAny().orElseThrow();
        await(Scenario.SOON, "a lock", () -> Compat.lock(producer, s.group(), "gone", queue));
        long locked = System.nanoTime();
        check(!Compat.lock(producer, s.group(), "other", queue), "two clients hold one lock");
        AtomicInteger next = new AtomicInteger();
        sendNext(producer, s, next);
        Queues queues = new Queues();
        join(s, queues.member(new AtomicInteger()));
        await(Scenario.SOON, "the free queues", () -> queues.seen.size() == QUEUES - 1);
        check(!queues.seen.containsKey(0), "a queue that another one holds was consumed");
        await(LOCK_SECONDS + 25, "the locked queue", () -> queues.seen.size() == QUEUES);
        long held = (System.nanoTime() - locked) / 1_000_000;
        check(held >= LOCK_SECONDS * 1_000, "a lock was lost after " + held + " ms");
        queues.check(1);
    }

    private static void deadLetter(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        AtomicInteger attempts = new AtomicInteger();
        Inbox consumed = new Inbox();
        DefaultMQPushConsumer consumer = s.pushConsumer(s.group());
        consumer.setMaxReconsumeTimes(2);
        consumer.setSuspendCurrentQueueTimeMillis(200);
        consumer.subscribe(s.topic(), "*");
        consumer.registerMessageListener((MessageListenerOrderly) (batch, context) -> {
            if (Inbox.text(batch.get(0)).equals("poison")) {
                attempts.incrementAndGet();
                return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            }
            consumed.consumeMessage(batch, null);
            return ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
        for (String body : List.of("before", "poison", "behind")) {
            producer.send(Sending.message(s.topic(), body), (queues, message, arg) -> queues.get(0), null);
        }
        consumed.awaitBodies(Set.of("before", "behind"));
        equal(3, attempts.get(), "attempts of a message that fails always");
        Inbox dead = new Inbox();
        s.consume(s.group("dead"), "%DLQ%" + s.group(), "*", dead);
        dead.awaitBodies(Set.of("poison"));
    }
}
