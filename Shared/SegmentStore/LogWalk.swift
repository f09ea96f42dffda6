import GRDB
import LedgerCore
import SyncProtocol

/// The part of `verify` that reads the log, stream by stream.
struct LogWalk<Hasher: ContentHasher> {
    private let hasher: Hasher
    private let checkpoint: Int64
    private let progress: (VerifyProgress) -> Void
    private var segmentsTotal: Int64 = 0
    /// What the segments up to the checkpoint add up to, and those behind it.
    private(set) var checkpointed = PlainSums()
    private(set) var tail = PlainSums()
    /// Whether the log still has everything from its beginning, and all of it could be read.
    private(set) var isWhole = true
    /// What the hub's events say of the agents' ones.
    private var word = HubWord()

    private static var progressEvery: Int64 { 1000 }

    /// - Parameter checkpoint: the position that the checkpointed balances reach.
    init(hasher: Hasher, checkpoint: Int64, progress: @escaping (VerifyProgress) -> Void) {
        self.hasher = hasher
        self.checkpoint = checkpoint
        self.progress = progress
    }

    mutating func run(_ database: Database, _ report: inout VerifyReport) throws(StoreError) {
        segmentsTotal = try SegmentLog.lastPosition(database)
        try SQLStatement(
            database,
            "CREATE TEMP TABLE seen_keys (scope TEXT, key TEXT, PRIMARY KEY (scope, key)) WITHOUT ROWID"
        ).run()
        let streams = try SegmentLog.streams(database)
        report.streams = streams.count
        if streams.contains(where: { $0.pruned != nil }) { isWhole = false }
        report.prunedEvents = streams.reduce(0) { $0 + ($1.pruned?.through ?? 0) }
        try checkPositions(database, &report)
        for hub in streams where hub.genesis.writer == .hub { try word.read(hub, database) }
        for stream in streams {
            if stream.genesis.hash(hasher) != stream.genesisHash {
                report.add(
                    VerifyFinding(
                        "the genesis does not have the hash that its row says", stream: stream.tag))
            }
            try walk(stream, database, &report)
        }
    }

    // MARK: The whole log

    /// Positions are given out without gaps, so where nothing was pruned, a gap is a segment that
    /// somebody took out.
    private func checkPositions(_ database: Database, _ report: inout VerifyReport)
        throws(StoreError)
    {
        var strays = try SQLStatement(
            database,
            "SELECT position, stream FROM segments WHERE stream NOT IN (SELECT id FROM streams)")
        while try strays.step() {
            report.add(
                VerifyFinding(
                    "it belongs to stream row \(strays.integer(1)), which is missing",
                    position: strays.integer(0)))
        }
        var select = try SQLStatement(database, "SELECT position FROM segments ORDER BY position")
        var expected: Int64 = 1
        while try select.step() {
            let position = select.integer(0)
            if isWhole && position > expected {
                report.add(
                    VerifyFinding(
                        "the positions \(expected) to \(position - 1) are missing from the log",
                        position: position))
            }
            expected = position + 1
        }
        if checkpoint >= expected {
            report.add(
                VerifyFinding(
                    "the checkpointed balances reach position \(checkpoint), the log ends at \(expected - 1)"
                ))
        }
    }

    // MARK: One stream

    private mutating func walk(
        _ stream: StreamRow, _ database: Database, _ report: inout VerifyReport
    ) throws(StoreError) {
        var select = try SQLStatement(
            database,
            "SELECT position, first_seq, count, hash, bytes FROM segments WHERE stream = ? "
                + "ORDER BY first_seq, position")
        try select.bind(stream.id.rawValue)
        var chain = ChainWalk(stream)
        var definitionRows = 0
        while try select.step() {
            let row = SegmentRow(select)
            report.segments += 1
            report.bytes += Int64(row.bytes.count)
            if report.segments % LogWalk.progressEvery == 0 {
                progress(
                    VerifyProgress(
                        step: .readingLog, segments: report.segments, segmentsTotal: segmentsTotal))
            }
            do throws(WireError) {
                let segment = try Segment(decoding: row.bytes)
                definitionRows += segment.header.definitionCount > 0 ? 1 : 0
                try check(segment, row, stream, &chain, database, &report)
            } catch {
                isWhole = false
                report.add(row.finding(error.description, stream, bytes: row.damage(error)))
                let end = ChainWalk.End(
                    next: row.firstSequence &+ row.count, dictionary: nil, names: nil)
                chain.advance(to: end, hashes: row.hash.map { [$0] } ?? [])
            }
        }
        try checkDefinitionCount(definitionRows, stream, database, &report)
    }

