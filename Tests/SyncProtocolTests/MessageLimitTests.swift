import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// The limits of a message, on both sides: what a writer must not make, and what a reader does not
/// believe.
@Suite struct MessageLimitTests {
    // MARK: Writers

    /// A message that no reader would take.
    enum Impossible: String, CaseIterable, Codable, Sendable {
        case helloNonce, helloNonceLater, otherStreams, softwareVersion
        case welcomeNonce, challenge, leaves, leavesLater
        case runs, runsLater, noGap, gaps, gapsLater
        case noSegment, segments, segmentsLater, definitions, dialect
        case included, accountsLater, balances, requested

        func make() throws {
            var random = SplitMix64(seed: 1)
            let tag = random.streamTag()
            let point = random.chainPoint()
            guard case .hello(var hello) = try random.message(.hello),
                case .welcome(var welcome) = try random.message(.welcome),
                case .ack(var ack) = try random.message(.ack),
                case .needs(var needs) = try random.message(.needs),
                case .segments(var segments) = try random.message(.segments)
            else { return }
            let runs = [Ack.Run](
                repeating: Ack.Run(firstSequence: 1, position: 1), count: Ack.runsMax + 1)
            let gaps = [Needs.Gap](
                repeating: Needs.Gap(after: point, missing: nil), count: Needs.gapsMax + 1)
            switch self {
            case .helloNonce: _ = hello.remade(nonce: [1])
            case .otherStreams:
                _ = hello.remade(streams: Array(repeating: tag, count: Hello.otherStreamsMax + 1))
            case .softwareVersion: _ = hello.remade(version: String(repeating: "é", count: 33))
            case .helloNonceLater:
                hello.nonce.removeLast()
                _ = Message.hello(hello).framed(session: 0)
            case .welcomeNonce: _ = welcome.remade(nonce: welcome.nonce + [0])
            case .challenge: _ = welcome.remade(challenge: welcome.challenge.dropLast())
            case .leaves:
                _ = welcome.remade(leaves: Array(repeating: point, count: Welcome.leavesMax + 1))
            case .leavesLater:
                welcome.leaves = Array(repeating: point, count: Welcome.leavesMax + 1)
                _ = Message.welcome(welcome).framed(session: 0)
            case .runs:
                _ = Ack(
                    stream: tag, through: point, hub: tag, runs: runs, receivedAt: ack.receivedAt,
                    committedAt: ack.committedAt)
            case .runsLater:
                ack.runs = runs
                _ = Message.ack(ack).framed(session: 1)
            case .noGap: _ = Needs(stream: tag, gaps: [])
            case .gaps: _ = Needs(stream: tag, gaps: gaps)
            case .gapsLater:
                needs.gaps = gaps
                _ = Message.needs(needs).framed(session: 1)
            case .noSegment, .segments:
                let many = self == .segments ? SegmentsMessage.segmentsMax + 1 : 0
                _ = SegmentsMessage(
                    stream: tag, sentAt: segments.sentAt, attempt: 1,
                    segments: Array(repeating: [], count: many))
            case .segmentsLater:
                segments.segments = []
                _ = Message.segments(segments).framed(session: 1)
            case .definitions:
                let count = DefinitionsMessage.definitionsMax + 1
                _ = DefinitionsMessage(
                    stream: tag, segment: point.hash, first: 0,
                    definitions: Array(repeating: .account(.world), count: count), isLast: true)
            case .dialect: _ = Dialect(oldestFormat: 2, newestFormat: 1, eventKinds: 0)
            case .included, .accountsLater, .balances, .requested: try makeOfAccounts()
            }
        }

        private func makeOfAccounts() throws {
            var random = SplitMix64(seed: 1)
            guard case .accountSnapshot(var snapshot) = try random.message(.accountSnapshot) else {
                return
            }
            let one = AccountSnapshot.Included(stream: random.streamTag(), through: 1)
            let euro = AccountSnapshot.Balance(asset: try random.asset(), input: 1, output: 0)
            let account = AccountSnapshot.Account(address: .world, balances: [])
            switch self {
            case .accountsLater:
                let count = AccountSnapshot.accountsMax + 1
                snapshot.accounts = Array(repeating: account, count: count)
                _ = Message.accountSnapshot(snapshot).framed(session: 1)
            case .balances:
                let count = AccountSnapshot.balancesMax + 1
                _ = AccountSnapshot.Account(
                    address: .world, balances: Array(repeating: euro, count: count))
            case .requested:
                let count = AccountRequest.accountsMax + 1
                _ = AccountRequest(
                    stream: random.streamTag(), wantsAll: false,
                    accounts: Array(repeating: .world, count: count))
            default:
                snapshot.included = Array(repeating: one, count: AccountSnapshot.includedMax + 1)
                _ = Message.accountSnapshot(snapshot).framed(session: 1)
            }
        }

