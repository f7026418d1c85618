//! Subjects of a schema registry that speaks the Confluent API.
