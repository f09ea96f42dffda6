import LedgerCore

/// A segment's end in a chain: the number of its last event, and its hash. Number 0 is the genesis.
package struct ChainPoint: Hashable, Sendable {
    package let sequence: UInt64
    package let hash: Hash256

    package init(sequence: UInt64, hash: Hash256) {
        self.sequence = sequence
        self.hash = hash
    }
}

extension ChainPoint: Comparable {
    /// By the events before it, and of as many by their hash: an order that every log gives.
    package static func < (left: ChainPoint, right: ChainPoint) -> Bool {
        (left.sequence, left.hash) < (right.sequence, right.hash)
    }
}

/// What an agent says first: who it is, and what it holds.
package struct Hello: Hashable, Sendable {
    package static let otherStreamsMax = 64
    package static let versionBytesMax = 64

    /// Echoed by the welcome, so that an answer to another hello is not taken for an answer to this
    /// one.
    package var nonce: [UInt8]
    package var dialect: Dialect
    /// The highest session number this data folder has proved; 0 for none.
    package var lastSession: UInt64
    package var head: ChainPoint
    package var acknowledged: ChainPoint
    /// Where the last acknowledged segment stands in the log of the hub that said so; nil where none
    /// did. A hub that has not come as far was put back from an older copy.
    package var acknowledgedAt: LogPlace?
    package var seen: Seen
    /// The digest of the hub's event that was seen last: a hub that was put back from an older copy may
    /// have written another of that number. Nil where none was seen.
    package var seenEvent: Hash256?
    /// The number of the first event that this agent still has.
    package var oldestRetained: UInt64
    /// The hash of the segment before that event, where one was and is no longer kept: an aggregator
    /// that lacks it, and that nobody can give it to, goes on behind it.
    package var retainedBehind: Hash256?
    package var otherStreams: [StreamTag]
    /// The agent's software, for people.
    package var softwareVersion: String
    package var genesis: Genesis

    package static let nonceByteCount = 16

    /// - Precondition: the nonce has its length, and other streams and version are within their
    ///   limits.
    package init(
        nonce: [UInt8], dialect: Dialect = .current, lastSession: UInt64, head: ChainPoint,
        acknowledged: ChainPoint, acknowledgedAt: LogPlace? = nil, seen: Seen,
        seenEvent: Hash256? = nil, oldestRetained: UInt64, retainedBehind: Hash256? = nil,
        otherStreams: [StreamTag] = [],
        softwareVersion: String,
        genesis: Genesis
    ) {
        self.nonce = nonce
        self.dialect = dialect
        self.lastSession = lastSession
        self.head = head
        self.acknowledged = acknowledged
        self.acknowledgedAt = acknowledgedAt
        self.seen = seen
        self.seenEvent = seenEvent
        self.oldestRetained = oldestRetained
        self.retainedBehind = retainedBehind
        self.otherStreams = otherStreams
        self.softwareVersion = softwareVersion
        self.genesis = genesis
        checkLimits()
    }

    /// What the proof that follows signs of it.
    package func digest(_ hasher: some ContentHasher) -> Hash256 {
        hasher.sha256(SignatureDomain.hello.bytes, bodyBytes())
    }

    /// As much of a version as a hello carries: whole characters within the limit.
    package static func fitting(version: String) -> String {
        var cut = version[...]
        while cut.utf8.count > versionBytesMax { cut.removeLast() }
        return String(cut)
    }

    private func checkLimits() {
        Hello.check(nonce: nonce)
        precondition(
            otherStreams.count <= Hello.otherStreamsMax,
            "a hello has at most \(Hello.otherStreamsMax) other streams, not \(otherStreams.count)")
        precondition(
            softwareVersion.utf8.count <= Hello.versionBytesMax,
            "a software version has at most \(Hello.versionBytesMax) bytes")
    }

    static func check(nonce: [UInt8]) {
        precondition(
            nonce.count == nonceByteCount,
            "a hello's nonce has \(nonceByteCount) bytes, not \(nonce.count)")
    }
}

