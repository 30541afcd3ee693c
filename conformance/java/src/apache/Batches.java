package conformance;

import static conformance.Scenario.await;
import static conformance.Scenario.equal;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Several messages in one request (code 320). */
final class Batches {
    private Batches() {}

    static void register(Harness harness) {
        harness.scenario("batch-send", Batches::batch);
    }

    private static List<Message> messages(Scenario s, String prefix, int count) {
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Message message = new Message(s.topic(), "TagB", "k" + i, (prefix + i).getBytes());
            message.putUserProperty("number", "" + i);
            messages.add(message);
        }
        return messages;
    }

    private static void batch(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        SendResult first = producer.send(messages(s, "a", 10));
        equal(SendStatus.SEND_OK, first.getSendStatus(), "send status");
        equal(10, first.getMsgId().split(",").length, "message ids");
        equal(10, first.getOffsetMsgId().split(",").length, "offset message ids");
        equal(0L, first.getQueueOffset(), "offset of the first of the batch");

        // The next batch of the queue starts where this one ended.
        MessageQueue queue = first.getMessageQueue();
        equal(10L, producer.send(messages(s, "b", 5), queue).getQueueOffset(), "offset of the second batch");
        equal(15L, producer.send(Sending.message(s.topic(), "c0"), queue).getQueueOffset(), "offset after both batches");

        Inbox inbox = new Inbox();
        s.consume(s.group(), s.topic(), "*", inbox);
        Set<String> expected = Sending.numbered("a", 10);
        expected.addAll(Sending.numbered("b", 5));
        expected.add("c0");
        inbox.awaitBodies(expected);
        equal(16, inbox.size(), "messages, each once");
        Set<Long> offsets = new HashSet<>();
        for (MessageExt message : inbox.messages()) {
            offsets.add(message.getQueueOffset());
            if (!Inbox.text(message).equals("c0")) {
                equal("TagB", message.getTags(), "tags inside a batch");
                equal(Inbox.text(message).substring(1), message.getUserProperty("number"), "property inside a batch");
                equal("k" + Inbox.text(message).substring(1), message.getKeys(), "keys inside a batch");
            }
        }
        equal(16, offsets.size(), "offsets, each once");

        // Each message of a batch can be found by itself.
        String fourth = first.getOffsetMsgId().split(",")[3];
        equal("a3", Inbox.text(producer.viewMessage(s.topic(), fourth)), "message by its own offset id");
        await(Scenario.SOON, "messages by a key in two batches", () ->
            producer.queryMessage(s.topic(), "k3", 32, 0, Long.MAX_VALUE).getMessageList().size() == 2);
    }
}
