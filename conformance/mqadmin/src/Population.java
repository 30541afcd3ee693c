package conformance.mqadmin;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** What the recorded server held: twelve messages in four queues, and both groups online. */
final class Population implements AutoCloseable {
    private static final String TOPIC = "GoldenTopic";
    private static final String GROUP = "GoldenGroup";
    private static final int MESSAGES = 12;
    private static final int QUEUES = 4;
    private static final int SOON_SECONDS = 30;

    private final DefaultMQProducer producer = new DefaultMQProducer("GoldenProducer");
    private final DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(GROUP);
    private final DefaultMQAdminExt admin = new DefaultMQAdminExt();
    private final AtomicInteger consumed = new AtomicInteger();
    private final List<SendResult> sent = new ArrayList<>();

    private Population() {}

    static Population of(Server server) throws Exception {
        Population population = new Population();
        try {
            population.start(server);
        } catch (Exception e) {
            population.close();
            throw e;
        }
        return population;
    }

    private void start(Server server) throws Exception {
        configure(producer, "GoldenProducer", server);
        producer.start();
        producer.createTopic("TBW102", TOPIC, QUEUES, Map.of());
        await("route of " + TOPIC, () -> producer.fetchPublishMessageQueues(TOPIC).size() == QUEUES);
        String broker = producer.fetchPublishMessageQueues(TOPIC).get(0).getBrokerName();
        for (int i = 0; i < MESSAGES; i++) {
            String tag = i % 3 == 0 ? "TagA" : "TagB";
            byte[] body = ("golden message " + i).getBytes(StandardCharsets.UTF_8);
            Message message = new Message(TOPIC, tag, "k" + i + " all", body);
            message.putUserProperty("n", "" + i);
            sent.add(producer.send(message, new MessageQueue(TOPIC, broker, i % QUEUES)));
        }

        configure(consumer, GROUP, server);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setPersistConsumerOffsetInterval(500);
        consumer.subscribe(TOPIC, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
            consumed.addAndGet(batch.size());
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        await(MESSAGES + " messages consumed", () -> consumed.get() == MESSAGES);
        configure(admin, "GoldenAdmin", server);
        admin.start();
    }

    /** The commands print committed offsets: waits until all are. */
    void awaitCommitted() throws Exception {
        await("offsets committed", () -> admin.examineConsumeStats(GROUP, TOPIC).getOffsetTable().values().stream()
            .filter(offset -> offset.getConsumerOffset() == MESSAGES / QUEUES).count() == QUEUES);
    }

    /** A producer is known after its first heartbeat to the broker. */
    void awaitProducer() throws Exception {
        await("producer known", () -> !admin.examineProducerConnectionInfo("GoldenProducer", TOPIC).getConnectionSet().isEmpty());
    }

    /** The index of keys follows the log. */
    void awaitIndexed() throws Exception {
        await("messages in the index", () ->
            producer.queryMessage(TOPIC, "all", 32, 0, Long.MAX_VALUE).getMessageList().size() == MESSAGES);
    }

    private static void configure(ClientConfig client, String instance, Server server) {
        client.setNamesrvAddr(server.namesrv());
        client.setInstanceName(instance);
        client.setHeartbeatBrokerInterval(1_000);
        client.setPollNameServerInterval(1_000);
    }

    /** The offset id of message k3. */
    String offsetId() {
        return sent.get(3).getOffsetMsgId();
    }

    /** The id of an offset where no message is. */
    String absentOffsetId() {
        return offsetId().substring(0, 16) + "0000000000FFFFFF";
    }

    /** The unique key of message k3. */
    String uniqueKey() {
        return sent.get(3).getMsgId();
    }

    /** After a reset to the beginning everything comes again, and what sendMessage added. */
    void awaitConsumedAgain() throws Exception {
        await("consumed again after the reset: " + consumed.get() + " deliveries", () -> consumed.get() >= 2 * (MESSAGES + 1));
    }

    private static void await(String what, Callable<Boolean> condition) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(SOON_SECONDS);
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
            Thread.sleep(50);
        }
        throw new IllegalStateException("not within " + SOON_SECONDS + " s: " + what + (last == null ? "" : " (" + last + ")"));
    }

    @Override
    public void close() {
        admin.shutdown();
        consumer.shutdown();
        producer.shutdown();
    }
}
