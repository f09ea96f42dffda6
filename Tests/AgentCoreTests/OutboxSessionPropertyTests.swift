import AgentCore
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

// MARK: Whatever arrives

@Suite struct OutboxSessionPropertyTests {
    /// Throws everything at a machine, sense and nonsense, and watches what it does.
    private struct Fuzz: ~Copyable {
        private var bench: Bench
        private var random: SplitMix64
        private let seed: UInt64
        private var head: UInt64
        private var released: UInt64
        private var nonces = [[UInt8](repeating: 0, count: Hello.nonceByteCount)]
        private var session: UInt64 = 0
        private var asked: [(session: UInt64, leaves: [ChainPoint])] = []
        /// Of the session under way, as we count it.
        private var messages: [UInt64] = []
        private var offered = Credit(bytes: 0, messages: 0)
        private var accepted = Credit(bytes: 0, messages: 0)
        private var credit = Credit(bytes: 0, messages: 0)
        private var lastAck: ChainPoint?
        private var isStopped = false

        init(_ seed: UInt64) {
            self.seed = seed
            random = SplitMix64(seed: seed)
            head = UInt64(random.below(6))
            released = UInt64(random.below(Int(head) + 1))
            bench = Bench(head: head, released: released)
        }

        mutating func run() {
            for _ in 0..<120 { perform(event()) }
        }

        private mutating func place() -> ChainPoint {
            let sequence = UInt64(random.below(Int(head) + 2))
            return random.oneIn(6) ? Chain.foreign(sequence) : Chain.point(sequence)
        }

        private mutating func number() -> UInt64 {
            random.oneIn(8) ? session &+ random.next() % 3 &- 1 : session
        }

        private mutating func event() -> [OutboxSession.Action] {
            lastAck = nil
            switch random.below(20) {
            case 0: return bench.connect()
            case 1:
                bench.session.disconnected()
                return []
            case 2, 3, 4: return welcome()
            case 5, 6, 7: return prepared()
            case 8, 9, 10:
                head += 1
                return bench.append(head)
            case 11: return bench.tick(after: Int64(random.below(3_000_000)))
            case 12: return bench.session.transportHasRoom()
            case 13:
                bench.session.aggregatorCameUp(now: bench.now, &random)
                return []
            case 14: return bench.needs(place(), session: number())
            case 15:
                let point = place()
                return bench.rewound(point, found: !random.oneIn(4))
            default:
                let point = place()
                lastAck = point
                let number = number()
                if number == session, point == Chain.point(point.sequence),
                    point.sequence <= messages.last ?? 0 || point.sequence == head
                {
                    messages.removeAll { $0 <= point.sequence }
                }
                return bench.ack(point, session: number)
            }
        }

        private mutating func welcome() -> [OutboxSession.Action] {
            let standing: Standing = random.oneIn(60) ? .forked : .open
            let leaf = place()
            let credit = Credit(
                bytes: UInt32(random.below(200_000)), messages: UInt32(random.below(6)))
            if bench.session.phase == .greeting { offered = credit }
            let announced = random.oneIn(40) ? Chain.point(head + 1) : Chain.point(0)
            return bench.welcome(
                nonces[random.below(nonces.count)],
                session: session + UInt64(random.below(random.oneIn(40) ? 4 : 2)),
                leaves: [leaf], announced: announced, standing: standing, credit: credit)
        }

        private mutating func prepared() -> [OutboxSession.Action] {
            guard let last = asked.last else { return [] }
            let leaf = last.leaves.first { $0 == Chain.point($0.sequence) && $0.sequence <= head }
            return bench.prepared(
                session: last.session, resume: leaf?.sequence, hasAnnounced: !random.oneIn(60))
        }

        private mutating func perform(_ actions: [OutboxSession.Action]) {
            var queue = actions[...]
            while let action = queue.popFirst() {
                // The end is said again until the stream is retired.
                if case .end = action, isStopped { continue }
                if isStopped { #expect(Bool(false), "seed \(seed): \(action) after the end") }
                queue = perform(action) + queue
            }
        }

        private mutating func perform(_ action: OutboxSession.Action) -> [OutboxSession.Action] {
            switch action {
            case .sendHello(let nonce, _):
                nonces = [nonces[nonces.count - 1], nonce, nonce]
            case .prepare(let number, let leaves, _):
                asked.append((number, leaves))
                accepted = offered
            case .sendProof(_, let number, let proof):
                let head = proof.head
                #expect(number > session, "seed \(seed)")
                #expect(head == Chain.point(self.head), "seed \(seed)")
                session = number
                credit = accepted
                messages = []
            case .sendSegments(let number, let after, let through, let byteCountMax):
                #expect(number == session && after < through && through == head, "seed \(seed)")
                #expect(byteCountMax <= SegmentsMessage.segmentBytesMax, "seed \(seed)")
                return send(after, through)
            case .locate(let places):
                let point = places[0]
                return bench.rewound(point, found: point == Chain.point(point.sequence))
            case .progress(let progress):
                let through = progress.ack.through
                #expect(through == lastAck, "seed \(seed)")
                #expect(through == Chain.point(through.sequence), "seed \(seed)")
                #expect(progress.released == released, "seed \(seed)")
                #expect(
                    through.sequence > progress.after || through.sequence > released,
                    "seed \(seed): no progress")
                #expect(through.sequence <= head, "seed \(seed)")
                released = max(released, through.sequence)
            case .end: isStopped = true
            case .refuse, .sendDefinitions, .hold: break
            }
            return []
        }

        private mutating func send(_ after: UInt64, _ through: UInt64) -> [OutboxSession.Action] {
            guard !random.oneIn(5) else { return [] }
            let end = min(through, after + 1 + UInt64(random.below(3)))
            messages.removeAll { $0 > after }
            messages.append(end)
            #expect(messages.count <= Int(credit.messages), "seed \(seed)")
            let oneSegment = SegmentsMessage.byteCount(ofSegment: SegmentHeader.segmentBytesMax)
            #expect(messages.count == 1 || Int(credit.bytes) >= oneSegment, "seed \(seed)")
            return bench.sent(after + 1...end)
        }
    }

    @Test func `over thousands of seeds, nothing is sent or released that may not be`() {
        for seed in 0..<5000 as Range<UInt64> {
            var fuzz = Fuzz(seed)
            fuzz.run()
        }
    }
}
