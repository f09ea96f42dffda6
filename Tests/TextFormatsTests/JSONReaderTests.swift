import Foundation
import Testing
import TextFormats

/// The shape of a request, as a daemon reads it.
private struct Posting: Equatable, JSONReadable {
    enum Member: String, JSONMember {
        case source, destination, amount
        case occurredAt = "occurred_at"
        case occurredOn = "occurred_on"
        static let table = JSONMemberTable<Self>(required: [.source, .amount])
    }

    var source = ""
    var destination = ""
    var amount: Int64 = 0
    var occurredAt = ""
    var occurredOn = ""

    init(json: inout JSONReader) throws(JSONError) {
        var members = try json.object(of: Member.self)
        while let member = try json.next(&members) {
            switch member {
            case .source: source = try json.string(bytesMax: 20)
            case .destination: destination = try json.string()
            case .amount:
                amount = try json.integerOrText()
                guard amount >= 0 else { throw json.refusal("must not be negative") }
            case .occurredAt: occurredAt = try json.string()
            case .occurredOn: occurredOn = try json.string()
            }
        }
    }
}

private struct Body: JSONReadable {
    enum Member: String, JSONMember {
        case postings, metadata
        static let table = JSONMemberTable<Self>()
    }

    var postings: [Posting] = []
    var metadata: [String: String] = [:]

    init(json: inout JSONReader) throws(JSONError) {
        var members = try json.object(of: Member.self)
        while let member = try json.next(&members) {
            switch member {
            case .postings:
                var elements = try json.array(countMax: 3)
                while try json.next(&elements) { postings.append(try Posting(json: &json)) }
            case .metadata:
                var names = try json.object(countMax: 2)
                while let name = try json.next(&names) { metadata[name] = try json.string() }
            }
        }
    }
}

private func read<Value: JSONReadable>(_: Value.Type, _ text: String) -> Result<Value, JSONError> {
    do throws(JSONError) {
        return .success(try JSONReader.read(Value.self, from: Array(text.utf8)))
    } catch {
        return .failure(error)
    }
}

private func error<Value: JSONReadable>(_: Value.Type, _ text: String) -> JSONError? {
    if case .failure(let error) = read(Value.self, text) { error } else { nil }
}

private func integerOrError(_ text: String) -> String {
    do throws(JSONError) {
        return String(
            try JSONReader.read(Array(text.utf8)) { (json) throws(JSONError) in try json.integer() }
        )
    } catch {
        return "\(error)"
    }
}

@Suite struct JSONReaderTests {
    @Test func `members come in any order, with any white space, and with escapes in their names`()
        throws
    {
        let text =
            " {\r\n\t\"amount\" : 12 , \"so\\u0075rce\":\"a\\/b\" ,\"occurred_on\":\"x\",\"occurred_at\":\"y\"}\n"
        let posting = try read(Posting.self, text).get()
        #expect(posting.amount == 12)
        #expect(posting.source == "a/b")
        #expect(posting.occurredOn == "x")
        #expect(posting.occurredAt == "y")
    }