/// The agent's proof that it holds the stream's key now, and that the greeting was its own: the
/// frame's signature covers both.
package struct Proof: Hashable, Sendable {
    package var stream: StreamTag
    package var head: ChainPoint
    /// Whether the stream's announced head, which the welcome named, is in this agent's chain. If
    /// not, somebody else went on from a copy of this folder, or this folder is the copy.
    package var passesAnnounced: Bool
    /// Whether this agent followed this hub before and has left it for a later one, which answers no
    /// longer. A hub that hears it was put back from an older copy: it begins another stream, which
    /// agents follow again. Nothing is sent in such a session.
    package var hasLeft: Bool

    package init(
        stream: StreamTag, head: ChainPoint, passesAnnounced: Bool = true, hasLeft: Bool = false
    ) {
        self.stream = stream
        self.head = head
        self.passesAnnounced = passesAnnounced
        self.hasLeft = hasLeft
    }

    fileprivate var flags: UInt8 { (passesAnnounced ? 1 : 0) | (hasLeft ? 2 : 0) }

    /// What the signature of a proof covers.
    ///
    /// - Parameter greeting: the digest of the hello that it follows. What that said counts only
    ///   because it is signed here.
    package func signedContent(
        challenge: [UInt8], greeting: Hash256, session: UInt64
    ) -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(SignatureDomain.proof.bytes)
        writer.raw(challenge)
        writer.hash(greeting)
        writer.fixed(session)
        writer.fixed(stream.rawValue)
        writer.fixed(head.sequence)
        writer.hash(head.hash)
        writer.u8(flags)
        return writer.bytes
    }
}

/// Segments of one stream, in their order along the chain.
package struct SegmentsMessage: Hashable, Sendable {
    package static let segmentsMax = 4096
    /// Of the body before the first segment, and behind the last: the list of extensions, with one
    /// trace at most.
    static let prefixByteCount = 24
    static let suffixByteCount = TraceExtension.oneByteCount
    /// Segments that one message may carry together, in bytes, each counted with its length field.
    package static let segmentBytesMax =
        Frame.byteCountMax - Frame.byteCount(body: prefixByteCount + suffixByteCount)

    package var stream: StreamTag
    /// When the agent handed it to the broker, by the agent's clock.
    package var sentAt: Timestamp
    /// How often the first segment was sent before, plus one.
    package var attempt: UInt32
    package var segments: [[UInt8]]
    /// The span that sent it, where it is traced: none or one. Not under the signature.
    package var traces: [TraceContext] = []

    /// - Precondition: 1 to `segmentsMax` segments.
    package init(stream: StreamTag, sentAt: Timestamp, attempt: UInt32, segments: [[UInt8]]) {
        self.stream = stream
        self.sentAt = sentAt
        self.attempt = attempt
        self.segments = segments
        checkLimits()
    }

    private func checkLimits() {
        precondition(
            (1...SegmentsMessage.segmentsMax).contains(segments.count),
            "a message has 1 to \(SegmentsMessage.segmentsMax) segments, not \(segments.count)")
    }

    /// What a segment takes in the message.
    package static func byteCount(ofSegment byteCount: Int) -> Int {
        byteCount + 4
    }

    /// What the signature covers: when it was sent, for clocks are judged by that, and the last
    /// segment's hash, and through the chain everything before it.
    package static func signedContent(
        session: UInt64, stream: StreamTag, sentAt: Timestamp, lastHash: Hash256
    ) -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(SignatureDomain.segments.bytes)
        writer.fixed(session)
        writer.fixed(stream.rawValue)
        writer.fixed(sentAt.microseconds)
        writer.hash(lastHash)
        return writer.bytes
    }
}

/// All definitions of a stream up to a segment, for a reader that cannot have them from the
/// segments.
package struct DefinitionsMessage: Hashable, Sendable {
    package static let definitionsMax = 65_536

    package var stream: StreamTag
    /// The segment that they lead up to: after a fork, each branch has its own.
    package var segment: Hash256
    package var first: UInt32
    package var definitions: [Definition]
    /// Whether more follow in another message.
    package var isLast: Bool

    package init(
        stream: StreamTag, segment: Hash256, first: UInt32, definitions: [Definition], isLast: Bool
    ) {
        self.stream = stream
        self.segment = segment
        self.first = first
        self.definitions = definitions
        self.isLast = isLast
        checkLimits()
    }

    private func checkLimits() {
        precondition(
            definitions.count <= DefinitionsMessage.definitionsMax,
            "a message has at most \(DefinitionsMessage.definitionsMax) definitions, "
                + "not \(definitions.count)"
        )
    }
}

// MARK: Bytes

extension ChainPoint {
    func encode(into writer: inout ByteWriter) {
        writer.fixed(sequence)
        writer.hash(hash)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        sequence = try reader.fixed()
        hash = try reader.hash()
    }
}

extension Seen {
    func encode(into writer: inout ByteWriter) {
        writer.u8(hub == nil ? 0 : 1)
        writer.fixed(hub?.rawValue ?? 0)
        writer.fixed(position)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        let isSeen = try reader.flag("the seen hub's flag")
        hub = try reader.seenHub(isSeen)
        position = try reader.fixed()
    }
}

extension Hello: FrameBody {
    package static let kind = Frame.Kind.hello