        /// What the process says as it stops.
        var complaint: String {
            switch self {
            case .helloNonce: "a hello's nonce has 16 bytes, not 1"
            case .helloNonceLater: "a hello's nonce has 16 bytes, not 15"
            case .welcomeNonce: "a hello's nonce has 16 bytes, not 17"
            case .otherStreams: "a hello has at most 64 other streams, not 65"
            case .softwareVersion: "a software version has at most 64 bytes"
            case .challenge: "a challenge has 32 bytes, not 31"
            case .leaves, .leavesLater: "a welcome has at most 16 leaves, not 17"
            case .runs, .runsLater: "an acknowledgement has at most 1024 runs, not 1025"
            case .noGap: "a need names 1 to 16 gaps, not 0"
            case .gaps, .gapsLater: "a need names 1 to 16 gaps, not 17"
            case .noSegment, .segmentsLater: "a message has 1 to 4096 segments, not 0"
            case .segments: "a message has 1 to 4096 segments, not 4097"
            case .definitions: "a message has at most 65536 definitions, not 65537"
            case .dialect: "the oldest format 2 is newer than the newest, 1"
            case .included: "a snapshot includes at most 64 streams, not 65"
            case .accountsLater: "a snapshot has at most 4096 accounts, not 4097"
            case .balances: "an account of a message has at most 1024 balances, not 1025"
            case .requested: "a request names at most 64 accounts, not 65"
            }
        }
    }

