import Testing
import Workload

@Suite struct OperationReaderTests {
    static let header = "node,source,destination,asset,amount,reference\n"

    static func repeated(_ text: String, _ count: Int) -> String {
        String(repeating: text, count: count)
    }

    static func read(_ text: String) throws -> [Operation] {
        try read(Array(text.utf8))
    }

    static func read(_ bytes: [UInt8]) throws -> [Operation] {
        var reader = OperationReader(bytes.makeIterator(), key: "file")
        var operations: [Operation] = []
        while let operation = try reader.next() { operations.append(operation) }
        return operations
    }

    @Test func `a record is an operation with one posting, numbered and keyed in its order`() throws
    {
        let operations = try Self.read(
            Self.header + "till-1,customers:1,stores:042:sales,EUR/2,1250,receipt 1\n"
                + "till-2,world,customers:1,SKU-8812,3,")
        #expect(
            operations == [
                Operation(
                    n: 1, node: "till-1", at: nil,
                    postings: [
                        Posting(
                            source: "customers:1", destination: "stores:042:sales", asset: "EUR/2",
                            amount: 1_250)
                    ],
                    reference: "receipt 1", metadata: ["line": "2"], idempotencyKey: "file-1"),
                Operation(
                    n: 2, node: "till-2", at: nil,
                    postings: [
                        Posting(
                            source: "world", destination: "customers:1", asset: "SKU-8812",
                            amount: 3)
                    ],
                    reference: "", metadata: ["line": "3"], idempotencyKey: "file-2"),
            ])
    }

    @Test func `a file with only a header has no operations`() throws {
        #expect(try Self.read(Self.header).isEmpty)
    }

    @Test func `comments and blank lines are skipped, also before the header, and counted`() throws
    {
        let text =
            "# a day\n\n\(Self.header)\n# first \"\nn,a,b,EUR,1,x\r\n"
            + "\r\n#\nn,a,b,EUR,2,#y\n# end"
        let operations = try Self.read(text)
        #expect(operations.map(\.reference) == ["x", "#y"])
        #expect(operations.map(\.metadata) == [["line": "6"], ["line": "9"]])
    }

    @Test func `quotes hold commas, quotes, line ends and a number sign`() throws {
        let text =
            Self.header + "\"#n\",a,b,EUR,\"1\",\"say \"\"hi\"\", then\r\ngo\"\nn,a,b,EUR,2,z\n"
        let operations = try Self.read(text)
        #expect(operations.map(\.node) == ["#n", "n"])
        #expect(operations.map(\.reference) == ["say \"hi\", then\r\ngo", "z"])
        #expect(operations.map(\.metadata) == [["line": "2"], ["line": "4"]])
    }

    @Test func `a byte order mark and CRLF line ends, as spreadsheets write, are fine`() throws {
        let text = "\u{FEFF}node,source,destination,asset,amount,reference\r\nn,a,b,EUR,1,x\r\n"
        #expect(try Self.read(text).count == 1)
    }

    static let isNoAccount = "is not an account: parts of letters, digits, _ and -, joined by :"
    static let isNoAsset = "is not an asset: a code such as SKU-8812, or with a scale, EUR/2"
    static let isNoAmount = "is not a whole number of the asset's smallest unit, in digits alone"

    /// A line after the header, and what is said of it: where, and what is wrong.
    static let wrongLines: [(line: String, place: String, problem: String)] = [
        ("n,a,b,EUR,1", "2, column \"reference\"", "is missing: the line has 5 of 6 fields"),
        ("n,a", "2, column \"destination\"", "is missing: the line has 2 of 6 fields"),
        ("n,a,b,EUR,1,x,y", "2", "7 fields, where the header has 6"),
        (repeated(",", 64), "2", "more than 64 fields"),
        (",a,b,EUR,1,x", "2, column \"node\"", "is empty"),
        ("n,,b,EUR,1,x", "2, column \"source\"", "is empty"),
        ("n,a b,b,EUR,1,x", "2, column \"source\"", "\"a b\" \(isNoAccount)"),
        ("n,a,b::c,EUR,1,x", "2, column \"destination\"", "\"b::c\" \(isNoAccount)"),
        ("n,a,:b,EUR,1,x", "2, column \"destination\"", "\":b\" \(isNoAccount)"),
        ("n,\(repeated("a", 256)),b,EUR,1,x", "2, column \"source\"", "is longer than 255 bytes"),
        ("n,a,b,,1,x", "2, column \"asset\"", "is empty"),
        ("n,a,b,eur,1,x", "2, column \"asset\"", "\"eur\" \(isNoAsset)"),
        ("n,a,b,EUR/200,1,x", "2, column \"asset\"", "\"EUR/200\" \(isNoAsset)"),
        ("n,a,b,EUR/,1,x", "2, column \"asset\"", "\"EUR/\" \(isNoAsset)"),
        ("n,a,b,/2,1,x", "2, column \"asset\"", "\"/2\" \(isNoAsset)"),
        ("n,a,b,EUR,,x", "2, column \"amount\"", "is empty"),
        ("n,a,b,EUR,12.50,x", "2, column \"amount\"", "\"12.50\" \(isNoAmount)"),
        ("n,a,b,EUR,-5,x", "2, column \"amount\"", "\"-5\" \(isNoAmount)"),
        ("n,a,b,EUR, 5,x", "2, column \"amount\"", "\" 5\" \(isNoAmount)"),
        ("n,a,b,EUR,0,x", "2, column \"amount\"", "must be more than zero"),
        (
            "n,a,b,EUR,9223372036854775808,x", "2, column \"amount\"",
            "9223372036854775808 is more than 9223372036854775807"
        ),
        (
            "n,a,b,EUR,1,\(repeated("r", 256))", "2, column \"reference\"",
            "is longer than 255 bytes"
        ),
        (
            "n,a,b,EUR,1,\(repeated("r", 4_097))", "2, column \"reference\"",
            "is longer than 4096 bytes"
        ),
        (
            "n,a\"b,b,EUR,1,x", "2, column \"source\"",
            "a quote inside a field that does not start with one"
        ),
        ("n,\"a\"b,b,EUR,1,x", "2, column \"source\"", "there is text after the closing quote"),
        (
            "n,a,b,EUR,1,\"x\nand on\n", "2, column \"reference\"",
            "a quote is opened here and never closed"
        ),
        (
            "n,a,b,EUR\rM,1,x", "2, column \"asset\"",
            "a carriage return without a line feed after it"
        ),
        ("n,a,b,EUR,1,x\n\n# fine\nn,a,b,EUR,9x,x", "5, column \"amount\"", "\"9x\" \(isNoAmount)"),
        ("n,a,b,EUR,\"1\n2\",\"x\"", "2, column \"amount\"", "\"1\n2\" \(isNoAmount)"),
        ("\"n\n\",a,b,EUR,x,y", "3, column \"amount\"", "\"x\" \(isNoAmount)"),
    ]

    @Test(arguments: wrongLines)
    func `an error names its line and column and says what is wrong`(
        line: String, place: String, problem: String
    ) throws {
        let found = try #require(throws: CSVError.self) { try Self.read(Self.header + line) }
        #expect(found.description == "line \(place): \(problem)")
    }

    @Test func `bytes that are not UTF-8 are named by line and column`() throws {
        let bytes = Array((Self.header + "n,a,b,EUR,1,").utf8) + [0xC3, 0x28]
        let found = try #require(throws: CSVError.self) { try Self.read(bytes) }
        #expect(found.description == "line 2, column \"reference\": is not valid UTF-8")
    }

    static let wanted = "the header must be node,source,destination,asset,amount,reference"
    static let wrongHeaders: [(text: String, error: String)] = [
        ("", "line 1: \(wanted), and the file is empty"),
        ("# nothing\n\n", "line 1: \(wanted), and the file is empty"),
        (
            "# x\nnode,source,destination,amount,asset,reference\n",
            "line 2: \(wanted), not node,source,destination,amount,asset,reference"
        ),
        ("n,a,b,EUR,1,x\n", "line 1: \(wanted), not n,a,b,EUR,1,x"),
        (
            "Node,source,destination,asset,amount,reference\n",
            "line 1: \(wanted), not Node,source,destination,asset,amount,reference"
        ),
    ]

    @Test(arguments: wrongHeaders)
    func `a header that is missing or different is refused`(text: String, error: String) throws {
        let found = try #require(throws: CSVError.self) { try Self.read(text) }
        #expect(found.description == error)
    }

    /// Whatever the bytes, the reader ends with operations or with an error: it never stops the process.
    @Test(arguments: 0..<300 as Range<UInt64>)
    func `a file with damaged bytes is read or refused`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var bytes = Array((Self.header + "n,a,\"b\"\"\",EUR,1,x\r\nn,a,b,EUR/2,22,\"y\nz\"\n").utf8)
        for _ in 0..<3 { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
        do {
            #expect(try Self.read(bytes).count <= 3, "seed \(seed)")
        } catch let error as CSVError {
            #expect((1...5).contains(error.line), "seed \(seed): \(error)")
        }
    }

    @Test func `a file is read as it is needed, not ahead`() throws {
        let lines = Self.header + "n,a,b,EUR,1,x\n"
        let endless = Endless(start: Array(lines.utf8), again: Array("n,a,b,EUR,7,y\n".utf8))
        var reader = OperationReader(endless, key: "file")
        var last: Operation?
        for _ in 0..<1_000 { last = try reader.next() }
        #expect(last?.idempotencyKey == "file-1000")
    }

    /// A file that never ends.
    struct Endless: IteratorProtocol {
        var start: [UInt8]
        var again: [UInt8]
        var position = 0

        mutating func next() -> UInt8? {
            defer { position += 1 }
            guard position >= start.count else { return start[position] }
            return again[(position - start.count) % again.count]
        }
    }
}