    func encode(into writer: inout ByteWriter) {
        checkLimits()
        writer.raw(nonce)
        dialect.encode(into: &writer)
        writer.fixed(lastSession)
        head.encode(into: &writer)
        acknowledged.encode(into: &writer)
        writer.u8(acknowledgedAt == nil ? 0 : 1)
        acknowledgedAt?.encode(into: &writer)
        seen.encode(into: &writer)
        writer.u8(seenEvent == nil ? 0 : 1)
        if let seenEvent { writer.hash(seenEvent) }
        writer.fixed(oldestRetained)
        writer.u8(retainedBehind == nil ? 0 : 1)
        if let retainedBehind { writer.hash(retainedBehind) }
        writer.varint(UInt64(otherStreams.count))
        for stream in otherStreams { writer.fixed(stream.rawValue) }
        writer.text(softwareVersion)
        let genesis = genesis.encoded()
        writer.varint(UInt64(genesis.count))
        writer.raw(genesis)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        nonce = try reader.raw(Hello.nonceByteCount)
        dialect = try Dialect(from: &reader)
        lastSession = try reader.fixed()
        head = try ChainPoint(from: &reader)
        acknowledged = try ChainPoint(from: &reader)
        let isPlaced = try reader.flag("the acknowledgement's flag")
        acknowledgedAt = isPlaced ? try LogPlace(from: &reader) : nil
        seen = try Seen(from: &reader)
        let hasSeen = try reader.flag("whether an event of the hub was seen")
        seenEvent = hasSeen ? try reader.hash() : nil
        oldestRetained = try reader.fixed()
        let isCut = try reader.flag("whether older segments are no longer kept")
        retainedBehind = isCut ? try reader.hash() : nil
        otherStreams = []
        for _
            in 0..<(try reader.length("the number of other streams", limit: Hello.otherStreamsMax))
        {
            otherStreams.append(try reader.streamTag())
        }
        softwareVersion = try reader.text("the software's version", limit: Hello.versionBytesMax)
        let length = try reader.length("the genesis", limit: Genesis.byteCountMax)
        genesis = try Genesis(decoding: try reader.raw(length))
    }
}

extension Proof: FrameBody {
    package static let kind = Frame.Kind.proof

    func encode(into writer: inout ByteWriter) {
        writer.fixed(stream.rawValue)
        head.encode(into: &writer)
        writer.u8(flags)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        stream = try reader.streamTag()
        head = try ChainPoint(from: &reader)
        let flags = try reader.u8()
        guard flags <= 3 else { throw reader.failure(.invalid(what: "the proof's flags")) }
        passesAnnounced = flags & 1 == 1
        hasLeft = flags & 2 == 2
    }
}

extension SegmentsMessage: FrameBody {
    package static let kind = Frame.Kind.segments

    func encode(into writer: inout ByteWriter) {
        checkLimits()
        writer.reserve(
            SegmentsMessage.prefixByteCount + segments.reduce(0) { $0 + $1.count + 4 }
                + SegmentsMessage.suffixByteCount)
        writer.fixed(stream.rawValue)
        writer.fixed(sentAt.microseconds)
        writer.fixed(attempt)
        writer.fixed(UInt32(segments.count))
        for segment in segments {
            writer.fixed(UInt32(segment.count))
            writer.raw(segment)
        }
    }

    init(from reader: inout ByteReader) throws(WireError) {
        stream = try reader.streamTag()
        sentAt = Timestamp(microseconds: try reader.fixed())
        attempt = try reader.fixed()
        let count: UInt32 = try reader.fixed()
        guard count >= 1, count <= UInt32(SegmentsMessage.segmentsMax) else {
            throw reader.failure(.invalid(what: "the number of segments"))
        }
        segments = []
        for _ in 0..<count {
            let length: UInt32 = try reader.fixed()
            segments.append(try reader.raw(length))
        }
    }
}

extension DefinitionsMessage: FrameBody {
    package static let kind = Frame.Kind.definitions

    func encode(into writer: inout ByteWriter) {
        checkLimits()
        writer.fixed(stream.rawValue)
        writer.hash(segment)
        writer.fixed(first)
        writer.u8(isLast ? 1 : 0)
        writer.varint(UInt64(definitions.count))
        for definition in definitions { definition.encode(into: &writer) }
    }

    init(from reader: inout ByteReader) throws(WireError) {
        stream = try reader.streamTag()
        segment = try reader.hash()
        first = try reader.fixed()
        isLast = try reader.flag("whether these are the last definitions")
        let count = try reader.length(
            "the number of definitions", limit: DefinitionsMessage.definitionsMax)
        definitions = []
        for _ in 0..<count { definitions.append(try Definition(from: &reader)) }
    }
}
