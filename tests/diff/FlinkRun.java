/* SPDX-License-Identifier: Apache-2.0
 *
 * FlinkRun.java: runs job files on a real Flink, all in one process, and writes 0 or the error to FILE.rc beside each.
 *
 *     java -cp FLINK_JARS tests/diff/FlinkRun.java job1.sql job2.sql …
 *
 * Statements end with ';' at the end of a line. An INSERT is waited for.
 */
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;

public class FlinkRun {
    static void run(Path file) throws Exception {
        Configuration conf = new Configuration();
        conf.setString("parallelism.default", "1");
        String sql = Files.readString(file);
        EnvironmentSettings.Builder settings = EnvironmentSettings.newInstance().withConfiguration(conf);
        boolean batch = sql.contains("'execution.runtime-mode' = 'batch'");
        TableEnvironment env = TableEnvironment.create((batch ? settings.inBatchMode() : settings.inStreamingMode()).build());
        for (String statement : sql.split(";\\s*(\n|$)")) {
            String text = statement.replaceAll("(?m)^\\s*--.*$", "").strip();
            if (text.isEmpty())
                continue;
            if (text.startsWith("SET ")) {
                String[] kv = text.substring(4).split("'");
                env.getConfig().set(kv[1], kv[3]);
                continue;
            }
            TableResult result = env.executeSql(text);
            if (text.startsWith("INSERT") || text.startsWith("EXECUTE"))
                result.await();
        }
    }

    public static void main(String[] args) throws Exception {
        for (String arg : args) {
            Path file = Path.of(arg), rc = Path.of(arg + ".rc");
            long begin = System.nanoTime();
            try {
                run(file);
                Files.writeString(rc, "0\n");
            } catch (Throwable e) {
                Throwable cause = e;
                while (cause.getCause() != null)
                    cause = cause.getCause();
                Files.writeString(rc, e + "\n" + cause + "\n");
            }
            System.out.printf("%s %.1f s%n", arg, (System.nanoTime() - begin) / 1e9);
        }
        System.exit(0);
    }
}
