package conformance;

import static conformance.Scenario.await;
import static conformance.Scenario.check;
import static conformance.Scenario.equal;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageRequestMode;

/** Push consumers that pop: the broker divides the messages, not the queues. Only clients of 5.x can. */
final class Popping {
    private static final int QUEUES = 4;
    /** A client asks anew every 20 s how it shall consume. */
    private static final int ASSIGNED_WITHIN = 60;
    /** The shortest delay after a failure, 10 s, and an invisible time, which is 10 s here, too. */
    private static final int AGAIN_WITHIN = 60;

    private Popping() {}

    static void register(Harness harness) {
        harness.scenario("pop-members-share-messages", Popping::shared);
        harness.scenario("pop-failed-comes-again", Popping::failed);
        harness.scenario("pop-sql-filter", Popping::sqlFilter);
        harness.restarting("pop-kill-restart", Popping::acrossRestart);
    }

    private static void createTopic(Scenario s, DefaultMQProducer producer) throws Exception {
        Compat.createTopic(producer, s.topic(), QUEUES);
        await(Scenario.SOON, "route", () -> producer.fetchPublishMessageQueues(s.topic()).size() == QUEUES);
        MQClientAPIImpl api = producer.getDefaultMQProducerImpl().getMqClientFactory().getMQClientAPIImpl();
        String broker = producer.getDefaultMQProducerImpl().getMqClientFactory()
            .findBrokerAddressInPublish(producer.fetchPublishMessageQueues(s.topic()).get(0).getBrokerName());
        api.setMessageRequestMode(broker, s.topic(), s.group(), MessageRequestMode.POP, 8, 5_000);
    }

    private static DefaultMQPushConsumer popping(Scenario s, MessageListenerConcurrently listener) throws Exception {
        return popping(s, MessageSelector.byTag("*"), listener);
    }

    private static DefaultMQPushConsumer popping(Scenario s, MessageSelector selector, MessageListenerConcurrently listener)
            throws Exception {
        DefaultMQPushConsumer consumer = s.pushConsumer(s.group());
        consumer.setClientRebalance(false);
        consumer.setPopInvisibleTime(10_000);
        consumer.subscribe(s.topic(), selector);
        consumer.registerMessageListener(listener);
        consumer.start();
        return consumer;
    }

    private static Set<String> send(DefaultMQProducer producer, Scenario s, int from, int to) throws Exception {
        Set<String> bodies = new TreeSet<>();
        for (int i = from; i < to; i++) {
            Sending.send(producer, Sending.message(s.topic(), "m" + i));
            bodies.add("m" + i);
        }
        return bodies;
    }

    private static void shared(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        createTopic(s, producer);
        Inbox first = new Inbox();
        Inbox second = new Inbox();
        popping(s, first);
        popping(s, second);
        Set<String> sent = send(producer, s, 0, 100);
        await(ASSIGNED_WITHIN, "all messages", () -> first.size() + second.size() >= sent.size());
        Set<String> got = new TreeSet<>(first.bodies());
        got.addAll(second.bodies());
        equal(sent, got, "messages");
        equal(sent.size(), first.size() + second.size(), "messages, each once");
        for (MessageExt message : first.messages()) {
            check(message.getProperty("POP_CK") != null, "a message was pulled, not popped");
            equal(s.topic(), message.getTopic(), "topic");
        }
    }

    private static void sqlFilter(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        createTopic(s, producer);
        Inbox inbox = new Inbox();
        popping(s, MessageSelector.bySql(Filtering.LARGE_IN_BERLIN), inbox);
        Set<String> wanted = Filtering.send(producer, s.topic(), 0, 60);
        await(ASSIGNED_WITHIN, "the wanted messages", () -> inbox.size() >= wanted.size());
        // Now the consumer waits for more.
        wanted.addAll(Filtering.send(producer, s.topic(), 100, 160));
        inbox.awaitBodies(wanted);
        equal(wanted.size(), inbox.size(), "messages, each once");
        check(inbox.messages().get(0).getProperty("POP_CK") != null, "a message was pulled, not popped");
    }

    private static void failed(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        createTopic(s, producer);
        ConcurrentLinkedQueue<MessageExt> seen = new ConcurrentLinkedQueue<>();
        popping(s, (batch, context) -> {
            seen.addAll(batch);
            boolean again = batch.stream().anyMatch(message -> message.getReconsumeTimes() == 0);
            return again ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        String id = Sending.send(producer, Sending.message(s.topic(), "twice")).getMsgId();
        await(ASSIGNED_WITHIN + AGAIN_WITHIN, "the message comes again", () -> seen.size() == 2);
        MessageExt again = List.copyOf(seen).get(1);
        equal("twice", Inbox.text(again), "body");
        equal(1, again.getReconsumeTimes(), "reconsume times");
        equal(s.topic(), again.getTopic(), "topic of the retry");
        equal(id, again.getMsgId(), "message id of the retry");
    }

    /** Whatever was acked before the server died does not come again; everything else does. */
    private static void acrossRestart(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        createTopic(s, producer);
        Map<String, Integer> seen = new HashMap<>();
        popping(s, (batch, context) -> {
            synchronized (seen) {
                boolean first = false;
                for (MessageExt message : batch) {
                    int count = seen.merge(Inbox.text(message), 1, Integer::sum);
                    first |= count == 1 && Inbox.text(message).endsWith("7");
                }
                // Every tenth message fails the first time: it is invisible while the server is down.
                return first ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            }
        });
        Set<String> sent = send(producer, s, 0, 50);
        await(ASSIGNED_WITHIN, "all messages once", () -> seen.keySet().containsAll(sent));
        Harness.ask("@kill-restart", "@restarted");
        Set<String> more = new TreeSet<>();
        await(Scenario.SOON, "sending after the restart", () -> more.addAll(send(producer, s, 100, 120)));
        await(ASSIGNED_WITHIN + AGAIN_WITHIN, "all messages, the failed ones twice", () -> {
            synchronized (seen) {
                return seen.keySet().containsAll(more)
                    && sent.stream().filter(body -> body.endsWith("7")).allMatch(body -> seen.get(body) >= 2);
            }
        });
    }
}
