package conformance.mqadmin;

import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * Takes out of a printed text what differs from run to run: addresses, ids, times, rates, widths.
 *
 * Everything else stays: names, counts, offsets, order of lines, texts of errors.
 */
final class Normal {
    private record Rule(Pattern pattern, String replacement) {
        Rule(String pattern, String replacement) {
            this(Pattern.compile(pattern), replacement);
        }
    }

    private static final List<Rule> RULES = List.of(
        new Rule("\\S+@(Golden\\w+)", "<host>@$1"),
        new Rule("\\b7F000001[0-9A-F]{24}\\b", "<offset-id>"),
        new Rule("\\b([0-9A-F]{56}|[0-9A-F]{32})\\b", "<unique-key>"),
        new Rule("127\\.0\\.0\\.1:\\d+", "<client>"),
        new Rule("\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d(,\\d{3})?", "<time>"),
        new Rule("\\b1\\d{12}\\b", "<millis>"),
        new Rule("<millis>/<host>@", "<file>@"),
        new Rule("CommitLog Offset: +\\d+", "CommitLog Offset: <n>"),
        new Rule("commitLogOffset=\\d+", "commitLogOffset=<n>"),
        // The client's address is part of the unique key: 4 or 16 bytes.
        new Rule("storeSize=\\d+", "storeSize=<n>"),
        new Rule("\\b\\d+\\.\\d+\\b", "<x>"),
        new Rule("\\b\\d+ms\\b", "<n>ms"),
        new Rule("(CLUSTERING +)\\d+( +\\d+)$", "$1<tps>$2"));

    private Normal() {}

    /** The lines of a text, with one space for many, without stack frames and empty lines. */
    static List<String> lines(String text, Map<String, String> placeholders) {
        return text.lines()
            .filter(line -> !line.startsWith("\tat ") && !line.startsWith("\t... "))
            .map(line -> line(line, placeholders))
            .filter(line -> !line.isEmpty())
            .toList();
    }

    private static String line(String line, Map<String, String> placeholders) {
        String normal = line;
        for (Map.Entry<String, String> placeholder : placeholders.entrySet()) {
            normal = normal.replace(placeholder.getKey(), placeholder.getValue());
        }
        normal = normal.replaceAll("\\s+", " ").strip();
        for (Rule rule : RULES) {
            normal = rule.pattern.matcher(normal).replaceAll(rule.replacement);
        }
        return normal;
    }
}