    @Test func `an amount may be a number or a string that holds one`() throws {
        for text in ["1250", "\"1250\"", "1250 ", "\"1250\" "] {
            let posting = try read(Posting.self, "{\"source\":\"a\",\"amount\":\(text)}").get()
            #expect(posting.amount == 1250)
        }
        for text in [
            "\"\"", "\" 1250\"", "\"1250 \"", "\"01250\"", "\"-\"", "\"+1\"", "\"1.0\"", "\"1e3\"",
            "\"\\u0031\"",
        ] {
            #expect(
                error(Posting.self, "{\"source\":\"a\",\"amount\":\(text)}")?.description
                    == "amount must be an integer, or a string that holds one, as in \"1250\"",
                "\(text)")
        }
        #expect(
            error(Posting.self, "{\"source\":\"a\",\"amount\":\"9223372036854775808\"}")?
                .description
                == "amount must be from -2^63 to 2^63 - 1")
    }

    @Test(arguments: [
        ("0", "0"), ("-0", "0"), ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9223372036854775808", "the document must be from -2^63 to 2^63 - 1"),
        ("-9223372036854775809", "the document must be from -2^63 to 2^63 - 1"),
        ("18446744073709551616", "the document must be from -2^63 to 2^63 - 1"),
        ("99999999999999999999999999", "the document must be from -2^63 to 2^63 - 1"),
        ("1.0", "the document must be an integer, without fraction or exponent"),
        ("1e2", "the document must be an integer, without fraction or exponent"),
        ("1.", "not valid JSON at byte 2: a digit is expected behind a decimal point"),
        ("1e", "not valid JSON at byte 2: a digit is expected in an exponent"),
        ("-", "not valid JSON at byte 1: a digit is expected behind a minus sign"),
        (
            "01",
            "not valid JSON at byte 0: a number may not begin with a zero that another digit follows"
        ),
        ("+1", "not valid JSON at byte 0: a value is expected here"),
        (".5", "not valid JSON at byte 0: a value is expected here"),
        ("1 2", "not valid JSON at byte 2: there is more text behind the end of the document"),
        ("", "not valid JSON at byte 0: the text ends where a value is expected"),
        ("\"1\"", "the document must be an integer, not a string"),
        ("null", "the document must be an integer, not null"),
        ("tru", "not valid JSON at byte 0: expected true"),
    ])
    func `an integer is read, or refused in so many words`(text: String, expected: String) {
        #expect(integerOrError(text) == expected)
    }

    @Test(arguments: [
        ("[]", "the document must be an object, not an array"),
        ("{\"postings\":{}}", "postings must be an array, not an object"),
        ("{\"postings\":[3]}", "postings[0] must be an object, not a number"),
        (
            "{\"postings\":[{\"source\":\"a\",\"amount\":1},{\"source\":\"a\",\"amount\":1.5}]}",
            "postings[1].amount must be an integer, without fraction or exponent"
        ),
        (
            "{\"postings\":[{\"source\":true,\"amount\":1}]}",
            "postings[0].source must be a string, not a boolean"
        ),
        (
            "{\"postings\":[{\"source\":\"a\",\"amount\":-1}]}",
            "postings[0].amount must not be negative"
        ),
        ("{\"postings\":[{\"source\":\"a\"}]}", "postings[0].amount is required"),
        ("{\"postings\":[{}]}", "postings[0].source is required"),
        (
            "{\"postings\":[{\"source\":\"123456789012345678901\",\"amount\":1}]}",
            "postings[0].source must have at most 20 bytes"
        ),
        (
            "{\"postings\":[{\"sauce\":\"a\"}]}",
            "postings[0].sauce is not known here; known are source, destination, amount, occurred_at, "
                + "occurred_on"
        ),
        (
            "{\"postings\":[{\"occurred_ax\":\"a\"}]}",
            "postings[0].occurred_ax is not known here; known are source, destination, amount, occurred_at, "
                + "occurred_on"
        ),
        (
            "{\"postings\":[{\"sourc\":\"a\"}]}",
            "postings[0].sourc is not known here; known are source, destination, amount, occurred_at, "
                + "occurred_on"
        ),
        ("{\"a b\":1}", "[\"a b\"] is not known here; known are postings, metadata"),
        ("{\"\":1}", "[\"\"] is not known here; known are postings, metadata"),
        (
            "{\"postings\":[{\"source\":\"a\",\"amount\":1,\"source\":\"b\"}]}",
            "postings[0].source is given twice"
        ),
        ("{\"postings\":[],\"p\\u006fstings\":[]}", "[\"p\\u006fstings\"] is given twice"),
        ("{\"metadata\":{\"a\":\"1\",\"a\":\"2\"}}", "metadata.a is given twice"),
        (
            "{\"metadata\":{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}}",
            "metadata has more than 2 members"
        ),
        ("{\"metadata\":{\"a\":[1,2]}}", "metadata.a must be a string, not an array"),
        (
            "{\"postings\":[{\"source\":\"\",\"amount\":0},{\"source\":\"\",\"amount\":0},{\"source\":\"\",\"amount\":0},{}]}",
            "postings has more than 3 elements"
        ),
    ])
    func `what is well-formed but not asked for is refused with its path`(
        text: String, expected: String
    ) {
        let error = error(Body.self, text)
        #expect(error?.kind == .invalidField)
        #expect(error?.description == expected)
    }

    @Test(arguments: [
        ("{\"postings\":[1,]}", 14, "postings[0]", "must be an object, not a number"),
        ("{\"postings\":[],}", 15, "", "nothing stands behind a comma"),
        ("{\"postings\":[]", 14, "postings", "the text ends inside an object or array"),
        ("{\"postings\":[]]", 14, "postings", "expected a comma or the end of the object"),
        ("{\"postings\" []}", 12, "postings", "a colon is expected behind the name of a member"),
        ("{postings:[]}", 1, "", "the name of a member is expected here, in double quotes"),
        (
            "{\"metadata\":{\"a\":\"\u{1}\"}}", 18, "metadata.a",
            "a control character must be escaped in a string"
        ),
        (
            "{\"metadata\":{\"a\":\"\\x\"}}", 18, "metadata.a",
            "a backslash must be followed by one of \" \\ / b f n r t u"
        ),
        ("{\"metadata\":{\"a\":\"\\ud800\"}}", 18, "metadata.a", "a surrogate may not stand alone"),
        (
            "{\"metadata\":{\"a\":\"\\udc00\\ud800\"}}", 18, "metadata.a",
            "a surrogate may not stand alone"
        ),
        (
            "{\"metadata\":{\"a\":\"\\u12g4\"}}", 18, "metadata.a",
            "\\u must be followed by four hexadecimal digits"
        ),
        ("{\"metadata\":{\"a\":\"b", 17, "metadata.a", "a string is not closed"),
        ("\u{FEFF}{}", 0, "", "a value is expected here"),
    ])
    func `what is not JSON is refused with its offset`(
        text: String, offset: Int, path: String, message: String
    ) {
        let error = error(Body.self, text)
        // The first row is a wrong field in a document that is not JSON further on: the latter is
        // what counts.
        if text.hasSuffix("[1,]}") {
            #expect(
                error
                    == JSONError(
                        kind: .malformed, offset: 15, path: "postings[1]",
                        message: "nothing stands behind a comma"))
        } else {
            #expect(
                error == JSONError(kind: .malformed, offset: offset, path: path, message: message))
        }
    }

    @Test func `a wrong field is only reported once the whole document is known to be JSON`() {
        #expect(error(Posting.self, "{\"source\":1,\"amount\":1}")?.kind == .invalidField)
        #expect(error(Posting.self, "{\"source\":1,\"amount\":1")?.kind == .malformed)
        #expect(error(Posting.self, "{\"source\":1,\"amount\":tru}")?.kind == .malformed)
        #expect(error(Posting.self, "{\"source\":1,\"amount\":1}}")?.kind == .malformed)
        #expect(error(Posting.self, "{\"surprise\":[1,{\"a\":\"\\q\"}]}")?.kind == .malformed)
    }

    @Test func `bytes that are not UTF-8 are refused where they stand`() {
        let rows: [[UInt8]] = [
            [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF],
            [0xED, 0xA0, 0x80],
            [0xE2, 0x82], [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80],
            [0xF5, 0x80, 0x80, 0x80], [0xFF],
        ]
        for row in rows {
            let text = Array("[\"abc".utf8) + row + Array("\"]".utf8)
            #expect(
                throws: JSONError(
                    kind: .malformed, offset: 5, path: "[0]", message: "a string is not valid UTF-8"
                )
            ) {
                try JSONReader.read(text) { (json) throws(JSONError) in try json.skip() }
            }
        }
    }

    @Test func `nesting is bounded, for what is read and for what is passed unread`() {
        let text = { String(repeating: "[", count: $0) + String(repeating: "]", count: $0) }
        func skip(_ text: String) throws(JSONError) {
            try JSONReader.read(Array(text.utf8)) { (json) throws(JSONError) in try json.skip() }
        }
        #expect(throws: Never.self) { try skip(text(32)) }
        #expect(throws: JSONError.self) { try skip(text(33)) }
        #expect(throws: JSONError.self) { try skip(String(repeating: "[", count: 1_000_000)) }
        #expect(throws: JSONError.self) { try skip(String(repeating: "{\"a\":", count: 1_000_000)) }
    }

    @Test func `one item of a batch can be refused while the others are read`() throws {
        let text = """
            [{"source":"a","amount":1},{"source":"b","amount":{"x":[]}},7,{"source":"c","source":"d","amount":1},
             {"source":"e","amount":2}]
            """
        var results: [String] = []
        try JSONReader.read(Array(text.utf8)) { (json) throws(JSONError) in
            var items = try json.array()
            while try json.next(&items) {
                let result = try json.recovering { (json) throws(JSONError) in
                    try Posting(json: &json)
                }
                switch result {
                case .success(let posting): results.append(posting.source)
                case .failure(let error): results.append("\(error)")
                }
            }
        }
        #expect(
            results == [
                "a", "[1].amount must be an integer, or a string that holds one, not an object",
                "[2] must be an object, not a number", "[3].source is given twice", "e",
            ])
    }

    @Test func `a batch that stops being JSON in the middle of a refused item is given up`() {
        let text = "[{\"source\":1,\"amount\":[}]"
        let refusal = #expect(throws: JSONError.self) {
            try JSONReader.read(Array(text.utf8)) { (json) throws(JSONError) in
                var items = try json.array()
                while try json.next(&items) {
                    _ = try json.recovering { (json) throws(JSONError) in try Posting(json: &json) }
                }
            }
        }
        #expect(refusal?.kind == .malformed)
        #expect(refusal?.offset == 23)
    }

    @Test func `a long name is cut in a path, between two characters`() {
        let name = String(repeating: "é", count: 500_000)
        let path = error(Body.self, "{\"\(name)\":1}")?.path
        #expect(path == "[\"" + String(repeating: "é", count: 32) + "…\"]")
        let odd = error(Body.self, "{\"x\(name)\":1}")?.path
        #expect(odd == "[\"x" + String(repeating: "é", count: 31) + "…\"]")
    }

    @Test func `text is lent without its escapes`() throws {
        for (text, expected) in [
            ("\"plain\"", "plain"), ("\"a\\n\\u00e9\\ud83d\\ude00\"", "a\né😀"),
        ] {
            let value = try JSONReader.read(Array(text.utf8)) { (json) throws(JSONError) in
                try json.text { span in
                    span.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
                }
            }
            #expect(value == expected)
        }
    }

    @Test func `a null can be asked for, and a boolean is only true or false`() throws {
        let values = try JSONReader.read(Array("[null,true,false,1]".utf8)) {
            (json) throws(JSONError) in
            var values: [Bool?] = []
            var items = try json.array()
            while try json.next(&items), items.index < 3 {
                values.append(try json.null() ? nil : try json.boolean())
            }
            #expect(try json.null() == false)
            try json.skip()
            #expect(try json.next(&items) == false)
            return values
        }
        #expect(values == [nil, true, false])
    }

    @Test func `the required members are enforced for tables of 64 members`() throws {
        enum Many: String, JSONMember {
            case a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, c0,
                c1, c2, c3, c4, c5,
                c6, c7, c8, c9, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, e0, e1, e2, e3, e4, e5, e6,
                e7, e8, e9, f0, f1,
                f2, f3, f4, f5, f6, f7, f8, f9, g0, g1, g2, g3
            static let table = JSONMemberTable<Self>(required: allCases)
        }
        func count(_ text: String) throws(JSONError) -> Int {
            try JSONReader.read(Array(text.utf8)) { (json) throws(JSONError) in
                var count = 0
                var members = try json.object(of: Many.self)
                while let member = try json.next(&members) {
                    #expect(try json.string() == member.rawValue)
                    count += 1
                }
                return count
            }
        }
        let members = Many.allCases.reversed().map { "\"\($0)\":\"\($0)\"" }
        #expect(try count("{\(members.joined(separator: ","))}") == 64)
        let refusal = #expect(throws: JSONError.self) {
            _ = try count("{\(members.dropFirst().joined(separator: ","))}")
        }
        #expect(refusal?.description == "g3 is required")
    }
}
