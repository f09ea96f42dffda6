extension SpanSpool: MetricSource {
    private static let waitingSpans = MetricDefinition(
        "tributary_spans_waiting", .gauge, "Spans that have ended and wait to be sent or stored.")
    private static let recordedSpans = MetricDefinition(
        "tributary_spans_recorded_total", .counter, "Spans that have ended.")
    private static let droppedSpans = MetricDefinition(
        "tributary_spans_dropped_total", .counter,
        "Spans given up because more waited than may wait, the oldest first.")

    package static var definitions: [MetricDefinition] {
        [waitingSpans, recordedSpans, droppedSpans]
    }

    package func samples() -> [MetricSample] {
        [
            MetricSample(Self.waitingSpans, waiting),
            MetricSample(Self.recordedSpans, recorded),
            MetricSample(Self.droppedSpans, dropped),
        ]
    }
}
