/// Every bound of tracing in one process, each with its reason.
package struct TracingLimits: Sendable, Hashable {
    /// Links of a span; what is beyond is counted in an attribute. A segment has thousands of events.
    package var linksMax = 128
    /// Events of a span, and attributes of a span, for the same reason: memory and message size.
    package var eventsMax = 128
    package var attributesMax = 64
    /// What a span that waits may weigh together with the others: one, and one for each of its links
    /// and events. Some ten megabytes at the worst.
    package var spoolWeightMax = 32_768
    /// Spans in one message, and their bytes: half of what a broker takes.
    package var spansPerMessageMax = 512
    package var messageBytesMax = 128 << 10
    /// New traces that the rate may begin in a second.
    package var newTracesPerSecondMax = 10

    package init() {}
}
