import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.rocketmq.broker.BrokerController;
import org.apache.rocketmq.broker.BrokerStartup;
import org.apache.rocketmq.namesrv.NamesrvController;
import org.apache.rocketmq.namesrv.NamesrvStartup;
import sun.misc.Signal;

/** Starts the reference's name server and broker as `kerolox serve` would be started; see the script beside. */
public final class Reference {
    public static void main(String[] args) throws Exception {
        Map<String, String> settings = new HashMap<>();
        Path data = null;
        for (int i = 1; i < args.length; i += 2) {
            switch (args[i]) {
                case "--data" -> data = Path.of(args[i + 1]);
                case "--set" -> settings.put(args[i + 1].split("=", 2)[0], args[i + 1].split("=", 2)[1]);
                default -> throw new IllegalArgumentException(args[i]);
            }
        }
        System.setProperty("rocketmq.home.dir", data.toString());
        System.setProperty("user.home", data.toString());
        String namesrv = settings.get("listen.namesrv");

        Path namesrvConf = Files.writeString(data.resolve("namesrv.conf"), "listenPort=" + port(namesrv) + "\n");
        NamesrvStartup.parseCommandlineAndConfigFile(new String[] {"-c", namesrvConf.toString()});
        NamesrvController controller = NamesrvStartup.createAndStartNamesrvController();

        // A JVM that has just started is slow; a send that waited 200 ms would be refused as busy.
        Path brokerConf = Files.writeString(data.resolve("broker.conf"), String.join("\n",
            "brokerClusterName=DefaultCluster", "brokerName=broker-a", "brokerId=0", "brokerRole=ASYNC_MASTER",
            "flushDiskType=ASYNC_FLUSH", "listenPort=" + port(settings.get("listen.broker")), "brokerIP1=127.0.0.1",
            "namesrvAddr=" + namesrv, "storePathRootDir=" + data.resolve("store"),
            "storePathCommitLog=" + data.resolve("store/commitlog"), "mappedFileSizeCommitLog=67108864",
            "autoCreateTopicEnable=true", "enablePropertyFilter=true", "diskMaxUsedSpaceRatio=95", "waitTimeMillsInSendQueue=10000",
            "messageDelayLevel=" + settings.get("delay.levels"), ""));
        BrokerController broker = BrokerStartup.start(
            BrokerStartup.createBrokerController(new String[] {"-n", namesrv, "-c", brokerConf.toString()}));

        HttpServer http = HttpServer.create(
            new InetSocketAddress(InetAddress.getLoopbackAddress(), port(settings.get("listen.http"))), 0);
        http.createContext("/readyz", exchange -> {
            boolean ready = controller.getRouteInfoManager().pickupTopicRouteData("TBW102") != null;
            byte[] body = (ready ? "ready\n" : "no route yet\n").getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(ready ? 200 : 503, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        http.start();
        // Its own shutdown takes up to 30 s and ends with 143. What a stop means to a client, that
        // everything answered is kept, is done at once.
        Signal.handle(new Signal("TERM"), signal -> {
            broker.getConsumerOffsetManager().persist();
            broker.getMessageStore().flush();
            Runtime.getRuntime().halt(0);
        });
    }

    private static int port(String address) {
        return Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
    }
}
