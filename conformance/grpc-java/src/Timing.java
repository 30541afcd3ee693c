package conformance;

import static conformance.Scenario.check;

import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.SendReceipt;

/** Messages with a delivery time. */
final class Timing {
    private Timing() {}

    static void register(Harness harness) {
        harness.scenario("a_delayed_message_is_never_early", Timing::delayed);
        harness.scenario("a_recalled_message_does_not_come", Timing::recalled);
    }

    private static void delayed(Scenario scenario) throws Exception {
        String topic = scenario.topic("DELAY");
        SimpleConsumer consumer = scenario.simpleConsumer(scenario.group(), topic);
        long due = System.currentTimeMillis() + 3_000;
        scenario.producer(topic).send(Scenario.message(topic, "later").setDeliveryTimestamp(due).build());
        MessageView message = Scenario.receive(consumer, 1, Duration.ofSeconds(30)).get(0);
        long now = System.currentTimeMillis();
        check(now >= due, "it comes " + (due - now) + " ms early");
        Scenario.checkEqual(message.getDeliveryTimestamp().orElse(0L), due, "delivery time");
        consumer.ack(message);
    }

    private static void recalled(Scenario scenario) throws Exception {
        String topic = scenario.topic("DELAY");
        SimpleConsumer consumer = scenario.simpleConsumer(scenario.group(), topic);
        Producer producer = scenario.producer(topic);
        long due = System.currentTimeMillis() + 6_000;
        SendReceipt receipt = producer.send(Scenario.message(topic, "taken back").setDeliveryTimestamp(due).build());
        producer.send(Scenario.message(topic, "stays").setDeliveryTimestamp(due + 1_000).build());
        String handle = receipt.getRecallHandle();
        check(handle != null && !handle.isEmpty(), "the receipt has a recall handle");
        producer.recallMessage(topic, handle);
        Scenario.drain(consumer, Set.of("stays"));
        List<MessageView> more = consumer.receive(1, Duration.ofSeconds(10));
        check(more.isEmpty(), "the recalled message comes");
        try {
            producer.recallMessage(topic, handle);
            throw new Scenario.Failure("a message that was due is recalled");
        } catch (ClientException e) {
            check(e.getMessage().contains("recall failed"), "told " + e.getMessage());
        }
    }
}
