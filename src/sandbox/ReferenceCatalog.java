import java.net.InetSocketAddress;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.iceberg.CatalogUtil;
import org.apache.iceberg.rest.RESTCatalogAdapter;
import org.apache.iceberg.rest.RESTCatalogServlet;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;

/**
 * Iceberg's own REST adapter, as its tests use it, over its JDBC catalog: tables in a folder, their names in SQLite.
 *
 * <p>Arguments: port on the loopback interface, database file, folder of the warehouse.
 */
public final class ReferenceCatalog {
  public static void main(String[] arguments) throws Exception {
    Map<String, String> settings =
        Map.of(
            "catalog-impl", "org.apache.iceberg.jdbc.JdbcCatalog",
            "jdbc.schema-version", "V1",
            "uri", "jdbc:sqlite:" + arguments[1],
            // SQLite has one writer; more connections would only meet its lock.
            "clients", "1",
            "warehouse", "file://" + arguments[2]);
    var catalog = CatalogUtil.buildIcebergCatalog("reference", settings, new Configuration());
    var handler = new ServletContextHandler();
    handler.addServlet(new ServletHolder(new RESTCatalogServlet(new RESTCatalogAdapter(catalog))), "/*");
    var server = new Server(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])));
    server.setHandler(handler);
    server.start();
    server.join();
  }
}
