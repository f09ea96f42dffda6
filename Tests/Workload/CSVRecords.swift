/// Cuts a stream of bytes into records, as RFC 4180 says, holding no more than one of them.
///
/// **Function.** Lines end with LF or CRLF. A field in quotes may hold commas, line ends, and quotes
/// written twice. Blank lines, and lines whose first byte is `#`, are not records. A UTF-8 byte
/// order mark at the start is skipped.
///
/// **Limits.** A field has at most `fieldBytesMax` bytes and a record at most `fieldsMax` fields, so
/// memory is bounded whatever the file is.
struct CSVRecords<Bytes: IteratorProtocol> where Bytes.Element == UInt8 {
    /// One record, with the line on which each field starts.
    struct Record: Equatable {
        var line: Int
        var fields: [Field]
    }

    struct Field: Equatable {
        var text: String
        var line: Int
    }

    static var fieldBytesMax: Int { 4_096 }
    static var fieldsMax: Int { 64 }

    private var bytes: Bytes
    /// One byte that was read too many, to be read again.
    private var pushedBack: UInt8?
    private var line = 1
    private var atStart = true
    /// Names the columns in errors, once the header is known.
    var columns: [String] = []

    init(_ bytes: Bytes) {
        self.bytes = bytes
    }

    /// The next record, or nil at the end of the file.
    mutating func next() throws(CSVError) -> Record? {
        skipByteOrderMark()
        while let first = read() {
            switch first {
            case UInt8(ascii: "#"): skipLine()
            case UInt8(ascii: "\n"): line += 1
            case UInt8(ascii: "\r"): try endOfLine(afterReturnIn: 0)
            default:
                pushedBack = first
                return try record()
            }
        }
        return nil
    }

    private mutating func record() throws(CSVError) -> Record {
        var record = Record(line: line, fields: [])
        while true {
            let index = record.fields.count
            guard index < Self.fieldsMax else {
                throw CSVError(
                    line: line, column: nil, problem: "more than \(Self.fieldsMax) fields")
            }
            let (field, isLast) = try field(index)
            record.fields.append(field)
            if isLast { return record }
        }
    }

    private mutating func field(
        _ index: Int
    ) throws(CSVError) -> (field: Field, isLast: Bool) {
        let start = line
        let first = read()
        let content: [UInt8]
        if first == UInt8(ascii: "\"") {
            content = try quoted(index)
        } else {
            pushedBack = first
            content = try plain(index)
        }
        guard let text = String(validating: content, as: UTF8.self) else {
            throw error(index, "is not valid UTF-8", line: start)
        }
        return (Field(text: text, line: start), try endsRecord(after: index))
    }

    /// What stands between two quotes; a quote written twice is one.
    private mutating func quoted(_ index: Int) throws(CSVError) -> [UInt8] {
        let start = line
        var content: [UInt8] = []
        while let byte = read() {
            if byte == UInt8(ascii: "\"") {
                guard let after = read() else { return content }
                guard after == byte else {
                    pushedBack = after
                    return content
                }
            }
            if byte == UInt8(ascii: "\n") { line += 1 }
            try append(byte, to: &content, index)
        }
        throw error(index, "a quote is opened here and never closed", line: start)
    }

    /// What stands between two commas, without quotes. The comma or line end is left to be read.
    private mutating func plain(_ index: Int) throws(CSVError) -> [UInt8] {
        var content: [UInt8] = []
        while let byte = read() {
            switch byte {
            case UInt8(ascii: ","), UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                pushedBack = byte
                return content
            case UInt8(ascii: "\""):
                throw error(index, "a quote inside a field that does not start with one")
            default: try append(byte, to: &content, index)
            }
        }
        return content
    }

    /// Reads the comma or line end after a field, and says whether the record ends with it.
    private mutating func endsRecord(after index: Int) throws(CSVError) -> Bool {
        switch read() {
        case nil: return true
        case UInt8(ascii: ","): return false
        case UInt8(ascii: "\n"):
            line += 1
            return true
        case UInt8(ascii: "\r"):
            try endOfLine(afterReturnIn: index)
            return true
        default: throw error(index, "there is text after the closing quote")
        }
    }

    /// A carriage return must be followed by a line feed, or by the end of the file.
    private mutating func endOfLine(afterReturnIn index: Int) throws(CSVError) {
        switch read() {
        case nil: return
        case UInt8(ascii: "\n"): line += 1
        default: throw error(index, "a carriage return without a line feed after it")
        }
    }

    private func append(
        _ byte: UInt8, to content: inout [UInt8], _ index: Int
    ) throws(CSVError) {
        guard content.count < Self.fieldBytesMax else {
            throw error(index, "is longer than \(Self.fieldBytesMax) bytes")
        }
        content.append(byte)
    }

    private mutating func skipLine() {
        while let byte = read() {
            guard byte == UInt8(ascii: "\n") else { continue }
            line += 1
            return
        }
    }

    private mutating func skipByteOrderMark() {
        guard atStart else { return }
        atStart = false
        guard let first = read() else { return }
        guard first == 0xEF else {
            pushedBack = first
            return
        }
        // Two more bytes belong to the mark. Text that starts otherwise is not a header either, and
        // the reader of the header says so.
        _ = read()
        _ = read()
    }

    private mutating func read() -> UInt8? {
        if let byte = pushedBack {
            pushedBack = nil
            return byte
        }
        return bytes.next()
    }

    private func error(_ index: Int, _ problem: String, line: Int? = nil) -> CSVError {
        let name = columns.indices.contains(index) ? columns[index] : nil
        return CSVError(line: line ?? self.line, column: name, problem: problem)
    }
}
