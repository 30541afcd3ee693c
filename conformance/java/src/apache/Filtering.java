package conformance;

import static conformance.Scenario.await;
import static conformance.Scenario.check;
import static conformance.Scenario.equal;

import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Which messages a group gets: SQL92 expressions (the reference needs enablePropertyFilter=true), and members that do not agree. */
final class Filtering {
    private static final int SUBSCRIPTION_PARSE_FAILED = 23;
    private static final int QUEUES = 4;
    /** The server's notice may come between two rounds of a client; its own next round is 20 s later. */
    private static final int REBALANCED_WITHIN = 45;
    /** A client of 4.x notices only after 30 s that the answer to its pull will never come. */
    private static final int PULLED_AGAIN_WITHIN = 60;
    /** Every third of the messages that {@link #send} sends has no amount. */
    static final String LARGE_IN_BERLIN = "amount > 9 AND (city = 'Berlin' OR city IS NULL) AND TAGS IN ('paid', 'sent')";

    private Filtering() {}

    static void register(Harness harness) {
        harness.scenario("sql-filter-push", Filtering::push);
        harness.scenario("sql-filter-lite-pull", Filtering::litePull);
        harness.scenario("sql-filter-refused-with-its-place", Filtering::refused);
        harness.scenario("members-subscribe-differently", Filtering::differently);
        harness.scenario("members-subscribe-to-other-topics", Filtering::otherTopics);
        harness.restarting("sql-filter-kill-restart", Filtering::acrossRestart);
    }

    /** Sends numbered messages and gives back the bodies of those that {@link #LARGE_IN_BERLIN} wants. */
    static Set<String> send(DefaultMQProducer producer, String topic, int from, int to) throws Exception {
        Set<String> wanted = new TreeSet<>();
        for (int i = from; i < to; i++) {
            Message message = Sending.message(topic, "m" + i);
            message.setTags(i % 5 == 0 ? "open" : "paid");
            if (i % 3 != 0) {
                message.putUserProperty("amount", "" + i);
            }
            if (i % 2 == 0) {
                message.putUserProperty("city", i % 4 == 0 ? "Berlin" : "北京");
            }
            Sending.send(producer, message);
            if (i > 9 && i % 3 != 0 && i % 5 != 0 && (i % 2 == 1 || i % 4 == 0)) {
                wanted.add("m" + i);
            }
        }
        return wanted;
    }

    private static DefaultMQPushConsumer consume(Scenario s, String group, String sql, Inbox inbox) throws Exception {
        DefaultMQPushConsumer consumer = s.pushConsumer(group);
        consumer.subscribe(s.topic(), MessageSelector.bySql(sql));
        consumer.registerMessageListener(inbox);
        consumer.start();
        return consumer;
    }

    private static void push(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        Set<String> wanted = send(producer, s.topic(), 0, 60);
        Inbox inbox = new Inbox();
        consume(s, s.group(), LARGE_IN_BERLIN, inbox);
        Inbox chinese = new Inbox();
        consume(s, s.group("chinese"), "city = '北京' AND amount BETWEEN 2 AND 10", chinese);
        inbox.awaitBodies(wanted);
        chinese.awaitBodies(Set.of("m2", "m10"));
        // Now both wait at the end of their queues.
        wanted.addAll(send(producer, s.topic(), 100, 160));
        inbox.awaitBodies(wanted);
        equal(wanted.size(), inbox.size(), "messages, each once");
        chinese.awaitBodies(Set.of("m2", "m10"));
    }

    private static void litePull(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        Set<String> wanted = send(producer, s.topic(), 0, 60);
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(s.group());
        s.configure(consumer);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setPullThreadNums(2);
        s.closeAtEnd(consumer::shutdown);
        consumer.subscribe(s.topic(), MessageSelector.bySql(LARGE_IN_BERLIN));
        consumer.start();
        Set<String> got = new TreeSet<>();
        await(Scenario.SOON, "the wanted messages", () -> {
            for (MessageExt message : consumer.poll(200)) {
                got.add(Inbox.text(message));
            }
            return got.containsAll(wanted);
        });
        equal(wanted, got, "messages");
    }

    private static void refused(Scenario s) throws Exception {
        Sending.send(s.producer(), Sending.message(s.topic(), "m"));
        Exception refusal = Scenario.thrown("a broken expression", () -> consume(s, s.group(), "amount > 5 AND city ==", new Inbox()));
        check(refusal instanceof MQClientException, "a broken expression: " + refusal);
        MQClientException refused = (MQClientException) refusal;
        equal(SUBSCRIPTION_PARSE_FAILED, refused.getResponseCode(), "code of the refusal");
        String text = "" + refused.getErrorMessage();
        check(text.contains("column 22") && text.endsWith("^") || Scenario.REFERENCE, "the place is not told: " + text);
    }

