"""Apache Kafka as bus: topics, inputs read by the owner of a lane, and what the log publishes."""
