import LedgerCore
import SyncProtocol
import TestSupport

/// Somebody at the broker who has listened for long and now speaks: what was said long ago, what was
/// said in other words, and what nobody said.
struct Adversary {
    private static let keptMax = 96

    private var kept: [(topic: Topic, bytes: [UInt8])] = []
    private var seen = 0
    private var random: SplitMix64

    /// How many agents there are by name.
    private let names: Int

    init(_ plan: Plan) {
        names = plan.agentCount
        random = Dice(seed: plan.seed).sequence(.adversary)
    }

    /// Keeps some of all that was ever said, old and new alike (reservoir sampling, Vitter 1985).
    mutating func saw(_ topic: Topic, _ bytes: [UInt8]) {
        seen += 1
        if kept.count < Adversary.keptMax { return kept.append((topic, bytes)) }
        let place = random.below(seen)
        if place < Adversary.keptMax { kept[place] = (topic, bytes) }
    }

    /// What is said now in that manner; nil where nothing fitting was heard.
    func utterance(_ kind: FaultKind, _ random: inout SplitMix64) -> (topic: Topic, bytes: [UInt8])?
    {
        let fitting = kept.filter { fits(kind, $0.topic, $0.bytes) }
        guard !fitting.isEmpty else { return nil }
        let (topic, bytes) = random.pick(fitting)
        switch kind {
        case .replayedUp, .replayedDown: return (topic, bytes)
        case .newerFrame: return (topic, newer(bytes, &random))
        case .forgedUp where random.oneIn(3):
            // As somebody else.
            return (.up(1 + random.below(names)), bytes)
        case .forgedUp, .forgedDown:
            return forged(bytes, &random).map { (topic, $0) }
        default: return altered(bytes, &random).map { (topic, $0) }
        }
    }

    private func fits(_ kind: FaultKind, _ topic: Topic, _ bytes: [UInt8]) -> Bool {
        let isHello = bytes.count > 3 && bytes[3] == Frame.Kind.hello.rawValue
        switch kind {
        case .replayedUp, .forgedUp: return !topic.isDown
        case .alteredUp: return !topic.isDown && !isHello
        case .alteredHello: return isHello
        case .replayedDown, .alteredDown, .forgedDown: return topic.isDown
        default: return true
        }
    }

    /// Of a version to come, or of a kind that this one does not know.
    private func newer(_ bytes: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
        guard bytes.count > Frame.headerByteCount else { return bytes }
        var newer = bytes
        if random.oneIn(3) {
            newer[2] = 2
        } else {
            newer[3] = random.pick([7, 22, 40, 200])
        }
        return withChecksum(newer)
    }

    /// Signed by somebody else.
    private func forged(_ bytes: [UInt8], _ random: inout SplitMix64) -> [UInt8]? {
        guard let frame = try? Frame(decoding: bytes), let message = try? Message(frame) else {
            return nil
        }
        let session = random.oneIn(2) ? frame.session : frame.session + 1
        let lie = lie(message)
        let content = lie.framed(session: session).signedContent(ToyHasher())
        let signature = ToySigner(666).sign(content)
        return lie.framed(session: session, signature: signature).encoded()
    }

    /// Who signs for somebody else says what that one would not: of events others than were recorded,
    /// and that more is held than is.
    private func lie(_ message: Message) -> Message {
        switch message {
        case .segments(var segments):
            guard let last = segments.segments.popLast().flatMap({ try? Segment(decoding: $0) })
            else { return message }
            var parts = SegmentBytes(last)
            parts.events[parts.events.count - 1] ^= 1
            segments.segments.append(parts.assembled())
            return .segments(segments)
        case .ack(var ack):
            ack.through = furthest(of: ack.stream) ?? ack.through
            return .ack(ack)
        default: return message
        }
    }

    /// The last that was heard of a stream.
    private func furthest(of stream: StreamTag) -> ChainPoint? {
        let ends = kept.compactMap { _, bytes -> ChainPoint? in
            guard let frame = try? Frame(decoding: bytes),
                case .segments(let heard)? = try? Message(frame), heard.stream == stream,
                let last = heard.segments.last.flatMap({ try? Segment(decoding: $0) })
            else { return nil }
            return SealedSegment(segment: last, hash: last.hash(ToyHasher())).end
        }
        return ends.max { $0.sequence < $1.sequence }
    }

    /// One field or another says something else, and the frame is whole.
    private func altered(_ bytes: [UInt8], _ random: inout SplitMix64) -> [UInt8]? {
        guard let frame = try? Frame(decoding: bytes), !frame.body.isEmpty else { return nil }
        var altered = bytes
        let end = Frame.headerByteCount + frame.body.count
        for _ in 0...random.below(2) {
            let place = Frame.headerByteCount + random.below(end - Frame.headerByteCount)
            altered[place] ^= 1 << UInt8(random.below(8))
        }
        return withChecksum(altered)
    }
}

extension Topic {
    fileprivate var isDown: Bool {
        switch self {
        case .down, .hub: true
        case .up, .status: false
        }
    }
}

extension World {
    func injectFrame(_ kind: FaultKind, _ random: inout SplitMix64) {
        guard broker.isUp, let (topic, bytes) = adversary.utterance(kind, &random) else { return }
        note { "somebody says \(Words.message(bytes))" }
        digest.feed(bytes)
        route(topic, bytes)
    }
}
