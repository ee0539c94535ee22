import java.io.StringReader;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;

/** The JDBC driver: one line for each thing that works; run as a single source file. */
public class Jdbc {
  static Connection connect() throws SQLException {
    var env = System.getenv();
    var properties = new Properties();
    properties.put("user", env.get("PGUSER"));
    properties.put("password", env.get("PGPASSWORD"));
    properties.put("sslmode", env.get("PGSSLMODE"));
    properties.put("sslrootcert", env.get("PGSSLROOTCERT"));
    properties.put("prepareThreshold", System.getProperty("prepareThreshold"));
    return DriverManager.getConnection("jdbc:postgresql://" + env.get("PGHOST") + ":"
        + env.get("PGPORT") + "/" + env.get("PGDATABASE"), properties);
  }

  static void check(boolean holds) {
    if (!holds) throw new AssertionError();
  }

  public static void main(String[] arguments) throws Exception {
    var connection = connect();
    System.out.println("ok connect");
    try (Statement statement = connection.createStatement()) {
      ResultSet rows = statement.executeQuery("select 'text'");
      check(rows.next() && rows.getString(1).equals("text"));
      statement.execute("create temp table t (a int, b text)");
    }
    System.out.println("ok simple");
    try (PreparedStatement plus = connection.prepareStatement("select ?::int + 1")) {
      for (int n = 0; n < 20; n++) {  // becomes a named statement on the way
        plus.setInt(1, n);
        ResultSet rows = plus.executeQuery();
        check(rows.next() && rows.getInt(1) == n + 1);
      }
    }
    System.out.println("ok prepared");
    connection.setAutoCommit(false);
    try (PreparedStatement insert = connection.prepareStatement("insert into t values (?, ?)")) {
      for (int n = 0; n < 500; n++) {
        insert.setInt(1, n);
        insert.setString(2, "gone");
        insert.addBatch();
      }
      check(insert.executeBatch().length == 500);
    }
    try (Statement cursor = connection.createStatement()) {
      cursor.setFetchSize(50);  // named portal, PortalSuspended
      ResultSet rows = cursor.executeQuery("select a from t");
      int count = 0;
      while (rows.next()) count++;
      check(count == 500);
    }
    connection.rollback();
    connection.setAutoCommit(true);
    System.out.println("ok transaction");
    var copy = new CopyManager(connection.unwrap(org.postgresql.core.BaseConnection.class));
    check(copy.copyIn("copy t from stdin", new StringReader("1\tone\n2\ttwo\n")) == 2);
    var out = new StringWriter();
    check(copy.copyOut("copy t to stdout", out) == 2 && out.toString().endsWith("two\n"));
    System.out.println("ok copy");
    Statement slow = connection.createStatement();
    var slowConnection = connection.unwrap(org.postgresql.core.BaseConnection.class);
    var canceller = new Thread(() -> {
      try {
        Thread.sleep(400);
        slow.cancel();
        while (true) {  // one that comes before the statement is ignored, and slow sends one only
          Thread.sleep(300);
          slowConnection.cancelQuery();
        }
      } catch (InterruptedException ended) {
        return;
      } catch (SQLException error) {
        error.printStackTrace();
      }
    });
    canceller.start();
    try {
      slow.execute("select pg_sleep(20)");
    } catch (SQLException error) {
      check(error.getSQLState().equals("57014"));
      System.out.println("ok cancel");
    }
    canceller.interrupt();
    canceller.join();
    connection.createStatement().execute("listen jdbc_channel");
    try (var other = connect()) {
      other.createStatement().execute("notify jdbc_channel, 'hello'");
    }
    PGNotification[] heard = connection.unwrap(PGConnection.class).getNotifications(5000);
    check(heard.length == 1 && heard[0].getParameter().equals("hello"));
    System.out.println("ok listen");
    connection.close();
  }
}
