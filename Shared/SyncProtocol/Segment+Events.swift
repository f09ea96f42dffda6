import LedgerCore

/// What became of reading one event of a segment.
package enum ReadEvent: Hashable, Sendable {
    case event(Event)
    /// Of a kind this version does not know: kept, passed on, and without effect.
    case unknown(sequence: UInt64, kind: UInt8)
    /// Its bytes make no event. Those behind it are not harmed.
    case poisoned(sequence: UInt64, WireError)

    package var sequence: UInt64 {
        switch self {
        case .event(let event): event.sequence
        case .unknown(let sequence, _), .poisoned(let sequence, _): sequence
        }
    }
}

extension Segment {
    /// All events in full, for people and for checks; the merge uses `PostingBatch`, which leaves
    /// out what it does not need. A group applies as a whole: where one of its events cannot be read
    /// or has no end in the segment, all of them are poisoned.
    ///
    /// - Parameter name: the definition of a number, from the stream's dictionary.
    package func events(name: (UInt32) -> Definition?) -> [ReadEvent] {
        var found: [ReadEvent] = []
        found.reserveCapacity(Int(header.count))
        bytes.withUnsafeBytes { pointer in
            var envelopes = EventEnvelopes(header, pointer)
            var group = GroupWalk()
            while let envelope = envelopes.next() {
                let index = found.count
                found.append(read(envelope, pointer, name))
                let isSound = if case .event = found[index] { true } else { false }
                group.pass(envelope, at: index, isSound: isSound, pointer)
                if let broken = group.takeBroken() { Segment.poison(&found, broken) }
            }
            group.end(behind: header.lastSequence)
            if let broken = group.takeBroken() { Segment.poison(&found, broken) }
        }
        return found
    }

    /// Takes the effect from the sound events of a broken group: those from its first place on.
    private static func poison(_ events: inout [ReadEvent], _ broken: GroupWalk.Broken) {
        for index in broken.start..<events.count {
            guard case .event(let event) = events[index] else { continue }
            events[index] = .poisoned(sequence: event.sequence, broken.error)
        }
    }

    private func read(
        _ envelope: EventEnvelopes.Envelope, _ pointer: UnsafeRawBufferPointer,
        _ name: (UInt32) -> Definition?
    ) -> ReadEvent {
        switch envelope.content {
        case .failure(let error):
            return .poisoned(sequence: envelope.sequence, error)
        case .success(let range):
            var reader = ByteReader(pointer, in: range)
            do throws(WireError) {
                let tag = try reader.u8()
                guard let kind = TransactionKind(rawValue: tag & EventTag.kindMask) else {
                    return .unknown(sequence: envelope.sequence, kind: tag & EventTag.kindMask)
                }
                let event = try Event(
                    from: &reader, kind, tag, envelope.sequence, header.base, name)
                return .event(event)
            } catch {
                return .poisoned(sequence: envelope.sequence, error)
            }
        }
    }
}

/// Walks the events of a segment by their lengths. Once a length is impossible, all events behind
/// it are poisoned too: nothing says any more where they begin.
struct EventEnvelopes {
    struct Envelope {
        let sequence: UInt64
        let content: Result<Range<Int>, WireError>

        /// Whether the event applies only together with the one behind it: as its tag says, even
        /// where the rest of it is poisoned. One without a tag ends its group.
        @inline(__always)
        func continuesGroup(_ bytes: UnsafeRawBufferPointer) -> Bool {
            guard case .success(let range) = content, !range.isEmpty else { return false }
            return bytes[range.lowerBound] & EventTag.continuesGroup != 0
        }

        /// Where its content begins, or where that cannot be said.
        var offset: Int {
            switch content {
            case .success(let range): range.lowerBound
            case .failure(let error): error.offset
            }
        }
    }

    private var reader: ByteReader
    private var sequence: UInt64
    private let last: UInt64
    private var broken: WireError?

    init(_ header: SegmentHeader, _ bytes: UnsafeRawBufferPointer) {
        reader = ByteReader(bytes, in: header.eventsRange)
        sequence = header.firstSequence
        last = header.lastSequence
    }

