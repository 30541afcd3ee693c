package conformance;

import static conformance.Scenario.checkEqual;

import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Clients that live on while the server is killed. */
final class Restarting {
    private Restarting() {}

    static void register(Harness harness) {
        harness.restarting("clients_go_on_after_a_kill", Restarting::goOn);
    }

    private static void goOn(Scenario scenario) throws Exception {
        String topic = scenario.topic("NORMAL");
        ConcurrentLinkedQueue<String> got = new ConcurrentLinkedQueue<>();
        scenario.pushConsumer(scenario.group(), topic, message -> {
            got.add(Scenario.text(message));
            return ConsumeResult.SUCCESS;
        });
        Producer producer = scenario.producer(topic);
        producer.send(Scenario.plain(topic, "before"));
        Scenario.await(Scenario.SOON, "the message before the kill", () -> got.contains("before"));
        // Its ack is on its way; what is acked is never seen again.
        Thread.sleep(1_000);
        Harness.ask("@kill-restart", "@restarted");
        Scenario.await(Scenario.SOON, "a send after the kill", () -> {
            try {
                producer.send(Scenario.plain(topic, "after"));
                return true;
            } catch (Exception e) {
                return false;
            }
        });
        Scenario.await(60, "the message after the kill", () -> got.contains("after"));
        checkEqual(new TreeSet<>(got), new TreeSet<>(Set.of("before", "after")), "messages");
        checkEqual(got.stream().filter("before"::equals).count(), 1L, "deliveries of the acked message");
    }
}
