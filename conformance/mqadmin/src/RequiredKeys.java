package conformance.mqadmin;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * The file {@code required-keys}: {@code [recording]}, then one key a line.
 *
 * Values are the server's own business; a key that is gone breaks a dashboard or a script.
 */
record RequiredKeys(Map<String, Set<String>> byCommand) {
    static RequiredKeys read(Path file) throws Exception {
        Map<String, Set<String>> byCommand = new LinkedHashMap<>();
        Set<String> keys = new TreeSet<>();
        for (String line : Files.readAllLines(file)) {
            if (line.startsWith("[")) {
                keys = byCommand.computeIfAbsent(line.substring(1, line.length() - 1), name -> new TreeSet<>());
            } else if (!line.isBlank() && !line.startsWith("#")) {
                keys.add(line.strip());
            }
        }
        return new RequiredKeys(byCommand);
    }

    void check(String command, String printed) {
        Set<String> missing = new TreeSet<>(byCommand.getOrDefault(command, Set.of()));
        if (missing.isEmpty()) {
            throw new IllegalStateException("required-keys has nothing for " + command);
        }
        // "key : value" or "key = value"; a long key touches its colon.
        printed.lines().map(line -> line.split("\\s*[:=]", 2)[0].strip()).forEach(missing::remove);
        if (!missing.isEmpty()) {
            throw new IllegalStateException("keys not printed: " + missing);
        }
    }
}
