import LedgerCore
import SyncProtocol

extension SegmentBuilder {
    /// - Precondition: the event has the next number.
    package mutating func append(_ event: Event) {
        precondition(event.sequence == nextSequence, "an event out of its turn")
        append(
            event.transaction, keyed: event.keyed, trace: event.trace, time: event.time,
            continuesGroup: event.continuesGroup)
    }
}

/// Random values of the protocol.
extension SplitMix64 {
    package mutating func seen() -> Seen {
        oneIn(3) ? .nothing : Seen(hub: streamTag(), position: next())
    }

    package mutating func chainPoint() -> ChainPoint {
        ChainPoint(sequence: next(), hash: hash())
    }

    package mutating func signature() -> Signature {
        Signature(bytes: bytes(Signature.byteCount))
    }

    package mutating func genesis() throws -> Genesis {
        let parent = Genesis.Parent(stream: streamTag(), position: next(), hash: hash())
        return Genesis(
            writer: oneIn(2) ? .agent : .hub, ledger: text(bytesMax: Genesis.ledgerBytesMax),
            agent: try agent(),
            nonce: bytes(Genesis.nonceByteCount),
            publicKey: PublicKey(bytes: bytes(PublicKey.byteCount)),
            parent: oneIn(2) ? parent : nil)
    }

    package mutating func definition() throws -> Definition {
        switch below(3) {
        case 0: .account(try account())
        case 1: .asset(try asset())
        default: .text(text(bytesMax: Definition.textBytesMax))
        }
    }

    /// A segment of a stream of its own: the first, at a random place.
    package mutating func segment(eventsMax: Int) throws -> (
        segment: Segment, definitions: [Definition], events: [Event]
    ) {
        let place = SegmentBuilder.Place(
            stream: streamTag(), firstSequence: 1 + next() % (1 << 60), previous: hash(),
            seen: seen(), dictionary: .empty)
        var builder = SegmentBuilder(place: place, dictionary: StreamDictionary())
        let events = try append(1 + below(eventsMax), to: &builder)
        let sealed = builder.seal(PlainSHA256())
        return (sealed.segment, builder.dictionary.definitions, events)
    }

    /// Appends random events, as many as have room, and returns them as they must read back.
    package mutating func append(_ count: Int, to builder: inout SegmentBuilder) throws -> [Event] {
        var clock = HybridClock()
        var now = Timestamp(microseconds: 1_760_000_000_000_000)
        var events: [Event] = []
        // As it was before the last event, where that continues a group.
        var open: SegmentBuilder?
        for index in 0..<count {
            let transaction = try transaction()
            let keyed = oneIn(3) ? try keyedRequest() : nil
            let trace = oneIn(3) ? traceContext() : nil
            guard builder.hasRoom(transaction, keyed, trace) else { break }
            now = now.advanced(byMicroseconds: Int64(below(100_000)))
            let event = Event(
                sequence: builder.nextSequence, time: clock.tick(now: now),
                transaction: transaction, keyed: keyed,
                trace: trace, continuesGroup: oneIn(5) && index + 1 < count)
            open = event.continuesGroup ? builder : nil
            builder.append(event)
            events.append(event)
        }
        // A group ends in its segment.
        if let last = events.popLast() {
            if let open { builder = open }
            let closed = Event(
                sequence: last.sequence, time: last.time, transaction: last.transaction,
                keyed: last.keyed, trace: last.trace)
            if open != nil { builder.append(closed) }
            events.append(open == nil ? last : closed)
        }
        return events
    }

    package mutating func message(_ kind: Frame.Kind) throws -> Message {
        switch kind {
        case .hello: .hello(try hello())
        case .proof:
            .proof(
                Proof(
                    stream: streamTag(), head: chainPoint(), passesAnnounced: oneIn(2),
                    hasLeft: oneIn(2)))
        case .segments: .segments(try segmentsMessage())
        case .definitions: .definitions(try definitionsMessage())
        case .watermark:
            .watermark(
                Watermark(
                    stream: streamTag(), acknowledged: chainPoint(),
                    through: HybridTimestamp(rawValue: next()), seen: seen(), sentAt: timestamp()))
        case .welcome: .welcome(try welcome())
        case .ack: .ack(ack())
        case .needs: .needs(needs())
        case .needsDefinitions: .needsDefinitions(needsDefinitions())
        case .accountSnapshot: .accountSnapshot(try accountSnapshot())
        case .accountRequest: .accountRequest(try accountRequest())
        case .status:
            .status(
                Status(isOnline: oneIn(2), stream: streamTag(), head: chainPoint(), at: timestamp())
            )
        case .hub: .hub(HubNotice(isUp: oneIn(2), hub: seen(), at: timestamp()))
        case .spans:
            .spans(SpansMessage(sentAt: timestamp(), dropped: next(), spans: bytes(below(300))))
        case .hubEvents: .hubEvents(try hubEventsMessage())
        case .returns: .returns(try returns())
        case .unreadable: .unreadable(unreadable())
        }
    }

