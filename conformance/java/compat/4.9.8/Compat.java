package conformance;

import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.common.protocol.body.LockBatchRequestBody;
import org.apache.rocketmq.common.protocol.heartbeat.MessageModel;

/** Where this client's names differ from the other versions'. */
final class Compat {
    /** Part of topic and group names, so that several versions can share a server. */
    static final String NAME = "498";

    private Compat() {}

    /** Registers what only some versions can do. */
    static void registerMore(Harness harness) {
        Batches.register(harness);
        Filtering.register(harness);
        LitePulling.register(harness);
        Ordering.register(harness);
        Requesting.register(harness, true);
        Transactions.register(harness);
    }

    static void setPollNameServerInterval(ClientConfig client, int millis) {
        client.setPollNameServerInterval(millis);
    }

    static void setBroadcasting(DefaultMQPushConsumer consumer) {
        consumer.setMessageModel(MessageModel.BROADCASTING);
    }

    static void createTopic(DefaultMQProducer producer, String topic, int queues) throws MQClientException {
        producer.createTopic("TBW102", topic, queues);
    }

    /** Commits an offset and waits for the answer; false when this client cannot. */
    static boolean commitAnswered(DefaultMQPullConsumer consumer, MessageQueue queue, long offset) throws Exception {
        consumer.getDefaultMQPullConsumerImpl().getOffsetStore().updateConsumeOffsetToBroker(queue, offset, false);
        return true;
    }

    /** Locks a queue in somebody's name; false when somebody else holds it. */
    static boolean lock(DefaultMQProducer producer, String group, String clientId, MessageQueue queue) throws Exception {
        LockBatchRequestBody body = new LockBatchRequestBody();
        body.setConsumerGroup(group);
        body.setClientId(clientId);
        body.getMqSet().add(queue);
        MQClientInstance client = producer.getDefaultMQProducerImpl().getmQClientFactory();
        String broker = client.findBrokerAddressInPublish(queue.getBrokerName());
        return client.getMQClientAPIImpl().lockBatchMQ(broker, body, 3_000).contains(queue);
    }
}
