import AggregatorCore
import LedgerCore
@_spi(Durability) import SyncProtocol

/// The aggregator of a ``SmallWorld``: the production's session of each stream, and a store.
struct SmallHub {
    /// What a crash leaves of a stream.
    struct Stored {
        var segments: [Hash256: SealedSegment] = [:]
        var record: StreamSession.Record
        /// Who proved each session.
        var holders: [UInt64: Letter.Sender] = [:]
        /// Of the segments' hashes.
        var sum = StateDigest.zero

        /// The ends of its branches.
        var ends: [BranchEnd] {
            let parents = Set(segments.values.map(\.segment.header.previous))
            return segments.values.filter { !parents.contains($0.hash) }
                .sorted {
                    $0.end.sequence < $1.end.sequence
                        || $0.end.sequence == $1.end.sequence
                            && $0.hash.bytes.lexicographicallyPrecedes($1.hash.bytes)
                }
                .map { BranchEnd(point: $0.end, dictionary: $0.segment.header.dictionary) }
        }

        /// Whether a segment has two children.
        var isForked: Bool {
            Set(segments.values.map(\.segment.header.previous)).count < segments.count
        }
    }

    struct Stream {
        let name: Int
        var session: StreamSession
        var stored: Stored?
        var pending: [SealedSegment] = []
        var owesRecord = false
        var holders: [UInt64: Letter.Sender] = [:]
        /// The nonce and the challenge of the last hello, until it is proved.
        var nonce: UInt8?
        var challenge: UInt8?
        var digest = StateDigest.zero

        var tag: StreamTag { session.stream }
        var hasWork: Bool { !pending.isEmpty || owesRecord }
        var names: FreshNames { FreshNames([nonce, challenge].compactMap { $0 }) }
    }

    var streams: [Stream] = []
    let breakage: Breakage?
    /// What must never be, in words.
    var fault: String?

    static let hasher = ToyHasher()
    static let genesis: Genesis = {
        guard let id = try? AgentID("hub") else { preconditionFailure("hub") }
        return Genesis(
            writer: .hub, ledger: "market", agent: id,
            nonce: [UInt8](repeating: 9, count: Genesis.nonceByteCount),
            publicKey: ToySigner(99).publicKey)
    }()
    static let tag = StreamTag(genesisHash: genesis.hash(hasher))
    static let now = ClockReading(
        wall: Timestamp(microseconds: 0), steady: SteadyTime(microseconds: 0))
    /// Every time is up at once: that one is, is a choice of the world.
    static let limits = {
        var limits = AggregatorLimits()
        limits.reorderWindow = 0
        limits.needsRepeat = 0
        return limits
    }()

    init(_ breakage: Breakage?) { self.breakage = breakage }

    var hasWork: Bool { streams.contains(where: \.hasWork) }

    func index(_ tag: StreamTag) -> Int? { streams.firstIndex { $0.tag == tag } }

    /// Whether a segment is stored.
    func has(_ hash: Hash256, of tag: StreamTag) -> Bool {
        index(tag).map { streams[$0].stored?.segments[hash] != nil } ?? false
    }

    /// Whether a message of that session can still have an effect, now or after a crash.
    func mayHear(_ session: UInt64, of tag: StreamTag) -> Bool {
        guard let index = index(tag) else { return true }
        return streams[index].session.provedSession == session
            || session > streams[index].stored?.record.provedSession ?? 0
    }

    /// The last challenge that is not answered.
    func challenge(of tag: StreamTag) -> UInt8? {
        index(tag).flatMap { streams[$0].challenge }
    }

    mutating func restart() {
        streams = streams.filter { $0.stored != nil }
        for index in streams.indices {
            guard let stored = streams[index].stored else { continue }
            let genesis = streams[index].session.genesis
            var stream = Stream(
                name: streams[index].name,
                session: SmallHub.session(genesis, stored.ends, stored.record), stored: stored)
            stream.holders = stored.holders
            streams[index] = stream
            summarize(index)
        }
    }

    /// Without what is of other agents.
    mutating func keepOnly(_ name: Int) {
        streams.removeAll { $0.name != name }
    }

    static func session(
        _ genesis: Genesis, _ ends: [BranchEnd], _ record: StreamSession.Record
    ) -> StreamSession {
        StreamSession(
            genesis: genesis, ends: ends, record: record, limits: limits, hasher: hasher,
            verifier: ToyVerifier())
    }

    // MARK: Messages

    mutating func receive(_ letter: Letter, _ letters: inout [Letter]) {
        switch letter.message {
        case .hello(let hello): greet(hello, letter.name, &letters)
        case .proof(let proof): prove(proof, letter, &letters)
        case .segments(let segments):
            tell(segments.stream, &letters) {
                $0.received(
                    segments, session: letter.session, signature: letter.signature,
                    now: SmallHub.now)
            }
        default: break
        }
    }