    private mutating func accountSnapshot() throws -> AccountSnapshot {
        let accounts = try (0..<below(4)).map { _ in
            AccountSnapshot.Account(
                address: try account(),
                balances: try (0..<below(3)).map { _ in
                    AccountSnapshot.Balance(asset: try asset(), input: sum(), output: sum())
                })
        }
        return AccountSnapshot(
            hub: streamTag(), position: next(), takenAt: timestamp(),
            clock: HybridTimestamp(rawValue: next()),
            included: (0..<below(3)).map { _ in
                AccountSnapshot.Included(stream: streamTag(), through: next())
            }, number: next(), roundStart: next(), accounts: accounts)
    }

    /// Of any length, and now and then the largest that there is.
    private mutating func sum() -> Int128 {
        if oneIn(8) { return .max }
        let bits = UInt128(next()) << 64 | UInt128(next())
        return Int128(bits >> UInt128(1 + below(127)))
    }

    private mutating func accountRequest() throws -> AccountRequest {
        AccountRequest(
            stream: streamTag(), wantsAll: oneIn(2),
            accounts: try (0..<below(4)).map { _ in try account() })
    }

    private mutating func hello() throws -> Hello {
        Hello(
            nonce: bytes(Hello.nonceByteCount), dialect: dialect(), lastSession: next(),
            head: chainPoint(), acknowledged: chainPoint(),
            acknowledgedAt: oneIn(2) ? LogPlace(hub: streamTag(), position: next()) : nil,
            seen: seen(), seenEvent: oneIn(2) ? hash() : nil, oldestRetained: next(),
            retainedBehind: oneIn(2) ? hash() : nil,
            otherStreams: (0..<below(Hello.otherStreamsMax + 1)).map { _ in streamTag() },
            softwareVersion: text(bytesMax: Hello.versionBytesMax), genesis: try genesis())
    }

    private mutating func segmentsMessage() throws -> SegmentsMessage {
        let segments = try (0...below(3)).map { _ in try segment(eventsMax: 3).segment.bytes }
        return SegmentsMessage(
            stream: streamTag(), sentAt: timestamp(), attempt: UInt32(truncatingIfNeeded: next()),
            segments: segments)
    }

    private mutating func definitionsMessage() throws -> DefinitionsMessage {
        DefinitionsMessage(
            stream: streamTag(), segment: hash(), first: UInt32(truncatingIfNeeded: next()),
            definitions: try (0..<below(40)).map { _ in try definition() }, isLast: oneIn(2))
    }

    private mutating func dialect() -> Dialect {
        let newest = UInt8(1 + below(255))
        return Dialect(
            oldestFormat: UInt8(1 + below(Int(newest))), newestFormat: newest, eventKinds: next())
    }

    private mutating func welcome() throws -> Welcome {
        Welcome(
            nonce: bytes(Hello.nonceByteCount), greeting: hash(),
            challenge: bytes(Welcome.challengeByteCount),
            session: next(), standing: Standing.allCases[below(Standing.allCases.count)],
            leaves: (0..<below(Welcome.leavesMax + 1)).map { _ in chainPoint() },
            announced: chainPoint(),
            credit: Credit(
                bytes: UInt32(truncatingIfNeeded: next()),
                messages: UInt32(truncatingIfNeeded: next())),
            dialect: dialect(), hub: seen(), hubGenesis: try genesis(), sentAt: timestamp(),
            clock: HybridTimestamp(rawValue: next()))
    }

    private mutating func ack() -> Ack {
        let runs = oneIn(20) ? Ack.runsMax : below(5)
        return Ack(
            stream: streamTag(), through: chainPoint(), hub: streamTag(),
            runs: (0..<runs).map { _ in Ack.Run(firstSequence: next(), position: next()) },
            receivedAt: timestamp(), committedAt: timestamp(),
            clock: HybridTimestamp(rawValue: next()))
    }

    private mutating func needs() -> Needs {
        let gaps = (0..<1 + below(Needs.gapsMax)).map { _ in
            Needs.Gap(after: chainPoint(), missing: oneIn(2) ? hash() : nil)
        }
        return Needs(stream: streamTag(), gaps: gaps)
    }

    private mutating func needsDefinitions() -> NeedsDefinitions {
        NeedsDefinitions(
            stream: streamTag(), segment: hash(), first: UInt32(truncatingIfNeeded: next()),
            through: UInt32(truncatingIfNeeded: next()))
    }
}
