package conformance;

import static conformance.Scenario.check;
import static conformance.Scenario.checkEqual;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.MessageView;

/** What is not acked comes again. */
final class Redelivery {
    private Redelivery() {}

    static void register(Harness harness) {
        harness.scenario("an_unacked_message_comes_again", Redelivery::comesAgain);
        harness.scenario("more_time_is_given", Redelivery::moreTime);
        harness.scenario("a_failed_message_comes_again", Redelivery::failed);
        harness.scenario("a_hopeless_message_is_a_dead_letter", Redelivery::dead);
    }

    private static void comesAgain(Scenario scenario) throws Exception {
        String topic = scenario.topic("NORMAL");
        SimpleConsumer consumer = scenario.simpleConsumer(scenario.group(), topic);
        scenario.producer(topic).send(Scenario.plain(topic, "again"));
        MessageView first = Scenario.receive(consumer, 1, Duration.ofSeconds(10)).get(0);
        long began = System.nanoTime();
        MessageView second = Scenario.receive(consumer, 1, Duration.ofSeconds(10)).get(0);
        long seconds = (System.nanoTime() - began) / 1_000_000_000;
        check(seconds >= 9, "it comes after " + seconds + " s");
        checkEqual(second.getMessageId().toString(), first.getMessageId().toString(), "message id");
        checkEqual(second.getDeliveryAttempt(), 2, "delivery attempt");
        consumer.ack(second);
    }

    private static void moreTime(Scenario scenario) throws Exception {
        String topic = scenario.topic("NORMAL");
        SimpleConsumer consumer = scenario.simpleConsumer(scenario.group(), topic);
        scenario.producer(topic).send(Scenario.plain(topic, "slow"));
        MessageView message = Scenario.receive(consumer, 1, Duration.ofSeconds(10)).get(0);
        consumer.changeInvisibleDuration(message, Duration.ofSeconds(60));
        long until = System.nanoTime() + Duration.ofSeconds(12).toNanos();
        while (System.nanoTime() < until) {
            List<MessageView> early = consumer.receive(1, Duration.ofSeconds(10));
            check(early.isEmpty(), "it comes although it was given more time");
        }
        consumer.ack(message);
    }

    private static void failed(Scenario scenario) throws Exception {
        String topic = scenario.topic("NORMAL");
        ConcurrentLinkedQueue<Integer> attempts = new ConcurrentLinkedQueue<>();
        scenario.pushConsumer(scenario.group(), topic, message -> {
            attempts.add(message.getDeliveryAttempt());
            return attempts.size() < 3 ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS;
        });
        scenario.producer(topic).send(Scenario.plain(topic, "fails twice"));
        Scenario.await(Scenario.SOON, "three attempts", () -> attempts.size() == 3);
        checkEqual(List.copyOf(attempts), List.of(1, 2, 3), "attempts");
    }

    private static void dead(Scenario scenario) throws Exception {
        String topic = scenario.topic("NORMAL");
        String group = scenario.group();
        Topics.group(group, 1, false);
        ConcurrentLinkedQueue<Integer> attempts = new ConcurrentLinkedQueue<>();
        scenario.pushConsumer(group, topic, message -> {
            attempts.add(message.getDeliveryAttempt());
            return ConsumeResult.FAILURE;
        });
        scenario.producer(topic).send(Scenario.plain(topic, "hopeless"));
        Scenario.await(Scenario.SOON, "two attempts", () -> attempts.size() == 2);
        String letters = "%DLQ%" + group;
        Scenario.await(Scenario.SOON, "the dead-letter topic", () -> {
            try {
                Scenario.drain(scenario.simpleConsumer(scenario.unique("G", "dlq"), letters), java.util.Set.of("hopeless"));
                return true;
            } catch (org.apache.rocketmq.client.apis.ClientException | IllegalStateException e) {
                // It does not exist yet.
                return false;
            }
        });
        checkEqual(List.copyOf(attempts), List.of(1, 2), "attempts");
    }
}
