package conformance;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs scenarios and prints the lines the runner reads (xtask/src/conformance/mod.rs has the protocol).
 *
 * Deliberately absent: a test framework. One JVM per client version, started in a second, is worth more.
 */
final class Harness {
    /** Scenarios mostly wait for the server, so more of them than cores run at once. */
    private static final int AT_ONCE = 8;
    /** A scenario that takes longer hangs. */
    private static final int SCENARIO_SECONDS = 90;

    interface Body {
        void run(Scenario scenario) throws Exception;
    }

    private record Named(String name, Body body) {}

    private static final BufferedReader RUNNER = new BufferedReader(new InputStreamReader(System.in));
    private static final boolean MAY_RESTART = System.getenv("KEROLOX_NO_RESTART") == null;

    private final List<Named> together = new ArrayList<>();
    private final List<Named> alone = new ArrayList<>();
    private final String only;
    private boolean failed;

    /** @param only a part of the names to run, or null for all. */
    Harness(String only) {
        this.only = only;
    }

    /** Adds a scenario that does not disturb others. */
    void scenario(String name, Body body) {
        if (only == null || name.contains(only)) {
            together.add(new Named(name, body));
        }
    }

    /** Adds a scenario that restarts the server: it runs after all others, alone. */
    void restarting(String name, Body body) {
        if (only == null || name.contains(only)) {
            alone.add(new Named(name, body));
        }
    }

    /** Runs everything; true when every scenario held. */
    boolean run() throws InterruptedException {
        ExecutorService parallel = Executors.newFixedThreadPool(AT_ONCE);
        List<Future<?>> running = new ArrayList<>();
        for (Named named : together) {
            running.add(parallel.submit(() -> runOne(named)));
        }
        for (Future<?> future : running) {
            try {
                future.get();
            } catch (java.util.concurrent.ExecutionException e) {
                report("FAIL harness: " + e.getCause());
                failed = true;
            }
        }
        parallel.shutdown();
        for (Named named : alone) {
            if (MAY_RESTART) {
                runOne(named);
            } else {
                report("SKIP " + named.name + ": the server is not ours to restart");
            }
        }
        return !failed;
    }

    private void runOne(Named named) {
        long started = System.nanoTime();
        Scenario scenario = new Scenario(named.name);
        // On a thread of its own, so that one that hangs can be given up.
        ExecutorService thread = Executors.newSingleThreadExecutor(Harness::daemon);
        Future<?> outcome = thread.submit(() -> {
            named.body.run(scenario);
            return null;
        });
        String failure = null;
        try {
            outcome.get(SCENARIO_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            outcome.cancel(true);
            failure = "still runs after " + SCENARIO_SECONDS + " s";
        } catch (java.util.concurrent.ExecutionException e) {
            failure = describe(e.getCause());
        } catch (InterruptedException e) {
            failure = "interrupted";
        }
        thread.shutdownNow();
        scenario.close();
        long millis = (System.nanoTime() - started) / 1_000_000;
        if (failure == null) {
            report("PASS " + named.name + " (" + millis + " ms)");
        } else {
            failed = true;
            report("FAIL " + named.name + ": " + failure);
        }
    }

    private static Thread daemon(Runnable body) {
        Thread thread = new Thread(body, "scenario");
        thread.setDaemon(true);
        return thread;
    }

    /** One line: the failure, and the line of ours where it was noticed. */
    private static String describe(Throwable failure) {
        String where = "";
        for (StackTraceElement frame : failure.getStackTrace()) {
            if (frame.getClassName().startsWith("conformance.") && !frame.getClassName().endsWith("Scenario")) {
                where = " (" + frame.getFileName() + ":" + frame.getLineNumber() + ")";
                break;
            }
        }
        String what = failure instanceof Scenario.Failure ? failure.getMessage() : failure.toString();
        return what.replace('\n', ' ') + where;
    }

    static synchronized void report(String line) {
        System.out.println(line);
        System.out.flush();
    }

    /** Asks the runner for something and waits until it is done. */
    static void ask(String wish, String expected) throws Exception {
        report(wish);
        String answer = RUNNER.readLine();
        if (!expected.equals(answer)) {
            throw new Scenario.Failure("runner answered " + answer + " to " + wish);
        }
    }
}
