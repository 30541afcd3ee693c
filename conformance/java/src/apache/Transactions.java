package conformance;

import static conformance.Scenario.await;
import static conformance.Scenario.check;
import static conformance.Scenario.equal;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Half messages: their commit and rollback, and the server's question what became of them.
 *
 * A message says by its body what its local transaction decides: {@code commit}, {@code rollback}, or
 * {@code unknown}, and then what the producer answers when it is asked.
 */
final class Transactions {
    /** The server asks after 6 s; the reference looks only every 30 s. */
    private static final int ASKED_WITHIN = 75;
    private static final long DELAY_MILLIS = 1_500;

    private Transactions() {}

    static void register(Harness harness) {
        harness.scenario("transaction-check-back", Transactions::checkBack);
        harness.scenario("transaction-checked-at-another-producer", Transactions::anotherProducer);
        harness.scenario("transaction-commit-rollback", Transactions::commitAndRollback);
        // The reference delays a half message instead of the committed one, and nobody finds it in time.
        if (!Scenario.REFERENCE) {
            harness.scenario("transaction-delay-begins-at-commit", Transactions::delayed);
        }
        harness.restarting("transaction-kill-restart", Transactions::acrossRestart);
    }

    /** Decides by the body, and keeps what it was asked. */
    private static final class Listener implements TransactionListener {
        final ConcurrentLinkedQueue<MessageExt> asked = new ConcurrentLinkedQueue<>();

        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object arg) {
            return decision(new String(message.getBody()).split("-")[0]);
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            asked.add(message);
            return decision(Inbox.text(message).split("-")[1]);
        }