    mutating func next() -> Envelope? {
        guard sequence <= last else { return nil }
        defer { sequence += 1 }
        if let broken { return Envelope(sequence: sequence, content: .failure(broken)) }
        do throws(WireError) {
            let length = try reader.length("an event", limit: SegmentHeader.segmentBytesMax)
            let start = reader.offset
            try reader.skip(length)
            return Envelope(sequence: sequence, content: .success(start..<start + length))
        } catch {
            broken = error
            return Envelope(sequence: sequence, content: .failure(error))
        }
    }
}

extension Event {
    /// Reads what stands behind the tag.
    init(
        from reader: inout ByteReader, _ kind: TransactionKind, _ tag: UInt8, _ sequence: UInt64,
        _ base: HybridTimestamp, _ name: (UInt32) -> Definition?
    ) throws(WireError) {
        self.sequence = sequence
        continuesGroup = tag & EventTag.continuesGroup != 0
        time = try reader.time(after: base)
        let fields = EventFields(rawValue: try reader.u8())
        let postings = try reader.postings(fields, name)
        let optional = try OptionalFields(from: &reader, fields)
        try reader.expectEnd()
        trace = optional.trace
        keyed = try optional.keyed.map { (keyed) throws(WireError) in
            try reader.resolve(keyed, name)
        }
        do throws(InvalidField) {
            transaction = try Transaction(
                kind: kind, postings: postings, reference: optional.reference,
                metadata: optional.metadata,
                occurredAt: optional.occurredAt, related: optional.related)
        } catch {
            throw reader.failure(.invalid(what: "the transaction's \(error.path)"))
        }
    }
}

extension ByteReader {
    mutating func time(after base: HybridTimestamp) throws(WireError) -> HybridTimestamp {
        let (value, overflow) = base.rawValue.addingReportingOverflow(try varint())
        guard !overflow else { throw failure(.invalid(what: "the event's time")) }
        return HybridTimestamp(rawValue: value)
    }

    mutating func postingCount(_ fields: EventFields) throws(WireError) -> Int {
        guard fields.contains(.severalPostings) else { return 1 }
        let count = try length("the number of postings", limit: Transaction.Limits.postingsMax)
        guard count > 0 else { throw failure(.invalid(what: "a transaction without postings")) }
        return count
    }

    fileprivate mutating func postings(
        _ fields: EventFields, _ name: (UInt32) -> Definition?
    ) throws(WireError) -> [Posting] {
        var postings: [Posting] = []
        for _ in 0..<(try postingCount(fields)) {
            let source = try account(name)
            let destination = try account(name)
            guard case .asset(let asset) = try definition(name) else {
                throw failure(.invalid(what: "an asset's number"))
            }
            postings.append(
                Posting(
                    source: source, destination: destination, asset: asset, amount: try amount()))
        }
        return postings
    }

    private mutating func account(_ name: (UInt32) -> Definition?) throws(WireError)
        -> AccountAddress
    {
        guard case .account(let account) = try definition(name) else {
            throw failure(.invalid(what: "an account's number"))
        }
        return account
    }

    fileprivate func resolve(_ keyed: OptionalFields.Keyed, _ name: (UInt32) -> Definition?)
        throws(WireError) -> KeyedRequest
    {
        guard case .text(let scope)? = name(keyed.scope) else {
            throw failure(.invalid(what: "a scope's number"))
        }
        do throws(InvalidValue) {
            return KeyedRequest(
                key: try IdempotencyKey(scope: scope, key: keyed.key), digest: keyed.digest)
        } catch {
            throw failure(.invalid(what: "an idempotency key"))
        }
    }

    private mutating func definition(_ name: (UInt32) -> Definition?) throws(WireError)
        -> Definition
    {
        guard let definition = name(try number()) else {
            throw failure(.invalid(what: "a number without definition"))
        }
        return definition
    }

    /// A dictionary number.
    mutating func number() throws(WireError) -> UInt32 {
        guard let number = UInt32(exactly: try varint()) else {
            throw failure(.invalid(what: "a dictionary number"))
        }
        return number
    }

    private mutating func amount() throws(WireError) -> Amount {
        let units = try amountUnits()
        do throws(InvalidValue) { return try Amount(units) } catch {
            throw failure(.invalid(what: "the amount"))
        }
    }

    /// From 1 to 2⁶³ − 1.
    mutating func amountUnits() throws(WireError) -> Int64 {
        guard let units = Int64(exactly: try varint()), units > 0 else {
            throw failure(.invalid(what: "the amount"))
        }
        return units
    }
}
