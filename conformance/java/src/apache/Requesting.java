package conformance;

import static conformance.Scenario.await;
import static conformance.Scenario.check;
import static conformance.Scenario.equal;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages that are answered: request (an ordinary send), reply (325), and its way back to who asked (326). */
final class Requesting {
    private static final long TIMEOUT_MILLIS = 30_000;
    private static final int SYSTEM_ERROR = 1;
    private static final boolean REFERENCE = System.getenv("KEROLOX_REFERENCE") != null;

    private Requesting() {}

    /** @param waits whether the client's waiting {@code request()} works: in 5.3.3 it times out at once. */
    static void register(Harness harness, boolean waits) {
        if (waits) {
            harness.scenario("request-reply", Requesting::waiting);
        }
        harness.scenario("request-reply-callback", Requesting::callback);
        harness.scenario("request-reply-nobody-waits", Requesting::nobodyWaits);
        harness.scenario("request-reply-nobody-answers", Requesting::nobodyAnswers);
        harness.restarting("request-reply-kill-restart", Requesting::acrossRestart);
    }

    /** Answers each request with its body in front of which stands "re:". A reply that fails is made again later. */
    private static final class Responder implements MessageListenerConcurrently {
        final Map<String, SendResult> replied = new ConcurrentHashMap<>();
        final Map<String, Exception> failed = new ConcurrentHashMap<>();
        private final DefaultMQProducer producer;

        Responder(Scenario s) throws Exception {
            producer = s.stoppedProducer();
            producer.setRetryTimesWhenSendFailed(0);
            producer.start();
        }

        @Override
        public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> batch,
                org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext context) {
            for (MessageExt request : batch) {
                String body = Inbox.text(request);
                try {
                    replied.put(body, producer.send(MessageUtil.createReplyMessage(request, ("re:" + body).getBytes())));
                } catch (Exception e) {
                    failed.put(body, e);
                    context.setDelayLevelWhenNextConsume(1);
                    return ConsumeConcurrentlyStatus.RECONSUME_LATER;
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        }
    }

    private static Responder respond(Scenario s) throws Exception {
        Responder responder = new Responder(s);
        DefaultMQPushConsumer consumer = s.pushConsumer(s.group());
        consumer.subscribe(s.topic(), "*");
        consumer.registerMessageListener(responder);
        consumer.start();
        return responder;
    }

    private static CompletableFuture<Message> request(DefaultMQProducer producer, Message message) throws Exception {
        CompletableFuture<Message> reply = new CompletableFuture<>();
        // The form without a selector calls back as soon as the request is stored.
        producer.request(message, (queues, asked, arg) -> queues.get(0), null, new RequestCallback() {
            @Override
            public void onSuccess(Message message) {
                reply.complete(message);
            }

            @Override
            public void onException(Throwable failure) {
                reply.completeExceptionally(failure);
            }
        }, TIMEOUT_MILLIS);
        return reply;
    }

    private static String body(Message message) {
        return new String(message.getBody());
    }

    private static void waiting(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        Sending.send(producer, Sending.message(s.topic(), "no request"));
        Responder responder = respond(s);
        for (int i = 0; i < 20; i++) {
            // Every fourth is long enough to be compressed, on its way and back.
            String text = i % 4 == 0 ? "-".repeat(10_000) + i : "short" + i;
            Message request = Sending.message(s.topic(), text);
            Message reply = producer.request(request, TIMEOUT_MILLIS);
            equal("re:" + text, body(reply), "reply");
            equal(request.getProperty(MessageConst.PROPERTY_CORRELATION_ID),
                reply.getProperty(MessageConst.PROPERTY_CORRELATION_ID), "correlation id");
        }
        await(Scenario.SOON, "who replied is told so", () -> responder.replied.size() == 20);
        check(responder.replied.values().stream().allMatch(sent -> sent.getOffsetMsgId().length() == 32),
            "a reply is a stored message with an id");
        // The reference knows a client from its first heartbeat on, not from its first request.
        check(REFERENCE || responder.failed.keySet().equals(Set.of("no request")), "failed replies: " + responder.failed);
    }

    private static void callback(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        Sending.send(producer, Sending.message(s.topic(), "no request"));
        respond(s);
        List<CompletableFuture<Message>> replies = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            replies.add(request(producer, Sending.message(s.topic(), "m" + i)));
        }
        for (int i = 0; i < 50; i++) {
            equal("re:m" + i, body(replies.get(i).get(TIMEOUT_MILLIS, TimeUnit.MILLISECONDS)), "reply");
        }
    }

    private static void nobodyWaits(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        request(producer, Sending.message(s.topic(), "asked"));
        await(Scenario.SOON, "the request is stored", () -> !producer.fetchPublishMessageQueues(s.topic()).isEmpty());
        producer.shutdown();
        Responder responder = respond(s);
        await(Scenario.SOON, "who replies to nobody is told so", () -> responder.failed.containsKey("asked"));
        Exception failure = responder.failed.get("asked");
        Refusals.refused("a reply to nobody", SYSTEM_ERROR, () -> {
            throw failure;
        });
    }

    private static void nobodyAnswers(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        Exception thrown = Scenario.thrown("a request nobody answers",
            () -> producer.request(Sending.message(s.topic(), "asked"), 1_500));
        check(thrown instanceof RequestTimeoutException, "a request nobody answers: " + thrown);
    }

    /** The server dies between request and reply: the requester gets its reply all the same, and later ones, too. */
    private static void acrossRestart(Scenario s) throws Exception {
        DefaultMQProducer producer = s.producer();
        CompletableFuture<Message> before = request(producer, Sending.message(s.topic(), "before"));
        await(Scenario.SOON, "the request is stored", () -> !producer.fetchPublishMessageQueues(s.topic()).isEmpty());
        Harness.ask("@kill-restart", "@restarted");
        respond(s);
        equal("re:before", body(before.get(TIMEOUT_MILLIS, TimeUnit.MILLISECONDS)), "reply after the restart");
        Message after = request(producer, Sending.message(s.topic(), "after")).get(TIMEOUT_MILLIS, TimeUnit.MILLISECONDS);
        equal("re:after", body(after), "reply to a request after the restart");
    }
}
