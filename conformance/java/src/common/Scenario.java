package conformance;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;

/**
 * What one scenario works with: names nobody else uses, clients that are shut down at its end, and
 * checks that say what they expected.
 */
final class Scenario {
    /** A condition the server should meet at once; the rest is for a machine that is busy. */
    static final int SOON = 30;

    static final String NAMESRV = Objects.requireNonNull(System.getenv("NAMESRV_ADDR"), "NAMESRV_ADDR is not set");
    /** The reference answers: what it does not promise is not asked of it. */
    static final boolean REFERENCE = System.getenv("KEROLOX_REFERENCE") != null;
    private static final String RUN = Long.toString(System.currentTimeMillis(), 36);
    private static final AtomicInteger INSTANCES = new AtomicInteger();

    /** A check that did not hold. */
    static final class Failure extends RuntimeException {
        Failure(String message) {
            super(message);
        }
    }

    interface Closing {
        void close() throws Exception;
    }

    private final String name;
    private final Deque<Closing> closings = new ArrayDeque<>();

    Scenario(String name) {
        this.name = name;
    }

    /** A topic of this scenario alone; the same for the same suffix. */
    String topic(String suffix) {
        return unique("T", suffix);
    }

    String topic() {
        return topic("");
    }

    /** A group of this scenario alone; the same for the same suffix. */
    String group(String suffix) {
        return unique("G", suffix);
    }

    String group() {
        return group("");
    }

    private String unique(String kind, String suffix) {
        return kind + "_" + Compat.NAME + "_" + name + "_" + RUN + (suffix.isEmpty() ? "" : "_" + suffix);
    }

    /** A started producer. */
    DefaultMQProducer producer() throws MQClientException {
        DefaultMQProducer producer = stoppedProducer();
        producer.start();
        return producer;
    }

    /** A producer for the scenario to configure and start. */
    DefaultMQProducer stoppedProducer() {
        DefaultMQProducer producer = new DefaultMQProducer(unique("P", "" + INSTANCES.incrementAndGet()));
        configure(producer);
        producer.setSendMsgTimeout(10_000);
        closings.push(producer::shutdown);
        return producer;
    }

    /** A push consumer from the first offset, to be subscribed and started by the scenario. */
    DefaultMQPushConsumer pushConsumer(String group) {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        configure(consumer);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        // A scenario needs a few threads, not twenty per consumer.
        consumer.setConsumeThreadMin(2);
        consumer.setConsumeThreadMax(4);
        closings.push(consumer::shutdown);
        return consumer;
    }

    /** A started push consumer that takes everything into {@code inbox}. */
    DefaultMQPushConsumer consume(String group, String topic, String tags, Inbox inbox) throws MQClientException {
        DefaultMQPushConsumer consumer = pushConsumer(group);
        consumer.subscribe(topic, tags);
        consumer.registerMessageListener(inbox);
        consumer.start();
        return consumer;
    }

    /** A started pull consumer. */
    DefaultMQPullConsumer pullConsumer(String group) throws MQClientException {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(group);
        configure(consumer);
        closings.push(consumer::shutdown);
        consumer.start();
        return consumer;
    }

    /** What every client of ours has: its own connection, and short periods where they are harmless. */
    void configure(ClientConfig client) {
        client.setNamesrvAddr(NAMESRV);
        client.setInstanceName(name + "-" + INSTANCES.incrementAndGet());
        client.setVipChannelEnabled(false);
        client.setHeartbeatBrokerInterval(1_000);
        Compat.setPollNameServerInterval(client, 1_000);
    }

    void closeAtEnd(Closing closing) {
        closings.push(closing);
    }

    void close() {
        for (Closing closing : closings) {
            try {
                closing.close();
            } catch (Exception e) {
                Harness.report("at the end of " + name + ": " + e);
            }
        }
    }

    static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new Failure(otherwise);
        }
    }

    static void equal(Object expected, Object actual, String what) {
        check(Objects.equals(expected, actual), what + ": expected " + expected + ", got " + actual);
    }

    /** Waits until the condition holds; exceptions while it is tried count as "not yet". */
    static void await(int seconds, String what, Callable<Boolean> condition) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        Exception last = null;
        while (System.nanoTime() < deadline) {
            try {
                if (condition.call()) {
                    return;
                }
                last = null;
            } catch (InterruptedException e) {
                throw e;
            } catch (Exception e) {
                last = e;
            }
            Thread.sleep(20);
        }
        throw new Failure("not within " + seconds + " s: " + what + (last == null ? "" : " (" + last + ")"));
    }

    /** Runs the call and gives back what it threw. */
    static Exception thrown(String what, Callable<?> call) {
        Object result;
        try {
            result = call.call();
        } catch (Exception e) {
            return e;
        }
        throw new Failure(what + " was not refused: " + result);
    }
}
