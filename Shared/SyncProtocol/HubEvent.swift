import LedgerCore

/// A fact that no agent could know alone, as an event of the hub's stream: what the fold may depend
/// on beside the agents' events. It stands in the same log, in the same segments, as theirs.
package struct HubEvent: Hashable, Sendable {
    /// Its number in the hub's stream, from 1 on.
    package let sequence: UInt64
    package let time: HybridTimestamp
    package let content: Content

    package init(sequence: UInt64, time: HybridTimestamp, content: Content) {
        self.sequence = sequence
        self.time = time
        self.content = content
    }

    package struct Content: Hashable, Sendable {
        package var fact: HubFact
        /// Nil for what the hub found by itself.
        package var decision: Decision?
        /// The event of a former hub that this one repeats.
        package var origin: HubEventID?
        /// Nil for what no agent is told.
        package var address: Address?

        package init(
            _ fact: HubFact, decision: Decision? = nil, origin: HubEventID? = nil,
            address: Address? = nil
        ) {
            self.fact = fact
            self.decision = decision
            self.origin = origin
            self.address = address
        }
    }

    /// Who decided, and why.
    package struct Decision: Hashable, Sendable {
        package static let operatorBytesMax = 255
        package static let reasonBytesMax = 1024

        package let operatorName: String
        package let reason: String

        /// - Throws: `InvalidField` where one of them is empty or too long.
        package init(operatorName: String, reason: String) throws(InvalidField) {
            try Decision.check(operatorName, Decision.operatorBytesMax, at: "operator")
            try Decision.check(reason, Decision.reasonBytesMax, at: "reason")
            self.operatorName = operatorName
            self.reason = reason
        }

        private static func check(_ text: String, _ limit: Int, at path: String)
            throws(InvalidField)
        {
            guard (1...limit).contains(text.utf8.count) else {
                throw InvalidField(path: path, message: "must have 1 to \(limit) bytes")
            }
        }
    }

    /// An agent that is told, and the number of the hub event before this one that it was told; 0 for
    /// none. So it knows that it has missed nothing.
    package struct Address: Hashable, Sendable {
        package let agent: AgentID
        package let previous: UInt64

        package init(agent: AgentID, previous: UInt64) {
            self.agent = agent
            self.previous = previous
        }
    }
}

/// An event of a hub's stream, by its number.
package struct HubEventID: Hashable, Sendable {
    package let hub: StreamTag
    package let sequence: UInt64

    package init(hub: StreamTag, sequence: UInt64) {
        self.hub = hub
        self.sequence = sequence
    }
}

/// A position of a hub's log, which orders the contested.
package struct LogPlace: Hashable, Sendable {
    package let hub: StreamTag
    package let position: UInt64

    package init(hub: StreamTag, position: UInt64) {
        self.hub = hub
        self.position = position
    }
}

/// Events that stand next to each other in one segment, whichever branch that is of.
package struct EventSpan: Hashable, Sendable {
    package let stream: StreamTag
    /// Of the segment.
    package let segment: Hash256
    package let sequences: ClosedRange<UInt64>

    package init(stream: StreamTag, segment: Hash256, sequences: ClosedRange<UInt64>) {
        self.stream = stream
        self.segment = segment
        self.sequences = sequences
    }
}

/// The head that a stream's key has signed for in a proof: evidence that whoever held the key said
/// so.
package struct SignedHead: Hashable, Sendable {
    package let proof: Proof
    package let session: UInt64
    package let challenge: [UInt8]
    /// Of the hello before the proof.
    package let greeting: Hash256
    package let signature: Signature

    /// - Precondition: the challenge has its length.
    package init(
        _ proof: Proof, session: UInt64, challenge: [UInt8], greeting: Hash256,
        signature: Signature
    ) {
        precondition(
            challenge.count == Welcome.challengeByteCount,
            "a challenge has \(Welcome.challengeByteCount) bytes, not \(challenge.count)")
        self.proof = proof
        self.session = session
        self.challenge = challenge
        self.greeting = greeting
        self.signature = signature
    }

    package func isSigned(by key: PublicKey, _ verifier: some SignatureVerifier) -> Bool {
        let content = proof.signedContent(
            challenge: challenge, greeting: greeting, session: session)
        return verifier.isValid(signature, for: content, by: key)
    }
}

