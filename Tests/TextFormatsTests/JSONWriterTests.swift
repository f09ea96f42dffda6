import Testing
import TextFormats

private func text(_ body: (inout JSONWriter) -> Void) -> String {
    var json = JSONWriter(capacity: 1)
    body(&json)
    return json.text
}

@Suite struct JSONWriterTests {
    @Test func `members and elements are set apart by commas, at every depth`() {
        let text = text { json in
            json.object { json in
                json.member("a", 1)
                json.name("b")
                json.array { json in
                    json.value(1)
                    json.array { _ in }
                    json.object { _ in }
                    json.object { json in json.member("c", true) }
                    json.null()
                }
                json.member("d", "e")
                json.member("f", ifPresent: nil)
                json.member("g", ifPresent: "h")
                json.name("i\"j")
                json.value(false)
            }
        }
        #expect(text == #"{"a":1,"b":[1,[],{},{"c":true},null],"d":"e","g":"h","i\"j":false}"#)
    }

    @Test(
        arguments: [
            (0, "0"), (7, "7"), (-7, "-7"), (10, "10"), (1_250, "1250"), (999, "999"),
            (1_000, "1000"),
            (9_007_199_254_740_992, "9007199254740992"),
            (9_007_199_254_740_993, "\"9007199254740993\""),
            (-9_007_199_254_740_992, "-9007199254740992"),
            (-9_007_199_254_740_993, "\"-9007199254740993\""),
            (.max, "\"9223372036854775807\""), (.min, "\"-9223372036854775808\""),
        ] as [(Int64, String)])
    func `an integer is a number up to 2^53 and a string beyond`(integer: Int64, expected: String) {
        #expect(text { $0.value(integer) } == expected)
        #expect(text { $0.value(Int128(integer)) } == expected)
    }

    @Test func `integers of 128 bits keep every digit`() {
        var values: [Int128] = [
            .max, .min, Int128(Int64.max) + 1, Int128(Int64.min) - 1, Int128(UInt64.max),
        ]
        var power: Int128 = 1
        for _ in 0..<38 {
            power *= 10
            values += [power - 1, power, power + 1, -power]
        }
        for value in values {
            #expect(text { $0.value(value) }.filter { $0 != "\"" } == String(value))
        }
        #expect(text { $0.value(UInt64.max) } == "\"18446744073709551615\"")
    }

    @Test(arguments: [
        ("", "\"\""), ("plain", "\"plain\""), ("a\"b", "\"a\\\"b\""), ("a\\b", "\"a\\\\b\""),
        ("a/b", "\"a/b\""),
        ("\n\r\t", "\"\\n\\r\\t\""),
        ("\0\u{1}\u{1f}\u{8}\u{c}", "\"\\u0000\\u0001\\u001f\\u0008\\u000c\""),
        ("\u{7f}", "\"\u{7f}\""), ("é漢😀\u{2028}", "\"é漢😀\u{2028}\""),
        ("exactly eight bytes: \"", "\"exactly eight bytes: \\\"\""),
        ("12345678\n12345678", "\"12345678\\n12345678\""),
    ])
    func `strings are escaped where RFC 8259 asks for it and nowhere else`(
        string: String, expected: String
    ) {
        #expect(text { $0.value(string) } == expected)
        #expect(text { $0.value(string[...]) } == expected)
    }

    @Test func `each byte of a string is escaped alike at any position of a word`() {
        for byte in 0..<128 as Range<UInt8> {
            for position in 0..<17 {
                var string = String(repeating: "x", count: position)
                string.unicodeScalars.append(Unicode.Scalar(byte))
                string += String(repeating: "y", count: 16 - position)
                let read = try? JSONReader.read(Array(text { $0.value(string) }.utf8)) {
                    (json) throws(JSONError) in
                    try json.string()
                }
                #expect(read == string)
            }
        }
    }

    @Test func `times are RFC 3339 with microseconds`() {
        let text = text { json in
            json.object { json in
                json.member("at", microseconds: 1_795_168_800_000_001)
                json.member("never", microseconds: .max)
            }
        }
        #expect(
            text
                == #"{"at":"2026-11-20T10:00:00.000001Z","never":"+294247-01-10T04:00:54.775807Z"}"#
        )
    }

    @Test
    func `floating-point numbers are the shortest that read back, and null where there is none`() {
        let text = text { json in
            json.array { json in
                for value in [0.1, -2, 1e300, .leastNonzeroMagnitude, .infinity, .nan] {
                    json.value(value)
                }
            }
        }
        #expect(text == "[0.1,-2.0,1e+300,5e-324,null,null]")
    }

    @Test func `lines of NDJSON are documents of their own, and the memory is used again`() {
        var json = JSONWriter()
        for line in 1...2 as ClosedRange<Int64> {
            json.object { $0.member("line", line) }
            json.newline()
        }
        #expect(json.text == "{\"line\":1}\n{\"line\":2}\n")
        json.removeAll()
        json.value(3)
        #expect(json.text == "3")
        #expect(json.count == 1)
    }

    @Test func `a document larger than its first capacity is whole`() {
        let string = String(repeating: "é\"", count: 100_000)
        let read = try? JSONReader.read(Array(text { $0.value(string) }.utf8)) {
            (json) throws(JSONError) in try json.string()
        }
        #expect(read == string)
    }
}
