package conformance;

import static conformance.Scenario.check;
import static conformance.Scenario.checkEqual;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import org.apache.rocketmq.client.apis.ClientConfiguration;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.message.Message;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.SendReceipt;

/** Producers: what is sent arrives as it was sent, and what cannot be taken is refused. */
final class Sending {
    private Sending() {}

    static void register(Harness harness) {
        harness.scenario("everything_a_message_carries_arrives", Sending::everythingArrives);
        harness.scenario("messages_sent_at_once_all_arrive", Sending::manyArrive);
        harness.scenario("a_client_without_tls_is_served", Sending::plaintext);
        harness.scenario("an_unknown_topic_is_refused", Sending::unknownTopic);
        harness.scenario("a_message_of_another_type_is_refused", Sending::otherType);
        harness.scenario("four_mebibytes_arrive", Sending::large);
    }

    private static void everythingArrives(Scenario scenario) throws Exception {
        String topic = scenario.topic("NORMAL");
        Message sent = Scenario.message(topic, "héllo 世界")
            .setTag("TagA").setKeys("k1", "k2").addProperty("ключ", "属性").addProperty("a", "b").build();
        SendReceipt receipt = scenario.producer(topic).send(sent);
        List<MessageView> received =
            Scenario.receive(scenario.simpleConsumer(scenario.group(), topic), 1, Duration.ofSeconds(30));
        MessageView message = received.get(0);
        checkEqual(message.getMessageId().toString(), receipt.getMessageId().toString(), "message id");
        checkEqual(message.getTopic(), topic, "topic");
        checkEqual(Scenario.text(message), "héllo 世界", "body");
        checkEqual(message.getTag().orElse(""), "TagA", "tag");
        checkEqual(new TreeSet<>(message.getKeys()), new TreeSet<>(Set.of("k1", "k2")), "keys");
        checkEqual(message.getProperties(), Map.of("ключ", "属性", "a", "b"), "properties");
        checkEqual(message.getDeliveryAttempt(), 1, "delivery attempt");
        check(Math.abs(System.currentTimeMillis() - message.getBornTimestamp()) < 60_000, "born when it was sent");
    }

    private static void manyArrive(Scenario scenario) throws Exception {
        String topic = scenario.topic("NORMAL");
        Producer producer = scenario.producer(topic);
        Set<String> bodies = new TreeSet<>();
        List<CompletableFuture<SendReceipt>> sends = new java.util.ArrayList<>();
        for (int i = 0; i < 200; i++) {
            bodies.add("m" + i);
            sends.add(producer.sendAsync(Scenario.plain(topic, "m" + i)));
        }
        for (CompletableFuture<SendReceipt> send : sends) {
            send.get();
        }
        Scenario.drain(scenario.simpleConsumer(scenario.group(), topic), bodies);
    }

    private static void plaintext(Scenario scenario) throws Exception {
        String topic = scenario.topic("NORMAL");
        ClientConfiguration plain =
            ClientConfiguration.newBuilder().setEndpoints(Scenario.ENDPOINT).enableSsl(false).build();
        try (Producer producer =
            Scenario.PROVIDER.newProducerBuilder().setClientConfiguration(plain).setTopics(topic).build()) {
            producer.send(Scenario.plain(topic, "plain"));
        }
        Scenario.drain(scenario.simpleConsumer(scenario.group(), topic), Set.of("plain"));
    }

    private static void unknownTopic(Scenario scenario) throws Exception {
        String topic = scenario.unique("T", "never");
        try {
            scenario.producer(topic);
            throw new Scenario.Failure("a producer of an unknown topic starts");
        } catch (ClientException | IllegalStateException e) {
            // The client tells what it was told in its log only.
            check(e.getMessage() != null, "told nothing");
        }
    }

    private static void otherType(Scenario scenario) throws Exception {
        String topic = scenario.topic("FIFO");
        Producer producer = scenario.producer(topic);
        try {
            producer.send(Scenario.plain(topic, "no group"));
            throw new Scenario.Failure("a normal message goes to a FIFO topic");
        } catch (ClientException | IllegalArgumentException e) {
            check(e.getMessage().contains("type"), "told " + e.getMessage());
        }
    }

    private static void large(Scenario scenario) throws Exception {
        String topic = scenario.topic("NORMAL");
        String body = "x".repeat(4 * 1024 * 1024);
        scenario.producer(topic).send(Scenario.plain(topic, body));
        List<MessageView> received =
            Scenario.receive(scenario.simpleConsumer(scenario.group(), topic), 1, Duration.ofSeconds(30));
        checkEqual(Scenario.text(received.get(0)).length(), body.length(), "bytes");
    }
}
