package conformance;

import static conformance.Scenario.checkEqual;

import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.Transaction;
import org.apache.rocketmq.client.apis.producer.TransactionChecker;
import org.apache.rocketmq.client.apis.producer.TransactionResolution;

/** Messages that are seen only after their commit. */
final class Transactions {
    private Transactions() {}

    static void register(Harness harness) {
        harness.scenario("a_commit_shows_and_a_rollback_hides", Transactions::committedOrNot);
        harness.scenario("an_open_transaction_is_asked_about", Transactions::askedAbout);
    }

    private static Producer producer(Scenario scenario, String topic, TransactionChecker checker) throws Exception {
        Producer producer = Scenario.PROVIDER.newProducerBuilder()
            .setClientConfiguration(scenario.configuration())
            .setTopics(topic)
            .setTransactionChecker(checker)
            .build();
        scenario.closeAtEnd(producer::close);
        return producer;
    }

    private static void committedOrNot(Scenario scenario) throws Exception {
        String topic = scenario.topic("TRANSACTION");
        SimpleConsumer consumer = scenario.simpleConsumer(scenario.group(), topic);
        Producer producer = producer(scenario, topic, message -> TransactionResolution.UNKNOWN);
        Transaction dropped = producer.beginTransaction();
        producer.send(Scenario.plain(topic, "dropped"), dropped);
        dropped.rollback();
        Transaction kept = producer.beginTransaction();
        producer.send(Scenario.plain(topic, "kept"), kept);
        kept.commit();
        Scenario.drain(consumer, Set.of("kept"));
    }

    private static void askedAbout(Scenario scenario) throws Exception {
        String topic = scenario.topic("TRANSACTION");
        SimpleConsumer consumer = scenario.simpleConsumer(scenario.group(), topic);
        ConcurrentLinkedQueue<String> asked = new ConcurrentLinkedQueue<>();
        Producer producer = producer(scenario, topic, (MessageView message) -> {
            asked.add(Scenario.text(message));
            return TransactionResolution.COMMIT;
        });
        Transaction open = producer.beginTransaction();
        producer.send(Scenario.plain(topic, "forgotten"), open);
        Scenario.drain(consumer, Set.of("forgotten"));
        checkEqual(Set.copyOf(asked), Set.of("forgotten"), "what was asked about");
    }
}