        private static LocalTransactionState decision(String word) {
            return switch (word) {
                case "commit" -> LocalTransactionState.COMMIT_MESSAGE;
                case "rollback" -> LocalTransactionState.ROLLBACK_MESSAGE;
                default -> LocalTransactionState.UNKNOW;
            };
        }
    }

    private static TransactionMQProducer producer(Scenario s, String group, Listener listener) throws Exception {
        TransactionMQProducer producer = new TransactionMQProducer(group);
        s.configure(producer);
        producer.setSendMsgTimeout(10_000);
        producer.setTransactionListener(listener);
        s.closeAtEnd(producer::shutdown);
        producer.start();
        return producer;
    }

    private static TransactionSendResult send(TransactionMQProducer producer, Message message) throws Exception {
        TransactionSendResult result = producer.sendMessageInTransaction(message, null);
        equal(SendStatus.SEND_OK, result.getSendStatus(), "send status");
        return result;
    }

    private static void send(TransactionMQProducer producer, String topic, String... bodies) throws Exception {
        for (String body : bodies) {
            send(producer, Sending.message(topic, body));
        }
    }

    private static void commitAndRollback(Scenario s) throws Exception {
        TransactionMQProducer producer = producer(s, s.group("producer"), new Listener());
        Inbox inbox = new Inbox();
        s.consume(s.group(), s.topic(), "TagT", inbox);
        Set<String> committed = new TreeSet<>();
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            String word = i % 2 == 0 ? "commit" : "rollback";
            Message message = new Message(s.topic(), "TagT", "key" + i, (word + "-" + i).getBytes());
            message.putUserProperty("number", "" + i);
            TransactionSendResult result = send(producer, message);
            equal(result.getMsgId(), result.getTransactionId(), "transaction id");
            if (i % 2 == 0) {
                committed.add(word + "-" + i);
                ids.add(result.getMsgId());
            }
        }
        inbox.awaitBodies(committed);
        equal(10, inbox.size(), "messages, each once");
        for (MessageExt message : inbox.messages()) {
            check(ids.contains(message.getMsgId()), "id of a committed message " + message.getMsgId());
            equal(Inbox.text(message).split("-")[1], message.getUserProperty("number"), "property of a committed message");
            equal("key" + message.getUserProperty("number"), message.getKeys(), "keys of a committed message");
            check(message.getPreparedTransactionOffset() > 0, "a committed message does not name its half message");
        }
        await(Scenario.SOON, "a committed message by its key", () ->
            producer.queryMessage(s.topic(), "key0", 8, 0, Long.MAX_VALUE).getMessageList().size() == 1);
    }

    private static void checkBack(Scenario s) throws Exception {
        Listener listener = new Listener();
        TransactionMQProducer producer = producer(s, s.group("producer"), listener);
        Inbox inbox = new Inbox();
        s.consume(s.group(), s.topic(), "*", inbox);
        TransactionSendResult sent = send(producer, Sending.message(s.topic(), "unknown-commit"));
        send(producer, s.topic(), "unknown-rollback", "commit-now");
        await(ASKED_WITHIN, "the server asks about both", () -> listener.asked.size() >= 2);
        inbox.awaitBodies(Set.of("commit-now", "unknown-commit"));
        for (MessageExt message : listener.asked) {
            equal(s.topic(), message.getTopic(), "topic the producer is asked about");
            if (Inbox.text(message).equals("unknown-commit")) {
                equal(sent.getTransactionId(), message.getTransactionId(), "transaction id the producer is asked about");
            }
        }
        equal(2, inbox.size(), "messages, each once");
    }

    private static void anotherProducer(Scenario s) throws Exception {
        TransactionMQProducer first = producer(s, s.group("producer"), new Listener());
        Inbox inbox = new Inbox();
        s.consume(s.group(), s.topic(), "*", inbox);
        send(first, s.topic(), "unknown-commit");
        first.shutdown();
        Listener listener = new Listener();
        TransactionMQProducer second = producer(s, s.group("producer"), listener);
        // A producer meets the broker with its first message.
        send(second, s.topic("other"), "commit-hello");
        await(ASKED_WITHIN, "the server asks the producer that is left", () -> !listener.asked.isEmpty());
        inbox.awaitBodies(Set.of("unknown-commit"));
        equal(1, inbox.size(), "messages, each once");
    }

    private static void delayed(Scenario s) throws Exception {
        TransactionMQProducer producer = producer(s, s.group("producer"), new Listener());
        Inbox inbox = new Inbox();
        s.consume(s.group(), s.topic(), "*", inbox);
        send(producer, s.topic(), "commit-now");
        inbox.awaitBodies(Set.of("commit-now"));
        Message message = Sending.message(s.topic(), "commit-later");
        MessageAccessor.putProperty(message, "TIMER_DELAY_MS", "" + DELAY_MILLIS);
        long before = System.currentTimeMillis();
        send(producer, message);
        inbox.awaitBodies(Set.of("commit-now", "commit-later"));
        check(System.currentTimeMillis() - before >= DELAY_MILLIS, "a delayed transaction message came early");
        equal(2, inbox.size(), "messages, each once");
    }

    private static void acrossRestart(Scenario s) throws Exception {
        Listener listener = new Listener();
        TransactionMQProducer producer = producer(s, s.group("producer"), listener);
        send(producer, s.topic(), "commit-0", "rollback-0", "unknown-commit-0", "unknown-rollback-0", "commit-1");
        Inbox inbox = new Inbox();
        s.consume(s.group(), s.topic(), "*", inbox);
        inbox.awaitBodies(Set.of("commit-0", "commit-1"));
        Harness.ask("@kill-restart", "@restarted");
        await(ASKED_WITHIN, "the server asks about both that are left", () -> listener.asked.size() >= 2);
        inbox.awaitBodies(Set.of("commit-0", "commit-1", "unknown-commit-0"));
        await(Scenario.SOON, "a transaction after the restart", () -> {
            send(producer, s.topic(), "commit-2");
            return true;
        });
        await(Scenario.SOON, "its message", () -> inbox.bodies().contains("commit-2"));
        check(inbox.bodies().stream().noneMatch(body -> body.contains("rollback")), "rolled back and consumed: " + inbox.bodies());
    }
}