    mutating func greet(_ hello: Hello, _ name: Int, _ letters: inout [Letter]) {
        let start = ChainPoint(sequence: 0, hash: hello.genesis.hash(SmallHub.hasher))
        let tag = StreamTag(genesisHash: start.hash)
        if index(tag) == nil {
            let session = SmallHub.session(
                hello.genesis, [], StreamSession.Record(announced: start))
            streams.append(Stream(name: name, session: session))
        }
        var random = FreshNames.Generator(name: freshName(name, hello, letters))
        guard let index = index(tag) else { return }
        streams[index].nonce = hello.nonce[0]
        tell(tag, &letters) {
            $0.greeted(
                hello, credit: Credit(bytes: 1 << 20, messages: 8),
                hub: Seen(hub: SmallHub.tag, position: 0), hubGenesis: SmallHub.genesis,
                now: SmallHub.now.wall, &random)
        }
    }

    func freshName(_ name: Int, _ hello: Hello, _ letters: [Letter]) -> UInt8 {
        var used = outerNames
        used.formUnion(FreshNames([hello.nonce[0]]))
        for letter in letters where letter.name == name { used.formUnion(letter.names) }
        for index in streams.indices where streams[index].name == name {
            used.formUnion(streams[index].names)
        }
        return used.next
    }

    /// What the writers of that name refer to; set before each choice.
    var outerNames = FreshNames()

    mutating func prove(_ proof: Proof, _ letter: Letter, _ letters: inout [Letter]) {
        guard let index = index(proof.stream) else { return }
        let committed = streams[index].session.committed.sequence
        let place = StreamSession.HubPlace(tag: SmallHub.tag, events: 0, position: committed)
        let before = streams[index].session.provedSession
        tell(proof.stream, &letters) {
            $0.proved(
                proof, session: letter.session, signature: letter.signature, hub: place,
                now: SmallHub.now.wall)
        }
        let session = streams[index].session
        guard session.provedSession == letter.session, before != letter.session,
            let sender = letter.sender
        else { return }
        if breakage == .forgetsOthers { forgetOthers(letter.name) }
        streams[index].nonce = nil
        streams[index].challenge = nil
        let holder = streams[index].holders.updateValue(sender, forKey: letter.session)
        if let holder, holder != sender, session.record.standing == .open {
            fault = "session \(letter.session) of a stream is held by two copies, and it is open"
        }
        summarize(index)
    }

    mutating func forgetOthers(_ name: Int) {
        for index in streams.indices where streams[index].name != name {
            streams[index].session.forget()
            summarize(index)
        }
    }

    mutating func tell(
        _ tag: StreamTag, _ letters: inout [Letter],
        _ event: (inout StreamSession) -> [StreamSession.Action]
    ) {
        guard let index = index(tag) else { return }
        let actions = event(&streams[index].session)
        for action in actions { perform(action, index, &letters) }
        summarize(index)
    }

    mutating func tick(_ letters: inout [Letter]) {
        for tag in streams.map(\.tag) { tell(tag, &letters) { $0.tick(now: SmallHub.now) } }
    }

    // MARK: The store

    mutating func commit(_ letters: inout [Letter]) {
        let concerned = streams.filter(\.hasWork).map(\.tag)
        if breakage != .acknowledgesBeforeCommit { write() }
        for tag in concerned { tell(tag, &letters) { $0.persisted(Durable(position: 1)) } }
        write()
    }

    /// The disk has all, and nobody hears of it any more.
    mutating func crashBehindCommit() {
        write()
        restart()
    }

    mutating func write() {
        for index in streams.indices where streams[index].hasWork {
            let stream = streams[index]
            let record = stream.session.record
            var stored = stream.stored ?? Stored(record: record)
            if stored.record.standing.isClosed, !record.standing.isClosed {
                fault = "a stream that was closed is open again"
            }
            if record.provedSession < stored.record.provedSession {
                fault = "the number of a session has gone back"
            }
            for sealed in stream.pending {
                stored.segments[sealed.hash] = sealed
                stored.sum.add(StateDigest { $0.combine(sealed.hash) })
            }
            if breakage != .forgetsRecords { stored.record = record }
            stored.holders = stream.holders
            if stored.isForked, record.standing == .open {
                fault = "a stream is forked, and open"
            }
            streams[index].stored = stored
            streams[index].pending = []
            streams[index].owesRecord = false
            summarize(index)
        }
    }

    // MARK: The state

    mutating func summarize(_ index: Int) {
        streams[index].digest = StateDigest { hasher in
            hasher.combine(streams[index].session)
            hasher.combine(streams[index].stored?.sum)
            hasher.combine(streams[index].stored?.record.provedSession)
            hasher.combine(streams[index].stored?.record.announced)
            hasher.combine(streams[index].stored?.record.standing)
            hasher.combine(streams[index].stored?.holders)
            hasher.combine(streams[index].holders)
            for sealed in streams[index].pending { hasher.combine(sealed.hash) }
            hasher.combine(streams[index].owesRecord)
        }
    }
}
