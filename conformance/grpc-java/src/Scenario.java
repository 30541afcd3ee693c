package conformance;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.apache.rocketmq.client.apis.ClientConfiguration;
import org.apache.rocketmq.client.apis.ClientServiceProvider;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.MessageListener;
import org.apache.rocketmq.client.apis.consumer.PushConsumer;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.Message;
import org.apache.rocketmq.client.apis.message.MessageBuilder;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;

/**
 * What one scenario works with: names nobody else uses, clients that are closed at its end, and checks that say what they
 * expected. Clients have their default settings: TLS is on, and the certificate is whatever the server shows.
 */
final class Scenario {
    /** A condition the server should meet at once; the rest is for a machine that is busy. */
    static final int SOON = 30;

    /** How long one receive waits for messages. */
    static final Duration AWAIT = Duration.ofSeconds(5);

    static final String ENDPOINT = Objects.requireNonNull(System.getenv("GRPC_ADDR"), "GRPC_ADDR is not set");
    static final ClientServiceProvider PROVIDER = ClientServiceProvider.loadService();
    private static final String RUN = Long.toString(System.currentTimeMillis(), 36);

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

    /** A new topic of this scenario alone that takes messages of one type. */
    String topic(String type) throws Exception {
        return topic(type, "");
    }

    String topic(String type, String suffix) throws Exception {
        String topic = unique("T", suffix);
        Topics.create(topic, type);
        return topic;
    }

    /** A group of this scenario alone. */
    String group() {
        return unique("G", "");
    }

    String unique(String kind, String suffix) {
        return kind + "_" + name + "_" + RUN + (suffix.isEmpty() ? "" : "_" + suffix);
    }

    ClientConfiguration configuration() {
        return ClientConfiguration.newBuilder().setEndpoints(ENDPOINT).build();
    }

    Producer producer(String... topics) throws Exception {
        Producer producer =
            PROVIDER.newProducerBuilder().setClientConfiguration(configuration()).setTopics(topics).build();
        closings.push(producer::close);
        return producer;
    }

    SimpleConsumer simpleConsumer(String group, String topic, FilterExpression filter) throws Exception {
        SimpleConsumer consumer = PROVIDER.newSimpleConsumerBuilder()
            .setClientConfiguration(configuration())
            .setConsumerGroup(group)
            .setAwaitDuration(AWAIT)
            .setSubscriptionExpressions(Collections.singletonMap(topic, filter))
            .build();
        closings.push(consumer::close);
        return consumer;
    }

    SimpleConsumer simpleConsumer(String group, String topic) throws Exception {
        return simpleConsumer(group, topic, FilterExpression.SUB_ALL);
    }

    PushConsumer pushConsumer(String group, String topic, MessageListener listener) throws Exception {
        PushConsumer consumer = PROVIDER.newPushConsumerBuilder()
            .setClientConfiguration(configuration())
            .setConsumerGroup(group)
            .setSubscriptionExpressions(Collections.singletonMap(topic, FilterExpression.SUB_ALL))
            .setConsumptionThreadCount(2)
            .setMessageListener(listener)
            .build();
        closings.push(consumer::close);
        return consumer;
    }

    static MessageBuilder message(String topic, String body) {
        return PROVIDER.newMessageBuilder().setTopic(topic).setBody(body.getBytes(StandardCharsets.UTF_8));
    }

    static Message plain(String topic, String body) {
        return message(topic, body).build();
    }

    static String text(MessageView message) {
        ByteBuffer body = message.getBody();
        byte[] bytes = new byte[body.remaining()];
        body.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** Receives and acks until exactly these bodies have come. */
    static void drain(SimpleConsumer consumer, Set<String> expected) throws Exception {
        Set<String> seen = new TreeSet<>();
        await(SOON, "messages " + expected, () -> {
            for (MessageView message : consumer.receive(32, Duration.ofSeconds(30))) {
                check(expected.contains(text(message)), "unexpected message " + text(message));
                seen.add(text(message));
                consumer.ack(message);
            }
            return seen.equals(expected);
        });
    }

    /** Receives until something comes. */
    static List<MessageView> receive(SimpleConsumer consumer, int max, Duration invisible) throws Exception {
        long deadline = System.nanoTime() + Duration.ofSeconds(SOON).toNanos();
        while (System.nanoTime() < deadline) {
            List<MessageView> messages = consumer.receive(max, invisible);
            if (!messages.isEmpty()) {
                return messages;
            }
        }
        throw new Failure("nothing received within " + SOON + " s");
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

    static void checkEqual(Object found, Object expected, String what) {
        check(Objects.equals(found, expected), what + " is " + found + ", expected " + expected);
    }

    /** Waits until the condition holds. */
    static void await(int seconds, String what, Callable<Boolean> condition) throws Exception {
        long deadline = System.nanoTime() + Duration.ofSeconds(seconds).toNanos();
        while (!condition.call()) {
            check(System.nanoTime() < deadline, "not within " + seconds + " s: " + what);
            Thread.sleep(20);
        }
    }
}
