import AggregatorCore
import GRDB
import LedgerCore
import SegmentStore

/// The numbers of transactions that may be meant, in descending order: from whichever index leaves
/// out the most. What else is asked for is checked at the rows.
struct Candidates {
    private enum Order {
        case reference(String)
        case account(Int64)
        case streams([Int64])
        case setAside
        case time(from: Int64, to: Int64)
        case nothing
    }

    private let reader: ProjectionReader
    private let order: Order
    /// All numbers from here on have been handed out, or are not meant.
    private(set) var before: Int64

    init(
        _ filter: TransactionFilter, before: Int64, _ reader: ProjectionReader
    ) throws(StoreError) {
        self.reader = reader
        self.before = before
        order = try Candidates.order(filter, reader)
    }

    private static func order(
        _ filter: TransactionFilter, _ reader: ProjectionReader
    ) throws(StoreError) -> Order {
        if let reference = filter.reference { return .reference(reference) }
        if let account = filter.account {
            // Of what was set aside there are no entries: it moved nothing.
            guard filter.status != .setAside, let number = try reader.account(account) else {
                return .nothing
            }
            return .account(number)
        }
        if filter.status == .setAside { return .setAside }
        if let agent = filter.agent {
            let streams = try reader.streams(of: agent)
            return streams.isEmpty ? .nothing : .streams(streams)
        }
        return .time(from: filter.from?.microseconds ?? .min, to: filter.to?.microseconds ?? .max)
    }

    /// The next ones, some at a time.
    ///
    /// - Returns: nil when there are no more; an empty list says nothing.
    mutating func next(limit: Int) throws(StoreError) -> [Int64]? {
        guard before > 1 else { return nil }
        switch order {
        case .nothing:
            before = 1
            return nil
        case .reference(let reference):
            let before = before
            return try part(limit) { (reader, part, limit) throws(StoreError) in
                try reader.numbers(reference: reference, part: part, before: before, limit: limit)
            }
        case .account(let account):
            let before = before
            return try part(limit) { (reader, part, limit) throws(StoreError) in
                try reader.numbers(account: account, part: part, before: before, limit: limit)
            }
        case .setAside:
            return take(try reader.numbersSetAside(before: before, limit: limit), limit, floor: 1)
        case .streams(let streams): return try segment(streams, limit)
        case .time(let from, let to): return try block(from, to, limit)
        }
    }

    /// What an index of one part has.
    private mutating func part(
        _ limit: Int,
        _ numbers: (ProjectionReader, Int64, Int) throws(StoreError) -> [Int64]
    ) throws(StoreError) -> [Int64] {
        let part = (before - 1) >> ProjectionSchema.partBits
        let found = try numbers(reader, part, limit)
        return take(found, limit, floor: max(1, part << ProjectionSchema.partBits))
    }

    /// - Parameter floor: where what was looked through begins; it is done where less was found than
    ///   asked for.
    private mutating func take(_ found: [Int64], _ limit: Int, floor: Int64) -> [Int64] {
        before = found.count < limit ? floor : found.last ?? floor
        return found
    }

    private mutating func segment(_ streams: [Int64], _ limit: Int) throws(StoreError) -> [Int64]? {
        guard let segment = try reader.lastSegment(of: streams, before: before) else {
            before = 1
            return nil
        }
        let end = min(before, segment.first + segment.events)
        let found = try reader.numbers(from: segment.first, before: end, limit: limit)
        return take(found, limit, floor: segment.first)
    }

    private mutating func block(
        _ from: Int64, _ to: Int64, _ limit: Int
    ) throws(StoreError) -> [Int64]? {
        let last = (before - 1) >> ProjectionSchema.blockBits
        guard let block = try reader.block(atOrBefore: last, from: from, to: to) else {
            before = 1
            return nil
        }
        let first = max(1, block << ProjectionSchema.blockBits)
        let end = min(before, (block + 1) << ProjectionSchema.blockBits)
        return take(
            try reader.numbers(from: first, before: end, limit: limit, between: (from, to)), limit,
            floor: first)
    }
}

extension ProjectionReader {
    fileprivate func streams(of agent: AgentID) throws(StoreError) -> [Int64] {
        var select = try SQLStatement(database, "SELECT id FROM stream WHERE agent = ?")
        try select.bind(agent.description)
        return try numbers(&select)
    }

