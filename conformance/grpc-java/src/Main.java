package conformance;

/** Every scenario of one client version; an argument picks those whose name contains it. */
final class Main {
    private Main() {}

    public static void main(String[] args) throws Exception {
        Harness harness = new Harness(args.length > 0 ? args[0] : null);
        // The slow ones first: they wait for time to pass while the others work.
        Redelivery.register(harness);
        Transactions.register(harness);
        Timing.register(harness);
        Sending.register(harness);
        Receiving.register(harness);
        Restarting.register(harness);
        boolean held = harness.run();
        // Clients leave threads behind that are no daemons.
        System.exit(held ? 0 : 1);
    }
}
