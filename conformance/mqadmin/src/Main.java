package conformance.mqadmin;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * Repeats the recorded run of the admin tool and compares what it prints.
 *
 * The recordings and their data are described in the README of the golden folder, which lies beside
 * the work tree. Commands run in the order of the recording, because they build on each other: a
 * topic is created, listed, deleted. Where we print something else on purpose, docs/deviations.md
 * says what and why, and exactly that must be printed.
 */
final class Main {
    /** Commands whose output is compared line by line, by the number of their recording. */
    private static final Set<String> COMPARED = Set.of(
        "01", "03", "04", "05", "06", "08", "10", "14", "16", "17", "19", "20", "21", "33", "34", "35", "36", "40", "41",
        "46", "59", "60", "61", "62", "63", "64", "65", "67", "69", "70", "71", "72");
    /** Commands that print one line per key: the keys people and dashboards read must be there. */
    private static final Set<String> KEYS = Set.of("23", "25");

    private static final PrintStream OUT = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

    private boolean failed;

    private Main() {}

    public static void main(String[] args) throws Exception {
        Path here = Path.of(args[0]);
        Path root = Path.of(args[1]);
        // Clients leave threads behind that are no daemons.
        System.exit(new Main().run(here, root) ? 0 : 1);
    }

    private boolean run(Path here, Path root) throws Exception {
        Path golden = root.resolve("../shared/golden/mqadmin").normalize();
        if (!Files.isDirectory(golden)) {
            OUT.println("FAIL golden: no folder shared/golden/mqadmin beside the work tree; the recordings are not part of it");
            return false;
        }
        boolean reference = System.getenv("KEROLOX_REFERENCE") != null;
        Deviations deviations = reference ? Deviations.none() : Deviations.read(root.resolve("docs/deviations.md"));
        RequiredKeys required = RequiredKeys.read(here.resolve("required-keys"));
        Server server = new Server(System.getenv("NAMESRV_ADDR"), System.getenv("BROKER_ADDR"));

        try (Population population = Population.of(server)) {
            step("00-offsets-committed", population::awaitCommitted);
            step("00-producer-known", population::awaitProducer);
            step("00-messages-indexed", population::awaitIndexed);
            Set<String> ran = new TreeSet<>();
            for (Golden recording : Golden.all(golden)) {
                if (COMPARED.contains(recording.number())) {
                    step(recording.name(), () -> compare(recording, server, population, deviations));
                    ran.add(recording.name());
                } else if (KEYS.contains(recording.number())) {
                    step(recording.name(), () -> required.check(recording.name(), server.run(recording.command(server, population))));
                    ran.add(recording.name());
                }
                if (recording.number().equals("46")) {
                    step("46-group-consumes-again", population::awaitConsumedAgain);
                }
            }
            step("every-recording-found", () -> {
                if (ran.size() != COMPARED.size() + KEYS.size()) {
                    throw new IllegalStateException("ran only " + ran);
                }
            });
            step("every-deviation-concerns-a-command", () -> deviations.checkCommands(ran));
        }
        return !failed;
    }

    private interface Step {
        void run() throws Exception;
    }

    private void step(String name, Step step) {
        long started = System.nanoTime();
        try {
            step.run();
            OUT.println("PASS " + name + " (" + (System.nanoTime() - started) / 1_000_000 + " ms)");
        } catch (Exception e) {
            failed = true;
            String reason = e instanceof IllegalStateException ? e.getMessage() : e.toString();
            OUT.println("FAIL " + name + ": " + reason.lines().findFirst().orElse("no reason"));
            reason.lines().skip(1).forEach(line -> OUT.println("    " + line));
        }
    }

    private static void compare(Golden recording, Server server, Population population, Deviations deviations) throws Exception {
        List<String> expected = recording.expected();
        List<String> printed = Normal.lines(server.run(recording.command(server, population)), server.placeholders());
        if (recording.isUnordered()) {
            expected = expected.stream().sorted().toList();
            printed = printed.stream().sorted().toList();
        }
        List<String> missing = minus(expected, printed);
        List<String> added = minus(printed, expected);
        Deviations.Difference allowed = deviations.of(recording.name());
        boolean same = allowed.isEmpty() ? expected.equals(printed) : allowed.equals(new Deviations.Difference(missing, added));
        if (!same) {
            StringBuilder text = new StringBuilder(allowed.isEmpty()
                ? "prints something else than the recording"
                : "does not differ from the recording as docs/deviations.md says");
            missing.forEach(line -> text.append("\n- ").append(line));
            added.forEach(line -> text.append("\n+ ").append(line));
            if (missing.isEmpty() && added.isEmpty()) {
                text.append(allowed.isEmpty() ? "\nthe same lines in another order" : "\nnothing differs");
            }
            throw new IllegalStateException(text.toString());
        }
    }

    /** The lines of {@code from} that are not in {@code of}, each as often as it is more there. */
    private static List<String> minus(List<String> from, List<String> of) {
        List<String> rest = new ArrayList<>(from);
        of.forEach(rest::remove);
        return rest;
    }
}