    fileprivate func numbers(
        reference: String, part: Int64, before: Int64, limit: Int
    ) throws(StoreError) -> [Int64] {
        var select = try SQLStatement(
            database,
            """
            SELECT id FROM ledger_transaction WHERE id >> \(ProjectionSchema.partBits) = ?
            AND reference = ? AND id < ? ORDER BY id DESC LIMIT ?
            """)
        try select.bind(part)
        try select.bind(reference)
        try select.bind(before)
        try select.bind(limit)
        return try numbers(&select)
    }

    /// Those that moved the account; one that did so twice comes once.
    fileprivate func numbers(
        account: Int64, part: Int64, before: Int64, limit: Int
    ) throws(StoreError) -> [Int64] {
        var select = try SQLStatement(
            database,
            "SELECT id FROM entry WHERE part = ? AND account = ? AND id < ? ORDER BY id DESC")
        try select.bind(part)
        try select.bind(account)
        try select.bind(before << ProjectionSchema.entryBits)
        var found: [Int64] = []
        while found.count < limit, try select.step() {
            let number = select.integer(0) >> ProjectionSchema.entryBits
            if found.last != number { found.append(number) }
        }
        return found
    }

    fileprivate func numbersSetAside(before: Int64, limit: Int) throws(StoreError) -> [Int64] {
        // Both terms: the first makes the index of few rows eligible.
        var select = try SQLStatement(
            database,
            """
            SELECT id FROM ledger_transaction WHERE status <> 1 AND status = 0 AND id < ?
            ORDER BY id DESC LIMIT ?
            """)
        try select.bind(before)
        try select.bind(limit)
        return try numbers(&select)
    }

    fileprivate func numbers(
        from first: Int64, before: Int64, limit: Int
    ) throws(StoreError) -> [Int64] {
        var select = try SQLStatement(
            database,
            """
            SELECT id FROM ledger_transaction WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?
            """)
        try select.bind(first)
        try select.bind(before)
        try select.bind(limit)
        return try numbers(&select)
    }

    fileprivate func numbers(
        from first: Int64, before: Int64, limit: Int, between times: (Int64, Int64)
    ) throws(StoreError) -> [Int64] {
        var select = try SQLStatement(
            database,
            """
            SELECT id FROM ledger_transaction WHERE id >= ? AND id < ?
            AND accepted_at >= ? AND accepted_at < ? ORDER BY id DESC LIMIT ?
            """)
        try select.bind(first)
        try select.bind(before)
        try select.bind(times.0)
        try select.bind(times.1)
        try select.bind(limit)
        return try numbers(&select)
    }

    private func numbers(_ select: inout SQLStatement) throws(StoreError) -> [Int64] {
        var found: [Int64] = []
        while try select.step() { found.append(select.integer(0)) }
        return found
    }

    /// The last segment of any of the streams that begins before a number.
    fileprivate func lastSegment(
        of streams: [Int64], before: Int64
    ) throws(StoreError) -> (first: Int64, events: Int64)? {
        var last: (position: Int64, first: Int64, events: Int64)?
        for stream in streams {
            var select = try SQLStatement(
                database,
                """
                SELECT position, first_transaction, events FROM segment WHERE stream = ?
                AND position <= (SELECT segment FROM ledger_transaction WHERE id < ?
                  ORDER BY id DESC LIMIT 1)
                ORDER BY position DESC LIMIT 1
                """)
            try select.bind(stream)
            try select.bind(before)
            guard try select.step(), select.integer(0) > last?.position ?? 0 else { continue }
            last = (select.integer(0), select.integer(1), select.integer(2))
        }
        return last.map { ($0.first, $0.events) }
    }

    /// The last block that may have a time in the range.
    fileprivate func block(
        atOrBefore block: Int64, from: Int64, to: Int64
    ) throws(StoreError) -> Int64? {
        var select = try SQLStatement(
            database,
            """
            SELECT id FROM block WHERE id <= ? AND last_at >= ? AND first_at < ?
            ORDER BY id DESC LIMIT 1
            """)
        try select.bind(block)
        try select.bind(from)
        try select.bind(to)
        return try select.step() ? select.integer(0) : nil
    }
}
