import org.apache.spark.sql.SparkSession;

/** A job under test: `write FOLDER ROWS` makes a Delta table, `fail STATUS` ends so, `wait` prints a line and stays. */
public final class Job {
    public static void main(String[] arguments) throws InterruptedException {
        SparkSession session = SparkSession.builder().getOrCreate();
        switch (arguments[0]) {
            case "write" -> write(session, arguments[1], Long.parseLong(arguments[2]));
            case "fail" -> System.exit(Integer.parseInt(arguments[1]));
            default -> {
                System.out.println("waiting, with " + System.getenv().keySet());
                Thread.sleep(Long.MAX_VALUE);
            }
        }
        session.stop();
    }

    private static void write(SparkSession session, String folder, long rows) {
        session.range(0, rows, 1, 4).selectExpr("id", "id % 7 AS kind").write().format("delta").save(folder);
        System.out.println("wrote " + session.read().format("delta").load(folder).count() + " rows");
    }
}
