package conformance;

import static conformance.Scenario.check;
import static conformance.Scenario.checkEqual;

import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.FilterExpressionType;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Consumers: each message goes to one member of a group, once. */
final class Receiving {
    private Receiving() {}

    static void register(Harness harness) {
        harness.scenario("members_of_a_group_share_messages", Receiving::share);
        harness.scenario("a_waiting_receive_is_woken", Receiving::woken);
        harness.scenario("tags_choose_messages", Receiving::tags);
        harness.scenario("two_groups_get_everything", Receiving::twoGroups);
    }

    private static void share(Scenario scenario) throws Exception {
        String topic = scenario.topic("NORMAL");
        String group = scenario.group();
        ConcurrentLinkedQueue<String> got = new ConcurrentLinkedQueue<>();
        for (int member = 0; member < 2; member++) {
            scenario.pushConsumer(group, topic, message -> {
                got.add(Scenario.text(message));
                return ConsumeResult.SUCCESS;
            });
        }
        Producer producer = scenario.producer(topic);
        Set<String> bodies = new TreeSet<>();
        for (int i = 0; i < 100; i++) {
            bodies.add("m" + i);
            producer.send(Scenario.plain(topic, "m" + i));
        }
        Scenario.await(Scenario.SOON, "all messages", () -> new TreeSet<>(got).equals(bodies));
        checkEqual(got.size(), bodies.size(), "deliveries");
    }

    private static void woken(Scenario scenario) throws Exception {
        String topic = scenario.topic("NORMAL");
        SimpleConsumer consumer = scenario.simpleConsumer(scenario.group(), topic);
        Producer producer = scenario.producer(topic);
        CompletableFuture<List<MessageView>> waiting = consumer.receiveAsync(8, Duration.ofSeconds(30));
        Thread.sleep(1_000);
        check(!waiting.isDone(), "a receive without messages waits");
        producer.send(Scenario.plain(topic, "late"));
        long sent = System.nanoTime();
        List<MessageView> received = waiting.get();
        long millis = (System.nanoTime() - sent) / 1_000_000;
        checkEqual(received.size(), 1, "messages");
        check(millis < 2_000, "woken after " + millis + " ms");
    }

    private static void tags(Scenario scenario) throws Exception {
        String topic = scenario.topic("NORMAL");
        Producer producer = scenario.producer(topic);
        for (String tag : List.of("A", "B", "C")) {
            producer.send(Scenario.message(topic, tag).setTag(tag).build());
        }
        FilterExpression filter = new FilterExpression("A || C", FilterExpressionType.TAG);
        Scenario.drain(scenario.simpleConsumer(scenario.group(), topic, filter), Set.of("A", "C"));
    }

    private static void twoGroups(Scenario scenario) throws Exception {
        String topic = scenario.topic("NORMAL");
        Producer producer = scenario.producer(topic);
        producer.send(Scenario.plain(topic, "both"));
        for (String suffix : List.of("1", "2")) {
            Scenario.drain(scenario.simpleConsumer(scenario.unique("G", suffix), topic), Set.of("both"));
        }
    }
}
