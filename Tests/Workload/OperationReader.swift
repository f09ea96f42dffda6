/// Reads operations from a CSV file with the columns `node,source,destination,asset,amount,reference`.
///
/// **Function.** The header is required, exactly so; it may be preceded by comments. Each record is one
/// operation with one posting. The first error ends the reading: a ledger built from the lines
/// that happen to be right would be wrong.
///
/// **Implementation.** Bytes are pulled as they are needed, so a file of any length is read in the memory
/// of one record.
package struct OperationReader<Bytes: IteratorProtocol> where Bytes.Element == UInt8 {
    private var records: CSVRecords<Bytes>
    private var headerIsRead = false
    private var count = 0
    private let key: String

    /// - Parameter key: the start of each idempotency key, which must differ from that of another file.
    package init(_ bytes: Bytes, key: String) {
        records = CSVRecords(bytes)
        self.key = key
    }

    /// The next operation, or nil at the end of the file.
    package mutating func next() throws(CSVError) -> Operation? {
        if !headerIsRead { try readHeader() }
        guard let record = try records.next() else { return nil }
        let fields = try Fields(record)
        count += 1
        return try operation(fields)
    }

    private mutating func readHeader() throws(CSVError) {
        let expected = Column.allCases.map(\.rawValue)
        let wanted = "the header must be \(expected.joined(separator: ","))"
        guard let header = try records.next() else {
            throw CSVError(line: 1, column: nil, problem: "\(wanted), and the file is empty")
        }
        let found = header.fields.map(\.text)
        guard found == expected else {
            let problem = "\(wanted), not \(found.joined(separator: ","))"
            throw CSVError(line: header.line, column: nil, problem: problem)
        }
        records.columns = expected
        headerIsRead = true
    }

    private func operation(_ fields: Fields) throws(CSVError) -> Operation {
        let posting = Posting(
            source: try fields.account(.source), destination: try fields.account(.destination),
            asset: try fields.asset(), amount: try fields.amount())
        return Operation(
            n: count, node: try fields.node(), at: nil, postings: [posting],
            reference: try fields.reference(), metadata: ["line": String(fields.line)],
            idempotencyKey: "\(key)-\(count)")
    }
}

/// The columns, in their order.
private enum Column: String, CaseIterable {
    case node, source, destination, asset, amount, reference
}

/// The fields of one record, each checked when it is asked for.
private struct Fields {
    let line: Int
    private let fields: [(text: String, line: Int)]

    init(_ record: CSVRecords<some IteratorProtocol<UInt8>>.Record) throws(CSVError) {
        let names = Column.allCases.map(\.rawValue)
        line = record.line
        fields = record.fields.map { ($0.text, $0.line) }
        guard fields.count >= names.count else {
            throw CSVError(
                line: line, column: names[fields.count],
                problem: "is missing: the line has \(fields.count) of \(names.count) fields")
        }
        guard fields.count == names.count else {
            throw CSVError(
                line: line, column: nil,
                problem: "\(fields.count) fields, where the header has \(names.count)")
        }
    }

    func node() throws(CSVError) -> String {
        let text = self[.node]
        guard !text.isEmpty else { throw error(.node, "is empty") }
        return text
    }

    /// Parts of letters, digits, `_` and `-`, joined by colons, at most 255 bytes in all.
    func account(_ column: Column) throws(CSVError) -> String {
        let text = self[column]
        guard !text.isEmpty else { throw error(column, "is empty") }
        let parts = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(isInAccountPart) }) else {
            throw error(
                column,
                "\"\(text)\" is not an account: parts of letters, digits, _ and -, joined by :")
        }
        guard text.utf8.count <= 255 else { throw error(column, "is longer than 255 bytes") }
        return text
    }

    /// `[A-Z][A-Z0-9_-]{0,31}(/[0-9]{1,2})?`
    func asset() throws(CSVError) -> String {
        let text = self[.asset]
        guard !text.isEmpty else { throw error(.asset, "is empty") }
        let parts = text.utf8.split(
            separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false)
        let scaleIsFine =
            parts.count == 1 || ((1...2).contains(parts[1].count) && parts[1].allSatisfy(isDigit))
        guard let first = parts[0].first, isCapital(first), parts[0].count <= 32,
            parts[0].allSatisfy(isInAssetCode), scaleIsFine
        else {
            throw error(
                .asset,
                "\"\(text)\" is not an asset: a code such as SKU-8812, or with a scale, EUR/2")
        }
        return text
    }

    /// A positive whole number that fits 64 bits, written with digits alone.
    func amount() throws(CSVError) -> Int64 {
        let text = self[.amount]
        guard !text.isEmpty else { throw error(.amount, "is empty") }
        guard text.utf8.allSatisfy(isDigit) else {
            throw error(
                .amount,
                "\"\(text)\" is not a whole number of the asset's smallest unit, in digits alone")
        }
        guard let amount = Int64(text) else {
            throw error(.amount, "\(text) is more than \(Int64.max)")
        }
        guard amount > 0 else { throw error(.amount, "must be more than zero") }
        return amount
    }

    func reference() throws(CSVError) -> String {
        let text = self[.reference]
        guard text.utf8.count <= 255 else { throw error(.reference, "is longer than 255 bytes") }
        return text
    }

    private subscript(_ column: Column) -> String { field(column).text }

    private func field(_ column: Column) -> (text: String, line: Int) {
        guard let index = Column.allCases.firstIndex(of: column) else {
            preconditionFailure("\(column) is a column")
        }
        return fields[index]
    }

    private func error(_ column: Column, _ problem: String) -> CSVError {
        CSVError(line: field(column).line, column: column.rawValue, problem: problem)
    }
}

private func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
}

private func isCapital(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
}

private func isJoint(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
}

private func isInAssetCode(_ byte: UInt8) -> Bool {
    isCapital(byte) || isDigit(byte) || isJoint(byte)
}

private func isInAccountPart(_ byte: UInt8) -> Bool {
    isInAssetCode(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
}