    private static DefaultMQPushConsumer join(Scenario s, String topic, MessageSelector selector, Inbox inbox) throws Exception {
        DefaultMQPushConsumer consumer = s.pushConsumer(s.group());
        consumer.subscribe(topic, selector);
        consumer.registerMessageListener(inbox);
        consumer.start();
        return consumer;
    }

    private static Set<Integer> queuesOf(DefaultMQPushConsumer consumer, String topic) {
        Set<Integer> queues = new TreeSet<>();
        for (MessageQueue queue : consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet()) {
            if (queue.getTopic().equals(topic)) {
                queues.add(queue.getQueueId());
            }
        }
        return queues;
    }

    private static void createTopic(DefaultMQProducer producer, String topic) throws Exception {
        Compat.createTopic(producer, topic, QUEUES);
        await(Scenario.SOON, "route", () -> producer.fetchPublishMessageQueues(topic).size() == QUEUES);
    }

    /** One message with this tag to each queue. */
    private static void sendToAll(DefaultMQProducer producer, String topic, String tag, int number) throws Exception {
        for (int queue = 0; queue < QUEUES; queue++) {
            Message message = Sending.message(topic, tag + number + "@" + queue);
            message.setTags(tag);
            producer.send(message, (queues, unused, arg) -> queues.get((Integer) arg), queue);
        }
    }

    private static Set<String> expected(String tag, int numbers, Set<Integer> queues) {
        Set<String> bodies = new TreeSet<>();
        for (int number = 0; number < numbers; number++) {
            for (int queue : queues) {
                bodies.add(tag + number + "@" + queue);
            }
        }
        return bodies;
    }

    /** The wrong way to use a group: each member gets what it asked for, from the queues that are its own. */
    private static void differently(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        createTopic(producer, s.topic());
        Inbox paid = new Inbox();
        Inbox open = new Inbox();
        DefaultMQPushConsumer first = join(s, s.topic(), MessageSelector.byTag("paid"), paid);
        DefaultMQPushConsumer second = join(s, s.topic(), MessageSelector.bySql("TAGS = 'open'"), open);
        await(REBALANCED_WITHIN, "two queues each", () -> queuesOf(first, s.topic()).size() == 2 && queuesOf(second, s.topic()).size() == 2);
        if (Scenario.REFERENCE) {
            return;
        }
        for (int number = 0; number < 10; number++) {
            sendToAll(producer, s.topic(), "paid", number);
            sendToAll(producer, s.topic(), "open", number);
        }
        paid.awaitBodies(expected("paid", 10, queuesOf(first, s.topic())));
        open.awaitBodies(expected("open", 10, queuesOf(second, s.topic())));
    }

    /** Clients divide a topic among all members, so half of it waits; nothing of it is lost when the other one leaves. */
    private static void otherTopics(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        String[] topics = {s.topic("a"), s.topic("b")};
        Inbox[] inboxes = {new Inbox(), new Inbox()};
        DefaultMQPushConsumer[] members = new DefaultMQPushConsumer[2];
        for (int i = 0; i < 2; i++) {
            createTopic(producer, topics[i]);
        }
        for (int i = 0; i < 2; i++) {
            members[i] = join(s, topics[i], MessageSelector.byTag("*"), inboxes[i]);
        }
        await(REBALANCED_WITHIN, "two queues each", () -> queuesOf(members[0], topics[0]).size() == 2 && queuesOf(members[1], topics[1]).size() == 2);
        if (Scenario.REFERENCE) {
            return;
        }
        for (int i = 0; i < 2; i++) {
            sendToAll(producer, topics[i], "x", 0);
            inboxes[i].awaitBodies(expected("x", 1, queuesOf(members[i], topics[i])));
        }
        members[0].shutdown();
        inboxes[1].awaitBodies(expected("x", 1, Set.of(0, 1, 2, 3)));
    }

    /** A group goes on with its expression behind a server that has lost its memory. */
    private static void acrossRestart(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        Set<String> wanted = send(producer, s.topic(), 0, 60);
        Inbox inbox = new Inbox();
        consume(s, s.group(), LARGE_IN_BERLIN, inbox);
        inbox.awaitBodies(wanted);
        Harness.ask("@kill-restart", "@restarted");
        await(Scenario.SOON, "sending after the restart", () -> wanted.addAll(send(producer, s.topic(), 100, 160)));
        await(PULLED_AGAIN_WITHIN, "all wanted messages", () -> inbox.bodies().containsAll(wanted));
        equal(wanted, inbox.bodies(), "messages");
    }
}
