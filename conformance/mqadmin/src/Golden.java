package conformance.mqadmin;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** One recording: {@code NN-command.txt}, its first line the command, the rest what it printed. */
record Golden(String name, String text) {
    static final String STDERR = "--- stderr ---";

    /** Where the recorded server listened. */
    private static final Map<String, String> RECORDED = Map.of("127.0.0.1:9876", "<namesrv>", "127.0.0.1:10911", "<broker>");

    /** Commands that print the members of a hash map. */
    private static final Set<String> UNORDERED = Set.of("06", "20", "46");

    /** Words of a command line; quotes keep spaces. */
    private static final Pattern WORD = Pattern.compile("'([^']*)'|(\\S+)");

    static List<Golden> all(Path folder) throws Exception {
        List<Golden> recordings = new ArrayList<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(file -> file.toString().endsWith(".txt")).sorted().toList()) {
                String name = file.getFileName().toString().replace(".txt", "");
                recordings.add(new Golden(name, Files.readString(file)));
            }
        }
        return recordings;
    }

    String number() {
        return name.substring(0, name.indexOf('-'));
    }

    boolean isUnordered() {
        return UNORDERED.contains(number());
    }

    /** The recorded command line for our server: its addresses, and the ids of our message k3. */
    List<String> command(Server server, Population population) {
        List<String> words = new ArrayList<>();
        Matcher matcher = WORD.matcher(text.lines().findFirst().orElseThrow());
        while (matcher.find()) {
            words.add(matcher.group(1) != null ? matcher.group(1) : matcher.group(2));
        }
        // "$ mqadmin" is what a person types.
        return words.subList(2, words.size()).stream().map(word -> switch (word) {
            case "127.0.0.1:9876" -> server.namesrv();
            case "127.0.0.1:10911" -> server.broker();
            case "7F00000100002A9F000000000000034E" -> population.offsetId();
            case "7F00000100002A9F0000000000FFFFFF" -> population.absentOffsetId();
            case "FD00000000000000000000000000000243175FFD2B277B7620650003" -> population.uniqueKey();
            default -> word;
        }).toList();
    }

    /** What it printed, without what differs from run to run. */
    List<String> expected() {
        return Normal.lines(text.substring(text.indexOf('\n') + 1), RECORDED);
    }
}
