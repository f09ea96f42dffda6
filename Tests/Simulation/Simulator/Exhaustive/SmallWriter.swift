import AgentCore
import LedgerCore
import SyncProtocol

/// An agent of a ``SmallWorld``: a folder with streams, and the production's session of each.
struct SmallWriter {
    struct OwnStream {
        let genesis: Genesis
        let start: ChainPoint
        let tag: StreamTag
        var segments: [SealedSegment] = []
        var lastSession: UInt64 = 0
        /// The last one that this folder, or the one that it is a copy of, has proved.
        var provedSession: UInt64 = 0
        /// The end of what the hub has acknowledged.
        var acknowledged: ChainPoint
        var names = StreamDictionary()

        init(_ genesis: Genesis) {
            self.genesis = genesis
            start = ChainPoint(sequence: 0, hash: genesis.hash(SmallWriter.hasher))
            tag = StreamTag(genesisHash: start.hash)
            acknowledged = start
        }

        var head: ChainPoint { segments.last?.end ?? start }

        mutating func loseLast() {
            guard head != acknowledged else { return }
            segments.removeLast()
        }

        func contains(_ point: ChainPoint) -> Bool {
            point == start || segments.contains { $0.end == point }
        }
    }

    /// What a crash leaves, and a copy has.
    struct Disk {
        /// The last one is written.
        var streams: [OwnStream] = []

        func hash(into hasher: inout Hasher) {
            for stream in streams {
                // The head's hash names the whole chain.
                hasher.combine(stream.head)
                hasher.combine(stream.lastSession)
                hasher.combine(stream.provedSession)
                hasher.combine(stream.acknowledged)
            }
        }
    }

    /// A session's number that is on its way to the disk.
    struct Errand: Hashable {
        let stream: Int
        let session: UInt64
        let leaves: [ChainPoint]
        let announced: ChainPoint
    }

    /// What the last hello and the last welcome of a stream named.
    struct Handshake: Hashable {
        var greeting = Hash256.zero
        var nonce: UInt8 = 0
        var challenge: UInt8 = 0
    }

    let number: Int
    let name: Int
    var life = 0
    var disk = Disk()
    var sessions: [OutboxSession] = []
    var handshakes: [Handshake] = []
    var errands: [Errand] = []
    var isConnected = false
    /// Never goes back, whatever copy is put back: in its place stand random numbers.
    var recorded = 0
    var drawn = 0
    var fault: String?
    /// What the world around it refers to; set before each choice.
    var outerNames = FreshNames()

    static let hasher = ToyHasher()
    static let now = SteadyTime(microseconds: 0)
    let limits: AgentLimits
    let breakage: Breakage?
    let signer: ToySigner

    /// - Parameter messagesMax: under way at once.
    init(number: Int, name: Int, messagesMax: Int, breakage: Breakage?) {
        self.breakage = breakage
        self.number = number
        self.name = name
        signer = ToySigner(UInt64(name + 1))
        var limits = AgentLimits()
        limits.smallMessagesInFlightMax = messagesMax
        limits.formerMessagesInFlightMax = messagesMax
        // Every time is up at once: that one is, is a choice of the world.
        limits.greetingDelayBase = 0
        limits.greetingDelayMax = 0
        limits.heldGreetingDelay = 0
        limits.drawDelay = 0
        limits.resumeDelayMax = 0
        self.limits = limits
        draw()
    }

    var sender: Letter.Sender { Letter.Sender(writer: number, life: life) }

    // MARK: The folder

    mutating func draw() {
        guard let id = try? AgentID("till-\(name)") else { preconditionFailure("till-\(name)") }
        var nonce = [UInt8](repeating: 0, count: Genesis.nonceByteCount)
        nonce[0] = UInt8(number)
        nonce[1] = UInt8(drawn)
        drawn += 1
        let genesis = Genesis(
            writer: .agent, ledger: "market", agent: id, nonce: nonce, publicKey: signer.publicKey)
        disk.streams.append(OwnStream(genesis))
        open(disk.streams.count - 1)
    }

    mutating func open(_ index: Int) {
        let stream = disk.streams[index]
        sessions.append(
            OutboxSession(
                stream: stream.tag, head: stream.head, released: stream.acknowledged.sequence,
                lastSession: stream.lastSession, isWriting: index == disk.streams.count - 1,
                limits: limits))
        handshakes.append(Handshake())
    }

    mutating func restart() {
        if breakage == .losesEventsInCrash { disk.streams[disk.streams.count - 1].loseLast() }
        isConnected = false
        errands = []
        sessions = []
        handshakes = []
        for index in disk.streams.indices { open(index) }
    }

