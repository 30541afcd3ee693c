package conformance;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** Creates topics over the remoting protocol, which is where administration is; the gRPC client has none. */
final class Topics {
    private static final String[] BROKER = System.getenv("BROKER_ADDR").split(":");
    private static final int CREATE_TOPIC = 17;
    private static final int CREATE_GROUP = 200;

    private Topics() {}

    static void create(String topic, String type) throws Exception {
        String fields = "\"topic\":\"" + topic + "\",\"defaultTopic\":\"TBW102\",\"readQueueNums\":\"4\",\"writeQueueNums\":\"4\","
            + "\"perm\":\"6\",\"topicFilterType\":\"SINGLE_TAG\",\"topicSysFlag\":\"0\",\"order\":\"false\","
            + "\"attributes\":\"+message.type=" + type + "\"";
        call(CREATE_TOPIC, fields, "");
    }

    /** A group whose messages are dead after so many retries. */
    static void group(String group, int retries, boolean ordered) throws Exception {
        call(CREATE_GROUP, "", "{\"groupName\":\"" + group + "\",\"retryMaxTimes\":" + retries + ",\"consumeMessageOrderly\":"
            + ordered + ",\"consumeEnable\":true,\"consumeFromMinEnable\":true,\"consumeBroadcastEnable\":true,"
            + "\"retryQueueNums\":1,\"notifyConsumerIdsChangedEnable\":true}");
    }

    /** One request on a connection of its own: length, length of the header, header, body. */
    private static void call(int code, String fields, String text) throws Exception {
        byte[] header = ("{\"code\":" + code + ",\"flag\":0,\"language\":\"JAVA\",\"opaque\":1,\"version\":453,"
            + "\"serializeTypeCurrentRPC\":\"JSON\",\"extFields\":{" + fields + "}}").getBytes(StandardCharsets.UTF_8);
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        try (Socket socket = new Socket(BROKER[0], Integer.parseInt(BROKER[1]))) {
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            out.writeInt(4 + header.length + body.length);
            out.writeInt(header.length);
            out.write(header);
            out.write(body);
            out.flush();
            DataInputStream in = new DataInputStream(socket.getInputStream());
            in.readInt();
            byte[] answer = new byte[in.readInt()];
            in.readFully(answer);
            String told = new String(answer, StandardCharsets.UTF_8);
            Scenario.check(told.contains("\"code\":0,"), "request " + code + " is refused: " + told);
        }
    }
}
