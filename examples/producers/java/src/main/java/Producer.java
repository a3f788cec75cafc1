import com.fasterxml.jackson.databind.ObjectMapper;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.message.MessageWriter;
import io.cloudevents.core.provider.EventFormatProvider;
import io.cloudevents.http.HttpMessageFactory;
import io.cloudevents.jackson.JsonCloudEventData;
import io.cloudevents.jackson.JsonFormat;
import io.cloudevents.kafka.CloudEventSerializer;
import io.cloudevents.kafka.PartitionKeyExtensionInterceptor;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/** Sends one CloudEvent to troth with the CloudEvents SDK of Java, over HTTP or Kafka. */
public final class Producer {
  private static final Duration TIMEOUT = Duration.ofSeconds(30);
  private static final List<String> WANTED =
      List.of("to", "mode", "type", "source", "id", "key", "data");

  /** The command line, the same in every language. */
  private static Map<String, String> commandLine(String[] args) {
    Map<String, String> given = new HashMap<>();
    for (int i = 0; i + 1 < args.length; i += 2) {
      given.put(args[i].replaceFirst("^--", ""), args[i + 1]);
    }
    for (String name : WANTED) {
      if (!given.containsKey(name)) throw new IllegalArgumentException("missing: --" + name);
    }
    if (!List.of("binary", "structured").contains(given.get("mode"))) {
      throw new IllegalArgumentException("--mode binary|structured");
    }
    return given;
  }

  /** The event; the SDK makes the key of its record from `partitionkey`. */
  private static CloudEvent eventOf(Map<String, String> given) throws Exception {
    String time = given.get("time");
    return CloudEventBuilder.v1()
        .withType(given.get("type"))
        .withSource(URI.create(given.get("source")))
        .withId(given.get("id"))
        .withTime(time == null ? OffsetDateTime.now() : OffsetDateTime.parse(time))
        .withExtension("partitionkey", given.get("key"))
        .withDataContentType("application/json")
        .withData(JsonCloudEventData.wrap(new ObjectMapper().readTree(given.get("data"))))
        .build();
  }

  /** POST /v1/events with the key of TROTH_KEY. */
  private static void overHttp(CloudEvent event, Map<String, String> given) throws Exception {
    URI target = URI.create(given.get("to").replaceFirst("/$", "") + "/v1/events");
    HttpRequest.Builder request =
        HttpRequest.newBuilder(target)
            .timeout(TIMEOUT)
            .header("Authorization", "Bearer " + System.getenv("TROTH_KEY"));
    byte[][] body = {new byte[0]};
    MessageWriter<?, ?> writer =
        HttpMessageFactory.createWriter(request::header, sent -> body[0] = sent);
    if (given.get("mode").equals("binary")) {
      writer.writeBinary(event);
    } else {
      writer.writeStructured(event, JsonFormat.CONTENT_TYPE);
    }
    request.POST(HttpRequest.BodyPublishers.ofByteArray(body[0]));
    // Without this the client of Java asks every plain server for HTTP/2.
    HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    HttpResponse<String> answer =
        client.send(request.build(), HttpResponse.BodyHandlers.ofString());
    if (answer.statusCode() >= 400) {
      throw new IllegalStateException(answer.statusCode() + " " + answer.body());
    }
    System.out.println(answer.body());
  }

  /** Sends a record, and waits until every replica in sync has it. */
  private static void overKafka(CloudEvent event, Map<String, String> given) throws Exception {
    URI target = URI.create(given.get("to"));
    Map<String, Object> settings = new HashMap<>();
    settings.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, target.getAuthority());
    settings.put(ProducerConfig.ACKS_CONFIG, "all");
    settings.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
    settings.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, CloudEventSerializer.class);
    settings.put(
        ProducerConfig.INTERCEPTOR_CLASSES_CONFIG, PartitionKeyExtensionInterceptor.class.getName());
    settings.put(CloudEventSerializer.ENCODING_CONFIG, given.get("mode").toUpperCase());
    settings.put(
        CloudEventSerializer.EVENT_FORMAT_CONFIG,
        EventFormatProvider.getInstance().resolveFormat(JsonFormat.CONTENT_TYPE));
    try (KafkaProducer<String, CloudEvent> producer = new KafkaProducer<>(settings)) {
      String topic = target.getPath().substring(1);
      RecordMetadata place =
          producer
              .send(new ProducerRecord<>(topic, event))
              .get(TIMEOUT.toSeconds(), TimeUnit.SECONDS);
      System.out.printf(
          "{\"partition\": %d, \"offset\": %d}%n", place.partition(), place.offset());
    }
  }

  /** Sends what the command line says. */
  public static void main(String[] args) {
    try {
      Map<String, String> given = commandLine(args);
      CloudEvent event = eventOf(given);
      if (given.get("to").startsWith("kafka://")) {
        overKafka(event, given);
      } else {
        overHttp(event, given);
      }
    } catch (Exception failure) {
      System.err.println(failure.getMessage());
      System.exit(1);
    }
  }
}