    mutating func restart(with copy: Disk) {
        disk = copy
        life += 1
        restart()
    }

    /// One event, in a segment of its own.
    mutating func record(_ letters: inout [Letter]) {
        let index = disk.streams.count - 1
        let sealed = segment(behind: disk.streams[index])
        disk.streams[index].segments.append(sealed)
        for definition in (try? sealed.segment.definitions()) ?? [] {
            disk.streams[index].names.restore(definition)
        }
        let actions = sessions[index].appended(sealed.end, byteCount: sealed.segment.bytes.count)
        perform(actions, index, &letters)
    }

    mutating func segment(behind stream: OwnStream) -> SealedSegment {
        recorded += 1
        let before = stream.segments.last?.segment.header.dictionary ?? .empty
        var builder = SegmentBuilder(
            place: SegmentBuilder.Place(
                stream: stream.tag, firstSequence: stream.head.sequence + 1,
                previous: stream.head.hash, seen: .nothing, dictionary: before),
            dictionary: stream.names)
        builder.append(
            transaction(), keyed: nil, trace: nil,
            time: HybridTimestamp(rawValue: stream.head.sequence + 1))
        let (segment, hash) = builder.seal(SmallWriter.hasher)
        return SealedSegment(segment: segment, hash: hash)
    }

    /// Unlike any other's: copies of a folder go on differently.
    func transaction() -> Transaction {
        do {
            let posting = Posting(
                source: .world, destination: try AccountAddress("till:\(number)"),
                asset: try Asset("EUR/2"), amount: try Amount(Int64(number * 100 + recorded)))
            return try Transaction(postings: [posting])
        } catch { preconditionFailure("\(error)") }
    }

    // MARK: The transport

    mutating func connect(_ letters: inout [Letter]) {
        isConnected = true
        for index in sessions.indices { greet(index, &letters) }
    }

    mutating func greet(_ index: Int, _ letters: inout [Letter]) {
        var random = generator(letters)
        perform(sessions[index].connected(now: SmallWriter.now, &random), index, &letters)
    }

    mutating func disconnect() {
        isConnected = false
        for index in sessions.indices { sessions[index].disconnected() }
    }

    /// All deadlines pass.
    mutating func tick(_ letters: inout [Letter]) {
        for index in sessions.indices {
            // The first look may only set a deadline.
            for _ in 0..<2 {
                var random = generator(letters)
                let actions = sessions[index].tick(now: SmallWriter.now, &random)
                perform(actions, index, &letters)
                if !actions.isEmpty { break }
            }
        }
    }

    mutating func receive(_ letter: Letter, _ letters: inout [Letter]) {
        for index in disk.streams.indices {
            let actions = answer(letter, index, letters)
            perform(actions, index, &letters)
        }
    }

    mutating func answer(
        _ letter: Letter, _ index: Int, _ letters: [Letter]
    ) -> [OutboxSession.Action] {
        let tag = disk.streams[index].tag
        switch letter.message {
        case .welcome(let welcome):
            guard sessions[index].awaits(welcome.nonce) else { return [] }
            handshakes[index].challenge = welcome.challenge[0]
            return sessions[index].welcomed(welcome)
        case .ack(let ack) where ack.stream == tag:
            var random = generator(letters)
            return sessions[index].acknowledged(
                ack, session: letter.session, now: SmallWriter.now, &random)
        case .needs(let needs) where needs.stream == tag:
            return sessions[index].needed(needs, session: letter.session)
        default: return []
        }
    }

    /// The first errand reaches the disk, and the machine hears of it.
    mutating func finishErrand(_ letters: inout [Letter]) {
        let errand = writeErrand()
        let stream = disk.streams[errand.stream]
        let found = errand.leaves.filter(stream.contains).max { $0.sequence < $1.sequence }
        let from = found?.sequence ?? 0
        let unsent = stream.segments.filter { $0.end.sequence > from }
        var random = generator(letters)
        let actions = sessions[errand.stream].prepared(
            session: errand.session, resume: found, hasAnnounced: stream.contains(errand.announced),
            oldestRetained: 1, unsentBytes: unsent.reduce(0) { $0 + $1.segment.bytes.count },
            now: SmallWriter.now, &random)
        perform(actions, errand.stream, &letters)
    }

    /// The first errand reaches the disk, and nobody hears of it any more.
    mutating func crashBehindErrand() {
        _ = writeErrand()
        restart()
    }

    mutating func writeErrand() -> Errand {
        let errand = errands.removeFirst()
        let last = disk.streams[errand.stream].lastSession
        disk.streams[errand.stream].lastSession = max(last, errand.session)
        return errand
    }
}
