package conformance;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageExt;

/** A listener that keeps what it got. */
final class Inbox implements MessageListenerConcurrently {
    private final List<MessageExt> messages = new ArrayList<>();

    @Override
    public synchronized ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> batch, ConsumeConcurrentlyContext context) {
        messages.addAll(batch);
        return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    }

    synchronized List<MessageExt> messages() {
        return new ArrayList<>(messages);
    }

    synchronized int size() {
        return messages.size();
    }

    /** The distinct bodies, sorted. */
    Set<String> bodies() {
        Set<String> bodies = new TreeSet<>();
        for (MessageExt message : messages()) {
            bodies.add(text(message));
        }
        return bodies;
    }

    /** Waits until exactly these bodies have come; more than asked for fails at once. */
    void awaitBodies(Set<String> expected) throws InterruptedException {
        Scenario.await(Scenario.SOON, "messages " + expected.size() + " of them", () -> {
            Set<String> unexpected = bodies();
            unexpected.removeAll(expected);
            Scenario.check(unexpected.isEmpty(), "unexpected messages " + unexpected);
            return bodies().equals(expected);
        });
    }

    static String text(MessageExt message) {
        return new String(message.getBody(), StandardCharsets.UTF_8);
    }
}
