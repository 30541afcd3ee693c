import org.apache.rocketmq.client.consumer.*;
import org.apache.rocketmq.client.consumer.listener.*;
import org.apache.rocketmq.client.producer.*;
import org.apache.rocketmq.common.message.*;

class Quickstart {
    public static void main(String[] args) throws Exception {
        var producer = new DefaultMQProducer("greeters");
        producer.setNamesrvAddr("127.0.0.1:9876");
        producer.start();
        System.out.println(producer.send(new Message("greetings", "hello".getBytes())));
        var consumer = new DefaultMQPushConsumer("listeners");
        consumer.setNamesrvAddr("127.0.0.1:9876");
        consumer.subscribe("greetings", "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (var message : messages) System.out.println("received " + new String(message.getBody()));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
    }
}
