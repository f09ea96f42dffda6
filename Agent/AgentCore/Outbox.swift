import LedgerCore
import SyncProtocol

/// Everything that this folder sends to its hub, and what comes back: one session for each stream.
///
/// **Overview.** The stream that is written has a session all the time. Former streams have one when
/// the hub that is followed may lack something of them: after each connection, after it came up, and
/// under another hub, the oldest first and few at a time. Messages are told apart by the nonce of a
/// greeting, or by stream and session number, and are believed only with the signature of the hub
/// that is followed.
///
/// **Function.** Feed it events and perform its actions in their order; what performing one returns
/// comes before the rest. `ask` is answered at once, with `answered`; an `errand` goes to the thread
/// that writes (`GroupCommit`), whose reports come back with `reported`; a segments message is handed to
/// the transport, then `handedOver` says whether it was taken. Call `tick` a few times a second.
///
/// **For a simulator.** All that decides is here and in `GroupCommit`. A shell, or a simulated agent,
/// owns a transport, a clock, random numbers and a log, and does nothing of its own.
///
/// **Implementation.** Each stream is an `OutboxStream` with its `OutboxSession`, in the order in
/// which they were written: the last one is.
///
/// **Invariants.** All sessions are with the hub that is followed. An event is acknowledged, placed
/// and released in the stream that it was recorded in. A stream that has ended gets no more events.
package struct Outbox: ~Copyable {
    package enum Action: Sendable {
        /// Publish it where the agent speaks to its hub. What the transport does not take is as lost
        /// as any message may be.
        case send(Frame)
        /// The same for segments; then say `handedOver`.
        case sendSegments(SegmentsParcel)
        /// Publish it, retained, as the agent's word on itself.
        case sendStatus(Frame)
        /// Look it up in the log, and say `answered`.
        case ask(LogQuestion)
        case errand(Errand)
        /// For logs, metrics and traces.
        case note(Note)
    }

    /// Something that happened, for people.
    package enum Note: Sendable {
        case progress(StreamTag, OutboxSession.Progress)
        /// What was under way behind that event is uncertain, and will be sent again.
        case lost(StreamTag, beyond: UInt64)
        case ends(StreamTag, OutboxSession.Finding)
        case held(StreamTag, OutboxSession.Finding)
        case refused(StreamTag, OutboxSession.Finding)
        case drawn(StreamTag, behind: StreamTag)
        /// The hub has all of a former stream.
        case drained(StreamTag)
        case follows(HubRecord, before: HubRecord?)
        /// A hub answers that this agent has left: an older copy, or a second aggregator.
        case stray(StreamTag)
        /// A message without the signature of the hub that is followed.
        case forged(kind: UInt8)
        case broken(WireError)
        case told(SignedHubEvent)
        case unreadable(StreamTag, ClosedRange<UInt64>)
    }

    /// Who sends.
    package struct Device: Sendable {
        package var agent: AgentID
        package var ledger: String
        package var softwareVersion: String
        package var signer: any Signer
        package var hasher: any ContentHasher
        package var verifier: any SignatureVerifier

        package init(
            agent: AgentID, ledger: String, softwareVersion: String, signer: any Signer,
            hasher: any ContentHasher, verifier: any SignatureVerifier
        ) {
            self.agent = agent
            self.ledger = ledger
            self.softwareVersion = softwareVersion
            self.signer = signer
            self.hasher = hasher
            self.verifier = verifier
        }
    }

    let device: Device
    let limits: AgentLimits
    /// In the order in which they were written; the last one is.
    package internal(set) var streams: [OutboxStream]
    var hubs: FollowedHubs
    /// Whether the thread that writes has said that the hub is written down.
    var isHubDurable: Bool
    /// The last event of the hub that was handed on to be kept.
    var told: UInt64
    /// What the hub's clock was last seen to say.
    var observed = HybridTimestamp(rawValue: 0)
    var snapshots: SnapshotInbox
    var watermarks: WatermarkPacer
    package internal(set) var isConnected = false
    /// When the folder last went on in another stream.
    var drawnAt: SteadyTime?
    /// A hub that answers although this agent has left it; nil again with each greeting.
    package internal(set) var strayHub: StreamTag?

    /// - Parameters:
    ///   - records: of all the folder's streams, in the order in which they were written; the last
    ///     one is.
    ///   - hubs: that were followed, in their order.
    package init(
        _ device: Device, records: [StreamRecord], hubs: [HubRecord], limits: AgentLimits
    ) {
        precondition(!records.isEmpty, "a folder has a stream")
        self.device = device
        self.limits = limits
        let last = records[records.count - 1].tag
        streams = records.map {
            OutboxStream($0, isWriting: $0.tag == last, hub: hubs.last?.tag, limits: limits)
        }
        self.hubs = FollowedHubs(
            hubs, ledger: device.ledger, hasher: device.hasher, verifier: device.verifier)
        isHubDurable = !hubs.isEmpty
        told = hubs.last?.seen.position ?? 0
        snapshots = SnapshotInbox(limits: limits)
        watermarks = WatermarkPacer(limits: limits)
    }

    // MARK: Questions

    /// The stream that is written.
    package var writing: OutboxStream { streams[lastIndex] }

    /// The hub that is followed.
    package var hub: HubRecord? { hubs.current }

    /// What the agent's messages say that it has seen.
    package var seen: Seen { hubs.seen }

    var lastIndex: Int { streams.count - 1 }

    func index(_ tag: StreamTag) -> Int? { streams.lastIndex { $0.tag == tag } }

    // MARK: Messages

    func framed(_ message: Message, session: UInt64) -> Action {
        .send(message.framed(session: session).signed(by: device.signer, device.hasher))
    }
}

/// One message of segments, on its way to the transport.
package struct SegmentsParcel: Sendable {
    package let stream: StreamTag
    package let session: UInt64
    /// At least one, in their order.
    package let segments: [SealedSegment]
    package let sentAt: Timestamp
    package let attempt: UInt32
    let signature: Signature

    package var byteCount: Int { segments.reduce(0) { $0 + $1.segment.bytes.count } }

    /// - Parameter trace: the span that sends it, which is not under the signature.
    package func framed(trace: TraceContext? = nil) -> Frame {
        var message = SegmentsMessage(
            stream: stream, sentAt: sentAt, attempt: attempt,
            segments: segments.map(\.segment.bytes))
        if let trace { message.traces = [trace] }
        return Message.segments(message).framed(session: session, signature: signature)
    }
}
