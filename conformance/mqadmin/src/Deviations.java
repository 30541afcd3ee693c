package conformance.mqadmin;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The table of docs/deviations.md.
 *
 * A row whose first cell is the name of a recording in backticks, like {@code `06-topicList`}, is
 * read: code spans of its second cell that begin with a minus are lines we do not print, those with
 * a plus lines we print instead or in addition. The third cell, the reason, may not be empty. Other
 * rows are for people.
 */
final class Deviations {
    /** Lines missing from, and added to, what the recording printed. */
    record Difference(List<String> missing, List<String> added) {
        Difference {
            missing = missing.stream().sorted().toList();
            added = added.stream().sorted().toList();
        }

        boolean isEmpty() {
            return missing.isEmpty() && added.isEmpty();
        }
    }

    private static final Pattern COMMAND = Pattern.compile("`(\\d\\d-[\\w-]+)`");
    private static final Pattern LINE = Pattern.compile("`([-+]) ([^`]+)`");

    private final Map<String, Difference> byCommand = new LinkedHashMap<>();

    private Deviations() {}

    /** For the reference itself, which deviates from itself in nothing. */
    static Deviations none() {
        return new Deviations();
    }

    static Deviations read(Path file) throws Exception {
        Deviations deviations = new Deviations();
        for (String row : Files.readAllLines(file)) {
            if (!row.startsWith("|")) {
                continue;
            }
            String[] cells = row.substring(1).split("(?<!\\\\)\\|");
            Matcher command = COMMAND.matcher(cells[0].strip());
            if (!command.matches()) {
                continue;
            }
            if (cells.length < 3 || cells[2].isBlank()) {
                throw new IllegalStateException("docs/deviations.md gives no reason for " + command.group(1));
            }
            deviations.add(command.group(1), cells[1].replace("\\|", "|"));
        }
        return deviations;
    }

    private void add(String command, String cell) {
        Difference before = of(command);
        List<String> missing = new ArrayList<>(before.missing);
        List<String> added = new ArrayList<>(before.added);
        Matcher line = LINE.matcher(cell);
        while (line.find()) {
            (line.group(1).equals("-") ? missing : added).add(line.group(2));
        }
        byCommand.put(command, new Difference(missing, added));
    }

    /** How this command may, and must, differ. */
    Difference of(String command) {
        return byCommand.getOrDefault(command, new Difference(List.of(), List.of()));
    }

    /** Refuses rows about commands that are not compared, or that name no line. */
    void checkCommands(Set<String> compared) {
        for (Map.Entry<String, Difference> row : byCommand.entrySet()) {
            if (!compared.contains(row.getKey())) {
                throw new IllegalStateException("docs/deviations.md has " + row.getKey() + ", which is not compared");
            }
            if (row.getValue().isEmpty()) {
                throw new IllegalStateException("docs/deviations.md names no line of " + row.getKey());
            }
        }
    }
}
