package conformance;

import static conformance.Scenario.equal;

import java.util.concurrent.Callable;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** What the server refuses, and with which code: clients act on the code. */
final class Refusals {
    private static final int MESSAGE_ILLEGAL = 13;
    private static final int TOPIC_NOT_EXIST = 17;
    private static final int INVALID_PARAMETER = 29;

    private Refusals() {}

    static void register(Harness harness) {
        harness.scenario("wrong-queue-id", Refusals::wrongQueueId);
        harness.scenario("unknown-topic", Refusals::unknownTopic);
        harness.scenario("illegal-names", Refusals::illegalNames);
        harness.scenario("properties-over-32-kib", Refusals::longProperties);
    }

    /** Checks that the broker answers the call with this code. */
    static void refused(String what, int code, Callable<?> call) {
        Exception refusal = Scenario.thrown(what, call);
        Throwable cause = refusal;
        while (cause != null && !(cause instanceof MQBrokerException)) {
            cause = cause.getCause();
        }
        if (cause == null) {
            // Old clients put the broker's answer into an exception of their own.
            Scenario.check(refusal instanceof MQClientException, what + ": not answered by the broker: " + refusal);
            equal(code, ((MQClientException) refusal).getResponseCode(), what + ": " + refusal);
            return;
        }
        equal(code, ((MQBrokerException) cause).getResponseCode(), what + ": " + cause);
    }

    private static void wrongQueueId(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        MessageQueue known = Sending.send(producer, Sending.message(s.topic(), "m")).getMessageQueue();
        MessageQueue wrong = new MessageQueue(s.topic(), known.getBrokerName(), 99);
        refused("send to queue 99", INVALID_PARAMETER, () -> producer.send(Sending.message(s.topic(), "m"), wrong));

        DefaultMQPullConsumer consumer = s.pullConsumer(s.group());
        consumer.pull(known, "*", 0, 1);
        refused("pull from queue 99", INVALID_PARAMETER, () -> consumer.pull(wrong, "*", 0, 1));
        Sending.send(producer, Sending.message(s.topic(), "the connection still works"));
    }

    private static void unknownTopic(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        MessageQueue known = Sending.send(producer, Sending.message(s.topic(), "m")).getMessageQueue();
        MessageQueue unknown = new MessageQueue(s.topic("unknown"), known.getBrokerName(), 0);

        DefaultMQPullConsumer consumer = s.pullConsumer(s.group());
        // The client learns the broker's address with its first pull.
        consumer.pull(known, "*", 0, 1);
        refused("pull from an unknown topic", TOPIC_NOT_EXIST, () -> consumer.pull(unknown, "*", 0, 1));

        // No template of this name exists, so the broker may not create the topic.
        producer.setCreateTopicKey(s.topic("no_template"));
        refused("send without a template", TOPIC_NOT_EXIST, () -> producer.send(Sending.message(s.topic("unknown"), "m"), unknown));
        Exception noRoute = Scenario.thrown("send without a route", () -> producer.send(Sending.message(s.topic("unknown2"), "m")));
        Scenario.check(noRoute instanceof MQClientException, "send without a route: " + noRoute);
    }

    private static void illegalNames(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        String broker = Sending.send(producer, Sending.message(s.topic(), "m")).getMessageQueue().getBrokerName();
        // The client lets the name of a system topic pass when the queue is given.
        MessageQueue system = new MessageQueue("SCHEDULE_TOPIC_XXXX", broker, 0);
        Exception refusal = Scenario.thrown("send to a system topic", () -> producer.send(Sending.message("SCHEDULE_TOPIC_XXXX", "m"), system));
        Scenario.check(refusal instanceof MQClientException || refusal instanceof MQBrokerException, "send to a system topic: " + refusal);

        Exception slash = Scenario.thrown("create a topic with a slash", () -> {
            Compat.createTopic(producer, "with/slash", 1);
            return "created";
        });
        Scenario.check(slash instanceof MQClientException, "create a topic with a slash: " + slash);
        Exception gone = Scenario.thrown("route of a topic with a slash", () -> producer.fetchPublishMessageQueues("with/slash"));
        Scenario.check(gone.toString().contains("Can not find"), "route of a topic with a slash: " + gone);
    }

    private static void longProperties(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        Message message = Sending.message(s.topic(), "m");
        message.putUserProperty("long", "x".repeat(32_000));
        Sending.send(producer, message);
        message.putUserProperty("longer", "x".repeat(1_000));
        refused("33,000 characters of properties", MESSAGE_ILLEGAL, () -> producer.send(message));
    }
}