    private mutating func check(
        _ segment: Segment, _ row: SegmentRow, _ stream: StreamRow, _ chain: inout ChainWalk,
        _ database: Database,
        _ report: inout VerifyReport
    ) throws(WireError) {
        let header = segment.header
        let parent = chain.parent(of: header) { what, missing in
            if word.isLost(before: header) { return }
            if missing != nil { isWhole = false }
            let finding = missing.map {
                VerifyFinding(what, stream: stream.tag, position: row.position, sequences: $0)
            }
            report.add(finding ?? row.finding(what, stream))
        }
        if header.stream != stream.tag {
            report.add(row.finding("it is of stream \(header.stream)", stream))
        }
        if row.firstSequence != header.firstSequence || row.count != UInt64(header.count) {
            report.add(
                row.finding(
                    "the row says other events than the segment: \(header.sequences)", stream))
        }
        let hash = segment.hash(hasher)
        if row.hash != hash {
            report.add(
                row.finding("its hash is \(hash.shortDescription)…, the row says another", stream))
        }
        let names = dictionary(segment, parent, row, stream, database, &report)
        chain.advance(
            to: ChainWalk.End(
                next: header.lastSequence + 1, dictionary: header.dictionary, names: names),
            hashes: [hash] + (row.hash.map { [$0] } ?? []))
        if stream.genesis.writer == .hub {
            readHubEvents(segment, row, stream, &report)
        } else if let names {
            readEvents(segment, names, row, stream, database, &report)
        } else {
            isWhole = false
            report.add(row.finding("its events cannot be read without the dictionary", stream))
        }
    }

    // MARK: Dictionary

    /// The names as of this segment: those of its parent and its own; behind damage, those of the
    /// definitions table.
    private func dictionary(
        _ segment: Segment, _ parent: ChainWalk.End?, _ row: SegmentRow, _ stream: StreamRow,
        _ database: Database,
        _ report: inout VerifyReport
    ) -> [Definition?]? {
        do {
            let own = names(definedBy: segment, row, stream, &report)
            if let before = parent?.dictionary {
                let after = before.advanced(by: own.count, encoded: segment.definitionBytes, hasher)
                if after != segment.header.dictionary {
                    report.add(
                        row.finding("its dictionary does not follow from the one before", stream))
                }
            }
            try checkDefinitionRow(segment, row, stream, database, &report)
            if let names = parent?.names, names.count == Int(segment.header.definitionCountBefore) {
                return names + own
            }
            return try DictionaryCache().extended(
                to: segment.header.dictionary, of: stream.id, database, hasher
            ).all
        } catch {
            report.add(row.finding("\(error)", stream))
            return nil
        }
    }

    private func names(
        definedBy segment: Segment, _ row: SegmentRow, _ stream: StreamRow,
        _ report: inout VerifyReport
    ) -> [Definition?] {
        do throws(WireError) { return try segment.definitions() } catch {
            report.add(
                row.finding(
                    "its definitions cannot be read, so none of its events has an effect: \(error)",
                    stream))
            return [Definition?](repeating: nil, count: Int(segment.header.definitionCount))
        }
    }

    private func checkDefinitionRow(
        _ segment: Segment, _ row: SegmentRow, _ stream: StreamRow, _ database: Database,
        _ report: inout VerifyReport
    ) throws(StoreError) {
        guard segment.header.definitionCount > 0 else { return }
        let state = segment.header.dictionary
        guard let kept = try SegmentLog.definitions(database, of: stream.id, leadingTo: state)
        else {
            return report.add(
                row.finding(
                    "the definitions table lacks its definitions up to \(state.count)", stream))
        }
        let advanced = kept.before.advanced(
            by: Int(state.count - kept.before.count), encoded: kept.bytes, hasher)
        if kept.bytes != segment.definitionBytes
            || kept.before.count != segment.header.definitionCountBefore
            || advanced != state
        {
            report.add(
                row.finding(
                    "the definitions table has other definitions up to \(state.count)", stream))
        }
    }

    private func checkDefinitionCount(
        _ made: Int, _ stream: StreamRow, _ database: Database, _ report: inout VerifyReport
    ) throws(StoreError) {
        var select = try SQLStatement(database, "SELECT count(*) FROM definitions WHERE stream = ?")
        try select.bind(stream.id.rawValue)
        let found = try select.step() ? select.integer(0) : 0
        // Behind a gap stand names that no segment defines any more.
        if isWhole && found > made && !word.hasGaps(stream.tag) {
            report.add(
                VerifyFinding(
                    "the definitions table has \(found) rows, the segments made \(made)",
                    stream: stream.tag))
        }
    }

    // MARK: Events

