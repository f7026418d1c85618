import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;

/**
 * What Avro's own checker says. Each line of the input is a JSON array of a reader's and a writer's schema, as
 * texts; each line of the output is "yes", "no" with the kinds of incompatibility, or "error" with its words.
 */
public final class AvroVerdicts {
    public static void main(String[] args) throws Exception {
        ObjectMapper json = new ObjectMapper();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode pair = json.readTree(line);
            System.out.println(verdict(pair.get(0).asText(), pair.get(1).asText()));
        }
    }

    private static String verdict(String reader, String writer) {
        try {
            SchemaCompatibility.SchemaCompatibilityResult result = SchemaCompatibility
                    .checkReaderWriterCompatibility(new Schema.Parser().parse(reader), new Schema.Parser().parse(writer))
                    .getResult();
            if (result.getCompatibility() == SchemaCompatibility.SchemaCompatibilityType.COMPATIBLE) {
                return "yes";
            }
            StringBuilder kinds = new StringBuilder("no");
            result.getIncompatibilities().forEach(found -> kinds.append(' ').append(found.getType()));
            return kinds.toString();
        } catch (RuntimeException failure) {
            return "error " + failure.getMessage().replace('\n', ' ');
        }
    }
}
