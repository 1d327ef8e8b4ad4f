"""The write side of OTLP/HTTP: OpenTelemetry's traces, in protobuf or JSON, to the same events as Opik's."""