    @Test(arguments: Impossible.allCases)
    func `a message beyond its limits stops the process, as it is made or as it is encoded`(
        _ impossible: Impossible
    ) async throws {
        let result = await #expect(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) { [impossible] in
            try impossible.make()
        }
        let said = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
        // An optimised build stops without a word.
        #if DEBUG
            #expect(said.contains(impossible.complaint))
        #else
            #expect(!said.contains("Caught error"))
        #endif
    }

    @Test func `a message at its limits comes back, and fits the smallest payload of 64 KiB`()
        throws
    {
        var random = SplitMix64(seed: 2)
        let tag = random.streamTag()
        let time = random.timestamp()
        let run = Ack.Run(firstSequence: .max, position: .max)
        let ack = Ack(
            stream: tag, through: random.chainPoint(), hub: tag,
            runs: Array(repeating: run, count: Ack.runsMax), receivedAt: time, committedAt: time)
        let gap = Needs.Gap(after: random.chainPoint(), missing: random.hash())
        let needs = Needs(stream: tag, gaps: Array(repeating: gap, count: Needs.gapsMax))
        guard case .welcome(let some) = try random.message(.welcome) else { return }
        let point = random.chainPoint()
        let welcome = some.remade(leaves: Array(repeating: point, count: Welcome.leavesMax))
        for message in [.ack(ack), .needs(needs), .welcome(welcome)] as [Message] {
            let bytes = message.framed(session: 1, signature: random.signature()).encoded()
            #expect(bytes.count <= 64 * 1024)
            #expect(try Message(Frame(decoding: bytes)) == message)
        }
    }

    // MARK: Readers

    /// Why the body is refused with other bytes from an offset on; nil where it is not.
    private func reason(_ message: Message, at offset: Int, _ bytes: [UInt8]) -> WireError.Reason? {
        var frame = message.framed(session: 1)
        var body = frame.body
        body.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        guard let kind = Frame.Kind(rawValue: frame.kind) else { return nil }
        frame = Frame(kind: kind, session: 1, body: body)
        do throws(WireError) {
            _ = try Message(frame)
            return nil
        } catch {
            return error.reason
        }
    }

    @Test func `a definition that cannot be is refused without its name, which is a client's`()
        throws
    {
        let name = "customers:1001"
        let message = Message.definitions(
            DefinitionsMessage(
                stream: StreamTag(genesisHash: .zero), segment: .zero, first: 0,
                definitions: [.account(try AccountAddress(name))], isLast: true))
        let body = message.framed(session: 1).body
        let place = try #require(body.firstRange(of: Array(name.utf8))).lowerBound
        #expect(
            reason(message, at: place, Array("customers::".utf8))
                == .invalid(what: "a definition"))
    }

    @Test func `leaves beyond their limit are refused by name`() throws {
        let welcome = try GoldenSamples.message(.welcome)
        #expect(
            reason(welcome, at: 57 + 32, [17])
                == .tooLong(what: "the number of leaves", length: 17, limit: 16))
    }

    @Test func `a dialect whose oldest format is newer than its newest is refused`() throws {
        let invalid = WireError.Reason.invalid(what: "the format versions")
        let hello = try GoldenSamples.message(.hello)
        #expect(reason(hello, at: 16, [3]) == invalid)
        #expect(reason(hello, at: 16, [2]) == nil)
        // Nonce, greeting, challenge, session, standing, one leaf, announced head, credit.
        let welcome = try GoldenSamples.message(.welcome)
        #expect(reason(welcome, at: 16 + 32 + 32 + 8 + 1 + 41 + 40 + 8, [3]) == invalid)
    }

    @Test func `a hub's genesis that is longer than one can be, or none at all, is refused`() throws
    {
        let welcome = try GoldenSamples.message(.welcome)
        let place = 16 + 32 + 32 + 8 + 1 + 41 + 40 + 8 + 10 + 17
        #expect(
            reason(welcome, at: place, [0x81, 0x04])
                == .tooLong(what: "the hub's genesis", length: 513, limit: 512))
        let magic = welcome.framed(session: 1).body[(place + 1)...].prefix(4)
        #expect(Array(magic) == Array("TGEN".utf8))
        #expect(reason(welcome, at: place + 1, [0]) == .badMagic)
    }

    @Test func `runs beyond their limit, and numbers longer than they need be, are refused`() throws
    {
        let ack = try GoldenSamples.message(.ack)
        let place = 8 + 40 + 8
        #expect(
            reason(ack, at: place, [0x81, 0x08])
                == .tooLong(what: "the number of runs", length: 1025, limit: 1024))
        let long = WireError.Reason.invalid(what: "a number written longer than it need be")
        #expect(reason(ack, at: place + 1, [0x81, 0x00]) == long)
        #expect(reason(ack, at: 8 + 40, [0, 0, 0, 0, 0, 1]) == .invalid(what: "the stream's tag"))
    }

    @Test func `a need without a gap, with too many, or with a flag of neither sort is refused`()
        throws
    {
        let needs = try GoldenSamples.message(.needs)
        #expect(reason(needs, at: 8, [0]) == .invalid(what: "a need without a gap"))
        #expect(
            reason(needs, at: 8, [17])
                == .tooLong(what: "the number of gaps", length: 17, limit: 16))
        #expect(reason(needs, at: 8 + 1 + 40, [2]) == .invalid(what: "a gap's flag"))
    }

    // MARK: Kinds and dialects

    @Test func `this version's dialect is format 1 and transfers`() {
        let dialect = Dialect(oldestFormat: 1, newestFormat: 1, eventKinds: 0b10)
        #expect(Dialect.current == dialect)
    }

    @Test(arguments: [0, 7, 11, 22, 34, 255] as [UInt8])
    func `a kind of frame that is reserved or free is no message yet`(_ kind: UInt8) throws {
        var bytes = Frame(kind: .proof, session: 1, body: [1, 2, 3]).encoded()
        bytes[3] = kind
        #expect(try Message(Frame(decoding: withChecksum(bytes))) == nil)
    }
}

extension Hello {
    /// Made again, with some fields of its own.
    fileprivate func remade(
        nonce: [UInt8]? = nil, streams: [StreamTag]? = nil, version: String? = nil
    ) -> Hello {
        Hello(
            nonce: nonce ?? self.nonce, dialect: dialect, lastSession: lastSession, head: head,
            acknowledged: acknowledged, acknowledgedAt: acknowledgedAt, seen: seen,
            oldestRetained: oldestRetained, retainedBehind: retainedBehind,
            otherStreams: streams ?? otherStreams,
            softwareVersion: version ?? softwareVersion,
            genesis: genesis)
    }
}

extension Welcome {
    /// Made again, with some fields of its own.
    fileprivate func remade(
        nonce: [UInt8]? = nil, challenge: [UInt8]? = nil, leaves: [ChainPoint]? = nil
    ) -> Welcome {
        Welcome(
            nonce: nonce ?? self.nonce, greeting: greeting, challenge: challenge ?? self.challenge,
            session: session,
            standing: standing, leaves: leaves ?? self.leaves, announced: announced, credit: credit,
            dialect: dialect, hub: hub, hubGenesis: hubGenesis, sentAt: sentAt)
    }
}
