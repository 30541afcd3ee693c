import time
from rocketmq.client import Message, Producer, PushConsumer

producer = Producer("greeters")
producer.set_namesrv_addr("127.0.0.1:9876")
producer.start()
message = Message("greetings")
message.set_body("hello")
print(producer.send_sync(message))

consumer = PushConsumer("listeners")
consumer.set_namesrv_addr("127.0.0.1:9876")
consumer.subscribe("greetings", lambda message: print("received", message.body, flush=True))
consumer.start()
time.sleep(60)
