import LedgerCore
import SyncProtocol

/// Whoever traces the way of messages through the hub: each from its arrival to its acknowledgement.
package protocol MergeTracing {
    mutating func received(_ message: SegmentsMessage)
    mutating func mergeBegan()
    /// - Parameter traces: those of its events that are to be traced.
    mutating func merged(_ segment: Segment, _ traces: [TraceContext], setAside: Int)
    mutating func mergeEnded()
    /// All of the message was looked at.
    ///
    /// - Parameters:
    ///   - drop: why it, or a part of it, had no effect; nil where all of it had one.
    ///   - clockOffset: the agent's clock less ours, in microseconds.
    mutating func processed(
        _ message: SegmentsMessage, from agent: AgentID, drop: String?, clockOffset: Int64)
    /// An acknowledgement of the stream is about to be sent.
    ///
    /// - Returns: the spans that send it.
    mutating func acknowledging(_ stream: StreamTag) -> [TraceContext]
    mutating func acknowledged(_ stream: StreamTag)
    mutating func committed()
    mutating func failed(_ sentence: String)
}

/// For a hub that nobody traces.
package struct NoTracing: MergeTracing {
    package init() {}
    package mutating func received(_ message: SegmentsMessage) {}
    package mutating func mergeBegan() {}
    package mutating func merged(_ segment: Segment, _ traces: [TraceContext], setAside: Int) {}
    package mutating func mergeEnded() {}
    package mutating func processed(
        _ message: SegmentsMessage, from agent: AgentID, drop: String?, clockOffset: Int64
    ) {}
    package mutating func acknowledging(_ stream: StreamTag) -> [TraceContext] { [] }
    package mutating func acknowledged(_ stream: StreamTag) {}
    package mutating func committed() {}
    package mutating func failed(_ sentence: String) {}
}