/// What a hub event says.
package enum HubFact: Hashable, Sendable {
    /// The stream may not go on: nothing is taken from it, its writer begins another. The evidence is
    /// the last head that its key had signed for.
    case closed(StreamTag, Standing, evidence: SignedHead?)
    /// Its writer is not expected to come back with what it may still have.
    case declaredLost(StreamTag)
    /// A new stream under a known name: nothing of it is taken before an operator approves it.
    case awaitsApproval(StreamTag)
    case approved(StreamTag)
    case gapLost(LostGap)
    case quarantined(EventSpan, QuarantineCause)
    case released(EventSpan)
    /// The clock that stamped these stood wrong by so many microseconds: they are shown that much
    /// later.
    case restamped(EventSpan, offset: Int64)
    /// A former hub had placed these before others that stand before them now.
    case reordered(EventSpan, former: LogPlace)
    /// A conflict, by the event that recorded it, needs nobody any more.
    case resolved(HubEventID)
    /// Of a later version: kept and passed on.
    case unknown(kind: UInt8, bytes: [UInt8])

    /// Events that nobody has any more. The chain goes on behind them.
    package struct LostGap: Hashable, Sendable {
        /// Why the agent has them no more. The numbers are bytes on the wire.
        package enum Cause: UInt8, Hashable, Sendable, CaseIterable {
            /// It has pruned them: a hub had acknowledged them once.
            case pruned = 1
            /// Its disk has spoilt them, or some of them, the others being pruned.
            case unreadable = 2

            /// As names in logs and answers.
            package var name: String {
                switch self {
                case .pruned: "pruned"
                case .unreadable: "unreadable"
                }
            }
        }

        package let stream: StreamTag
        package let sequences: ClosedRange<UInt64>
        /// The hash of the segment before the gap.
        package let before: Hash256
        /// The hash of the gap's last segment, which the one behind it names.
        package let resumesBehind: Hash256
        package let cause: Cause

        package init(
            stream: StreamTag, sequences: ClosedRange<UInt64>, before: Hash256,
            resumesBehind: Hash256, cause: Cause
        ) {
            self.stream = stream
            self.sequences = sequences
            self.before = before
            self.resumesBehind = resumesBehind
            self.cause = cause
        }

        /// Whether that is the same gap, for whatever cause.
        package func isAt(_ other: LostGap) -> Bool {
            stream == other.stream && sequences == other.sequences && before == other.before
                && resumesBehind == other.resumesBehind
        }
    }

    /// Why events have no effect.
    package enum QuarantineCause: Hashable, Sendable {
        /// Its bytes make no event.
        case unreadable
        /// Of a kind that the hub's version did not know.
        case unknownKind(UInt8)
    }

    /// The number of its kind: hub events have 32 to 62.
    package var kind: UInt8 {
        switch self {
        case .closed: 32
        case .declaredLost: 33
        case .awaitsApproval: 34
        case .approved: 35
        case .gapLost: 36
        case .quarantined: 37
        case .released: 38
        case .restamped: 39
        case .reordered: 40
        case .resolved: 41
        case .unknown(let kind, _): kind
        }
    }

    package static let kinds: ClosedRange<UInt8> = 32...62

    /// As names in logs and answers.
    package var name: String {
        switch self {
        case .closed: "closed"
        case .declaredLost: "declared_lost"
        case .awaitsApproval: "awaits_approval"
        case .approved: "approved"
        case .gapLost: "gap_lost"
        case .quarantined: "quarantined"
        case .released: "released"
        case .restamped: "restamped"
        case .reordered: "reordered"
        case .resolved: "resolved"
        case .unknown(let kind, _): "kind \(kind)"
        }
    }

    /// The stream that it is about, where it is about one.
    package var stream: StreamTag? {
        switch self {
        case .closed(let stream, _, _), .declaredLost(let stream), .awaitsApproval(let stream),
            .approved(let stream):
            stream
        case .gapLost(let gap): gap.stream
        case .quarantined(let span, _), .released(let span), .restamped(let span, _),
            .reordered(let span, _):
            span.stream
        case .resolved, .unknown: nil
        }
    }
}
