package conformance.mqadmin;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.tools.command.MQAdminStartup;

/** The server the commands talk to, and how a command is run: in this JVM, its output caught. */
record Server(String namesrv, String broker) {
    Server {
        if (namesrv == null || broker == null) {
            throw new IllegalArgumentException("NAMESRV_ADDR and BROKER_ADDR must be set");
        }
    }

    /** What both addresses become before outputs are compared. */
    Map<String, String> placeholders() {
        Map<String, String> placeholders = new LinkedHashMap<>();
        placeholders.put(namesrv, "<namesrv>");
        placeholders.put(broker, "<broker>");
        return placeholders;
    }

    /** Runs the command and gives back what it printed: standard output, then standard error. */
    String run(List<String> command) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        PrintStream realOut = System.out;
        PrintStream realErr = System.err;
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        try {
            MQAdminStartup.main0(command.toArray(String[]::new), null);
        } finally {
            System.setOut(realOut);
            System.setErr(realErr);
        }
        String errors = err.toString(StandardCharsets.UTF_8);
        String text = out.toString(StandardCharsets.UTF_8);
        return errors.isEmpty() ? text : text + "\n" + Golden.STDERR + "\n" + errors;
    }
}
