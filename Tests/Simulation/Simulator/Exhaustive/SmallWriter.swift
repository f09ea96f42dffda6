import AgentCore
import LedgerCore
import SyncProtocol

/// An agent of a ``SmallWorld``: a folder with streams, and the production's session of each.
struct SmallWriter {
    struct OwnStream {
        let genesis: Genesis
        let start: ChainPoint
        let tag: StreamTag
        fileprivate(set) var segments: [SealedSegment] = []
        fileprivate(set) var lastSession: UInt64 = 0
        /// The last one that this folder, or the one that it is a copy of, has proved.
        fileprivate var provedSession: UInt64 = 0
        /// The end of what the hub has acknowledged.
        fileprivate(set) var acknowledged: ChainPoint
        fileprivate var names = StreamDictionary()

        fileprivate init(_ genesis: Genesis) {
            self.genesis = genesis
            start = ChainPoint(sequence: 0, hash: genesis.hash(SmallWriter.hasher))
            tag = StreamTag(genesisHash: start.hash)
            acknowledged = start
        }

        var head: ChainPoint { segments.last?.end ?? start }

        fileprivate mutating func loseLast() {
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
        fileprivate(set) var streams: [OwnStream] = []

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
    private struct Handshake: Hashable {
        var greeting = Hash256.zero
        var nonce: UInt8 = 0
        var challenge: UInt8 = 0
    }

    let number: Int
    let name: Int
    private(set) var life = 0
    private(set) var disk = Disk()
    private var sessions: [OutboxSession] = []
    private var handshakes: [Handshake] = []
    private(set) var errands: [Errand] = []
    private(set) var isConnected = false
    /// Never goes back, whatever copy is put back: in its place stand random numbers.
    private var recorded = 0
    private var drawn = 0
    private(set) var fault: String?

    private static let hasher = ToyHasher()
    private static let now = SteadyTime(microseconds: 0)
    private let limits: AgentLimits
    private let breakage: Breakage?
    private let signer: ToySigner

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

    private var sender: Letter.Sender { Letter.Sender(writer: number, life: life) }

    // MARK: The folder

    private mutating func draw() {
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

    private mutating func open(_ index: Int) {
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

    private mutating func segment(behind stream: OwnStream) -> SealedSegment {
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
    private func transaction() -> Transaction {
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

    private mutating func greet(_ index: Int, _ letters: inout [Letter]) {
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

    private mutating func answer(
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

    private mutating func writeErrand() -> Errand {
        let errand = errands.removeFirst()
        let last = disk.streams[errand.stream].lastSession
        disk.streams[errand.stream].lastSession = max(last, errand.session)
        return errand
    }

    // MARK: Actions

    private mutating func perform(
        _ actions: [OutboxSession.Action], _ index: Int, _ letters: inout [Letter]
    ) {
        var queue = actions[...]
        while let action = queue.popFirst() { queue = perform(action, index, &letters) + queue }
    }

    private mutating func perform(
        _ action: OutboxSession.Action, _ index: Int, _ letters: inout [Letter]
    ) -> [OutboxSession.Action] {
        let stream = disk.streams[index]
        switch action {
        case .sendHello(let nonce, let lastSession):
            sendHello(nonce, lastSession, index, &letters)
        case .prepare(let session, let leaves, let announced):
            errands.append(
                Errand(stream: index, session: session, leaves: leaves, announced: announced))
        case .sendProof(let challenge, let session, let proof):
            sendProof(challenge, session, proof, index, &letters)
        case .sendSegments(let session, let after, let through, _):
            return send(after, through, session, index, &letters)
        case .locate(let places):
            let found = places.filter(stream.contains).max { $0.sequence < $1.sequence }
            var random = generator(letters)
            return sessions[index].rewound(
                to: found, of: places, unsentBytes: 0, now: SmallWriter.now, &random)
        case .progress(let progress): release(progress.ack.through, index)
        case .end:
            sessions[index].retire()
            if index == disk.streams.count - 1 { draw() }
            // The stream that ended drains now, and the new one begins.
            if isConnected {
                for next in [index, disk.streams.count - 1] { greet(next, &letters) }
            }
        case .sendDefinitions: fault = "names were asked for, and none are missing"
        case .hold, .refuse: break
        }
        return []
    }

    private mutating func release(_ point: ChainPoint, _ index: Int) {
        if !disk.streams[index].contains(point) {
            fault = "released at event \(point.sequence) of another chain"
        }
        if point.sequence > disk.streams[index].acknowledged.sequence {
            disk.streams[index].acknowledged = point
        }
    }

    private mutating func sendHello(
        _ nonce: [UInt8], _ lastSession: UInt64, _ index: Int, _ letters: inout [Letter]
    ) {
        let stream = disk.streams[index]
        let acknowledged = stream.acknowledged
        let hello = Hello(
            nonce: nonce, lastSession: lastSession, head: stream.head, acknowledged: acknowledged,
            acknowledgedAt: acknowledged.sequence > 0
                ? LogPlace(hub: SmallHub.tag, position: acknowledged.sequence) : nil,
            seen: .nothing, oldestRetained: 1, softwareVersion: "", genesis: stream.genesis)
        handshakes[index] = Handshake(
            greeting: hello.digest(SmallWriter.hasher), nonce: nonce[0], challenge: 0)
        guard isConnected else { return }
        let frame = Message.hello(hello).framed(session: 0)
        letters.append(Letter(from: name, frame, names: [nonce[0]]))
    }

    private mutating func sendProof(
        _ challenge: [UInt8], _ session: UInt64, _ proof: Proof, _ index: Int,
        _ letters: inout [Letter]
    ) {
        if disk.streams[index].lastSession != session {
            fault = "session \(session) is proved, and the disk does not say so"
        }
        if session <= disk.streams[index].provedSession {
            fault = "session \(session) is proved twice"
        }
        disk.streams[index].provedSession = session
        guard isConnected else { return }
        let content = proof.signedContent(
            challenge: challenge, greeting: handshakes[index].greeting, session: session)
        let frame = Message.proof(proof).framed(session: session, signature: signer.sign(content))
        letters.append(
            Letter(
                from: name, frame, names: [handshakes[index].nonce, challenge[0]], sender: sender,
                challenge: challenge[0]))
    }

    private mutating func send(
        _ after: UInt64, _ through: UInt64, _ session: UInt64, _ index: Int,
        _ letters: inout [Letter]
    ) -> [OutboxSession.Action] {
        let stream = disk.streams[index]
        let chosen = stream.segments.filter {
            $0.segment.header.firstSequence > after && $0.end.sequence <= through
        }
        guard isConnected, let last = chosen.last else { return [] }
        let message = SegmentsMessage(
            stream: stream.tag, sentAt: Timestamp(microseconds: 0), attempt: 1,
            segments: chosen.map(\.segment.bytes))
        let content = SegmentsMessage.signedContent(
            session: session, stream: stream.tag, lastHash: last.hash)
        let frame = Message.segments(message).framed(
            session: session, signature: signer.sign(content))
        letters.append(Letter(from: name, frame))
        return sessions[index].sent(
            ends: chosen.map(\.end), byteCount: chosen.reduce(0) { $0 + $1.segment.bytes.count },
            at: nil)
    }

    // MARK: What may still matter

    private func generator(_ letters: [Letter]) -> FreshNames.Generator {
        var used = outerNames
        for letter in letters where letter.name == name { used.formUnion(letter.names) }
        used.formUnion(names)
        return FreshNames.Generator(name: used.next)
    }

    /// What the world around it refers to; set before each choice.
    var outerNames = FreshNames()

    /// Of handshakes that are not over.
    var names: FreshNames {
        var used: [UInt8] = []
        for index in sessions.indices where isGreeting(index) {
            used += [handshakes[index].nonce, handshakes[index].challenge]
        }
        return FreshNames(used)
    }

    private func isGreeting(_ index: Int) -> Bool {
        sessions[index].phase == .greeting || errands.contains { $0.stream == index }
    }

    func awaits(_ nonce: [UInt8]) -> Bool {
        sessions.contains { $0.awaits(nonce) }
    }

    /// Whether an acknowledgement may still change something.
    func mayUse(_ ack: Ack, session: UInt64) -> Bool {
        guard let index = disk.streams.firstIndex(where: { $0.tag == ack.stream }) else {
            return false
        }
        guard sessions[index].streamingSession == session else {
            return mayEnter(session, of: ack.stream)
        }
        guard let confirmed = sessions[index].confirmed else { return true }
        return ack.through.sequence > confirmed.acknowledged.sequence
    }

    /// Whether that session is open, or may still be.
    func mayEnter(_ session: UInt64, of stream: StreamTag) -> Bool {
        guard let index = disk.streams.firstIndex(where: { $0.tag == stream }) else { return false }
        return sessions[index].streamingSession == session
            || errands.contains { $0.stream == index && $0.session == session }
            || disk.mayEnter(session, of: stream)
    }

    var writing: StreamTag { disk.streams[disk.streams.count - 1].tag }

    var digest: StateDigest {
        StateDigest { hasher in
            hasher.combine(number)
            hasher.combine(life)
            hasher.combine(recorded)
            hasher.combine(drawn)
            hasher.combine(isConnected)
            disk.hash(into: &hasher)
            for index in sessions.indices {
                hasher.combine(sessions[index])
                if isGreeting(index) { hasher.combine(handshakes[index]) }
            }
            hasher.combine(errands)
        }
    }
}

extension SmallWriter.Disk {
    /// Whether a folder with this disk may come to prove that session.
    func mayEnter(_ session: UInt64, of stream: StreamTag) -> Bool {
        streams.contains { $0.tag == stream && session > $0.lastSession }
    }
}
