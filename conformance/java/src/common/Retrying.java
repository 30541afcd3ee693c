package conformance;

import static conformance.Scenario.await;
import static conformance.Scenario.check;
import static conformance.Scenario.equal;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Messages a listener did not take: again later, and at last in the dead-letter topic. */
final class Retrying {
    private Retrying() {}

    static void register(Harness harness) {
        harness.scenario("retry-then-dead-letter", Retrying::deadLetter);
        harness.scenario("retry-then-success", Retrying::secondTime);
    }

    /** What the listener saw, and when. */
    private record Delivery(MessageExt message, int reconsumeTimes, long at) {}

    private static DefaultMQPushConsumer refusing(Scenario s, int refusals, int maxReconsumeTimes, List<Delivery> deliveries)
            throws Exception {
        DefaultMQPushConsumer consumer = s.pushConsumer(s.group());
        consumer.setMaxReconsumeTimes(maxReconsumeTimes);
        consumer.subscribe(s.topic(), "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
            boolean accept = true;
            for (MessageExt message : batch) {
                deliveries.add(new Delivery(message, message.getReconsumeTimes(), System.currentTimeMillis()));
                accept &= message.getReconsumeTimes() >= refusals;
            }
            return accept ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER;
        });
        consumer.start();
        return consumer;
    }

    private static void deadLetter(Scenario s) throws Exception {
        Message sent = new Message(s.topic(), "TagR", "key-of-dead", "refused".getBytes());
        sent.putUserProperty("colour", "black");
        SendResult result = Sending.send(s.producer(), sent);
        List<Delivery> deliveries = new CopyOnWriteArrayList<>();
        refusing(s, Integer.MAX_VALUE, 2, deliveries);

        await(45, "three deliveries", () -> deliveries.size() == 3);
        for (int i = 0; i < 3; i++) {
            equal(i, deliveries.get(i).reconsumeTimes, "reconsume times of delivery " + i);
            equal(s.topic(), deliveries.get(i).message.getTopic(), "topic the listener sees");
        }
        // Levels are one second; the first retry is written at once and due a second later.
        for (int i = 1; i < 3; i++) {
            long waited = deliveries.get(i).at - deliveries.get(i - 1).at;
            check(waited >= 950, "retry " + i + " came after " + waited + " ms");
        }

        DefaultMQPullConsumer pulling = s.pullConsumer(s.group("dlq"));
        MessageQueue dead = new MessageQueue("%DLQ%" + s.group(), result.getMessageQueue().getBrokerName(), 0);
        pulling.fetchSubscribeMessageQueues(s.topic());
        await(45, "a dead letter", () -> pulling.pull(dead, "*", 0, 32).getPullStatus() == PullStatus.FOUND);
        PullResult pulled = pulling.pull(dead, "*", 0, 32);
        equal(1, pulled.getMsgFoundList().size(), "dead letters");
        MessageExt letter = pulled.getMsgFoundList().get(0);
        equal("refused", Inbox.text(letter), "body of the dead letter");
        equal("TagR", letter.getTags(), "tags of the dead letter");
        equal("key-of-dead", letter.getKeys(), "keys of the dead letter");
        equal("black", letter.getUserProperty("colour"), "user property of the dead letter");
        equal(s.topic(), letter.getProperty("RETRY_TOPIC"), "RETRY_TOPIC of the dead letter");
        equal(result.getOffsetMsgId(), letter.getProperty("ORIGIN_MESSAGE_ID"), "ORIGIN_MESSAGE_ID of the dead letter");
        equal(3, letter.getReconsumeTimes(), "reconsume times of the dead letter");
        equal(3, deliveries.size(), "deliveries after the dead letter");
    }

    private static void secondTime(Scenario s) throws Exception {
        SendResult result = Sending.send(s.producer(), Sending.message(s.topic(), "later"));
        List<Delivery> deliveries = new CopyOnWriteArrayList<>();
        refusing(s, 1, 16, deliveries);
        await(45, "two deliveries", () -> deliveries.size() == 2);
        MessageExt again = deliveries.get(1).message;
        equal(1, again.getReconsumeTimes(), "reconsume times");
        equal("later", Inbox.text(again), "body");
        equal(result.getMsgId(), again.getMsgId(), "message id of the retry");
        equal(result.getOffsetMsgId(), again.getProperty("ORIGIN_MESSAGE_ID"), "ORIGIN_MESSAGE_ID");
    }
}