    private mutating func readEvents(
        _ segment: Segment, _ names: [Definition?], _ row: SegmentRow, _ stream: StreamRow,
        _ database: Database,
        _ report: inout VerifyReport
    ) {
        for read in segment.effectiveEvents(
            of: stream, name: { $0 < names.count ? names[Int($0)] : nil })
        {
            report.events += 1
            switch read {
            case .event(let event) where word.isQuarantined(event.sequence, row.hash): break
            case .event(let event):
                if row.position <= checkpoint { checkpointed.add(event) } else { tail.add(event) }
                if let keyed = event.keyed {
                    note(keyed, event.sequence, row, stream, database, &report)
                }
            case .unknown(let sequence, let kind):
                report.add(
                    row.finding(
                        "an event of the unknown kind \(kind)", stream,
                        sequences: sequence...sequence))
            case .poisoned(let sequence, let error):
                report.add(
                    row.finding(
                        "an event that cannot be read: \(error)", stream,
                        sequences: sequence...sequence,
                        bytes: error.offset..<max(segment.bytes.count, error.offset + 1)))
            }
        }
    }

    private func readHubEvents(
        _ segment: Segment, _ row: SegmentRow, _ stream: StreamRow, _ report: inout VerifyReport
    ) {
        for case .unreadable(let sequence, let error) in segment.hubEvents() {
            report.add(
                row.finding(
                    "an event of the hub that cannot be read: \(error)", stream,
                    sequences: sequence...sequence,
                    bytes: error.offset..<max(segment.bytes.count, error.offset + 1)))
        }
    }

    // MARK: Keys

    /// Ticks the key's row off where it points at this event. After a fork, one of several with its
    /// number is enough.
    private func note(
        _ keyed: KeyedRequest, _ sequence: UInt64, _ row: SegmentRow, _ stream: StreamRow,
        _ database: Database,
        _ report: inout VerifyReport
    ) {
        do throws(StoreError) {
            guard let entry = try KeyTable.find(database, keyed.key), entry.stream == stream.id,
                entry.sequence == sequence, entry.digest == keyed.digest
            else { return }
            var insert = try SQLStatement(
                database, "INSERT INTO seen_keys VALUES (?, ?) ON CONFLICT DO NOTHING")
            try insert.bind(keyed.key.scope)
            try insert.bind(keyed.key.key)
            try insert.run()
        } catch {
            report.add(row.finding(error.description, stream, sequences: sequence...sequence))
        }
    }

    /// Rows that point at an event that is not there, or that has not that key and digest. Events
    /// no longer kept are believed.
    func checkKeys(_ database: Database, _ report: inout VerifyReport) throws(StoreError) {
        var select = try SQLStatement(
            database,
            """
            SELECT k.scope, k.key, s.tag, k.sequence FROM idempotency_keys k LEFT JOIN streams s ON s.id = k.stream
            WHERE NOT EXISTS (SELECT 1 FROM seen_keys e WHERE e.scope = k.scope AND e.key = k.key)
              AND (s.id IS NULL OR k.sequence > s.pruned_through)
            """)
        while try select.step() {
            let place =
                "\(select.isNull(2) ? "a missing stream" : select.text(2)).\(select.integer(3))"
            report.add(
                VerifyFinding(
                    "the key \(select.text(1).quotedForMessage) of \(select.text(0).quotedForMessage) points at \(place), "
                        + "which does not have it with that digest"))
        }
    }
}

/// A row of the log as it is read by `verify`, which believes none of its columns.
struct SegmentRow {
    let position: Int64
    let firstSequence: UInt64
    let count: UInt64
    /// Nil where it is not 32 bytes.
    let hash: Hash256?
    let bytes: [UInt8]

    init(_ row: borrowing SQLStatement) {
        position = row.integer(0)
        firstSequence = UInt64(max(row.integer(1), 0))
        count = UInt64(min(max(row.integer(2), 0), Int64(UInt32.max)))
        let hash = row.blob(3)
        self.hash = hash.count == Hash256.byteCount ? Hash256(hash) : nil
        bytes = row.blob(4)
    }

    /// Where the damage is: in the header, where that makes no sense; a wrong checksum, or lengths
    /// that do not lead to the end, say only that it is somewhere.
    func damage(_ error: WireError) -> Range<Int> {
        let isInHeader =
            error.reason != .checksumMismatch && error.offset <= SegmentHeader.byteCount
        return 0..<max(isInHeader ? min(bytes.count, SegmentHeader.byteCount) : bytes.count, 1)
    }

    func finding(
        _ what: String, _ stream: StreamRow, sequences: ClosedRange<UInt64>? = nil,
        bytes: Range<Int>? = nil
    ) -> VerifyFinding {
        let own = firstSequence...firstSequence + max(count, 1) - 1
        return VerifyFinding(
            what, stream: stream.tag, position: position, sequences: sequences ?? own, bytes: bytes)
    }
}
