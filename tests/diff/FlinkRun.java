/* SPDX-License-Identifier: Apache-2.0
 *
 * FlinkRun.java: runs job files on a real Flink, all in one process, and writes 0 or the error to FILE.rc beside each.
 *
 *     java -cp FLINK_JARS tests/diff/FlinkRun.java job1.sql job2.sql …
 *
 * Statements end with ';' at the end of a line. An INSERT is waited for. SINK path SELECT … makes a table `sink` of the query's columns and types,
 * writes those to FILE.sink, a column a line, and inserts the query's rows.
 */
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.catalog.Column;

public class FlinkRun {
    static String sink(TableEnvironment env, Path file, String path, String query) throws Exception {
        StringBuilder columns = new StringBuilder(), lines = new StringBuilder();
        for (Column c : env.sqlQuery(query).getResolvedSchema().getColumns()) {
            String type = c.getDataType().getLogicalType().copy(true).asSerializableString();
            columns.append(columns.isEmpty() ? "" : ", ").append('`').append(c.getName()).append("` ").append(type);
            lines.append(c.getName()).append('\t').append(type).append('\n');
        }
        Files.writeString(Path.of(file + ".sink"), lines);
        env.executeSql("CREATE TABLE sink (" + columns + ") WITH ('connector' = 'filesystem', 'path' = '" + path + "', 'format' = 'debezium-json')");
        return "INSERT INTO sink " + query;
    }

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
            if (text.startsWith("SINK ")) {
                String[] words = text.split("\\s+", 3);
                text = sink(env, file, words[1], words[2]);
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
