import Foundation
import Logging
import Observability
import Testing

private func line(
    _ format: StandardErrorLog.Format, _ message: String = "agent started",
    _ metadata: Logger.Metadata = [:],
    label: String = "agent"
) -> String {
    let line = LogLine(
        microseconds: 1_795_168_800_000_001, level: .info, label: label, message: message,
        metadata: metadata)
    return String(decoding: line.bytes(format), as: UTF8.self)
}

@Suite struct LogLineTests {
    @Test func `a line of text has time, level, label, message, and the metadata in order`() {
        #expect(
            line(
                .text, "agent started",
                ["b.count": "\(7)", "agent.id": "till-042", "c": ["x", "y"], "d": [:]])
                == "2026-11-20T10:00:00.000001Z info agent: agent started agent.id=till-042 b.count=7"
                + " c=\"[\\\"x\\\", \\\"y\\\"]\" d=[:]\n")
    }

    @Test func `a line of JSON has the same, with structure kept`() {
        #expect(
            line(.json, "agent started", ["b": "\(7)", "a": "x", "c": ["x", ["y": "z"]]])
                == #"{"time":"2026-11-20T10:00:00.000001Z","level":"info","logger":"agent","message":"agent started","#
                + #""a":"x","b":"7","c":["x",{"y":"z"}]}"# + "\n")
    }

    @Test(arguments: [
        ("till-042", "till-042"), ("", "\"\""), ("two words", "\"two words\""), ("a=b", "\"a=b\""),
        ("a\"b", "\"a\\\"b\""),
        ("a\\b", "\"a\\\\b\""), ("a\nb", "\"a\\nb\""), ("\r\t", "\"\\r\\t\""), ("é", "\"é\""),
        ("é\"", "\"é\\\"\""),
        ("\u{1b}[2J", "\"\\u{1b}[2J\""), ("\u{9b}2J", "\"\\u{9b}2J\""), ("\u{85}", "\"\\u{85}\""),
        ("\u{2028}", "\"\\u{2028}\""), ("\u{202e}abc", "\"\\u{202e}abc\""),
        ("\\u{1b}", "\"\\\\u{1b}\""),
        ("\\u{1b}\u{1b}", "\"\\\\u{1b}\\u{1b}\""),
    ])
    func `a value of text is one word, and no two values look the same`(
        value: String, expected: String
    ) {
        #expect(line(.text, "m", ["k": "\(value)"]).hasSuffix(": m k=\(expected)\n"))
    }

    @Test func `whatever an event holds, it is one line, without control characters`() throws {
        var everything = ""
        for value in 0...0x2100 as ClosedRange<UInt32> {
            if let scalar = Unicode.Scalar(value) { everything.unicodeScalars.append(scalar) }
        }
        for scalar in everything.unicodeScalars {
            let text = "a\(scalar)b"
            for format in StandardErrorLog.Format.allCases {
                let line = line(
                    format, text, ["k\(scalar)": "\(text)", "l": [text: ["\(text)"]]], label: text)
                #expect(line.hasSuffix("\n"))
                let isClean = line.dropLast().unicodeScalars.allSatisfy { scalar in
                    let isMark = (0x2028...0x202E).contains(scalar.value) && scalar.value != 0x202F
                    return scalar.properties.generalCategory != .control && !isMark
                }
                #expect(isClean, "U+\(String(scalar.value, radix: 16)) in \(format)")
                if format == .json {
                    #expect(
                        try JSONSerialization.jsonObject(with: Data(line.utf8)) is [String: Any])
                }
            }
        }
    }

    @Test func `metadata cannot overwrite what the line itself says`() {
        let line = line(
            .json, "m", ["level": "critical", "message": "x", "time": "y", "logger": "z"])
        #expect(
            line
                == #"{"time":"2026-11-20T10:00:00.000001Z","level":"info","logger":"agent","message":"m","#
                + #""metadata.level":"critical","metadata.logger":"z","metadata.message":"x","metadata.time":"y"}"#
                + "\n")
    }

    @Test func `long values are cut between two characters, and many of them are cut off`() {
        let long = String(repeating: "é", count: 100_000)
        for format in StandardErrorLog.Format.allCases {
            #expect(line(format, long).utf8.count < 5_000)
            #expect(line(format, "m", ["k": "\(long)"]).contains("é…"))
            let many = Dictionary(
                uniqueKeysWithValues: (0..<100).map {
                    ("k\($0)", Logger.MetadataValue.string(long))
                })
            #expect(
                line(format, "m", many).utf8.count < LogLine.bytesMax + 2 * LogLine.valueBytesMax)
            #expect(line(format, "m", many).contains(format == .json ? "\"log.cut\":true" : " …\n"))
        }
    }

    @Test func `deep metadata ends in text instead of going on`() {
        var value: Logger.MetadataValue = "x"
        for _ in 0..<100 { value = ["k": value] }
        #expect(line(.json, "m", ["k": value]).count < 5_000)
    }
}

@Suite struct StandardErrorLogTests {
    @Test func `a handler is a value: what one logger is given, no other has`() {
        var first = StandardErrorLog(label: "a", level: .info, format: .text)
        let second = first
        first[metadataKey: "k"] = "v"
        first.logLevel = .trace
        #expect(first[metadataKey: "k"] == "v")
        #expect(second.metadata.isEmpty)
        #expect(second.logLevel == .info)
    }

    @Test func `an event goes to standard error, with the nearest metadata and the error's words`()
        async
    {
        struct Failure: Error {}
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent])
        {
            var handler = StandardErrorLog(label: "agent", level: .info, format: .text)
            handler.metadataProvider = Logger.MetadataProvider {
                ["a": "provided", "b": "provided"]
            }
            handler.metadata = ["a": "logger", "b": "logger", "c": "logger"]
            let metadata: Logger.Metadata = ["a": "event"]
            handler.log(
                event: LogEvent(
                    level: .error, message: "it failed", error: Failure(), metadata: metadata,
                    source: "x", file: "f",
                    function: "g", line: 1))
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(
            text.contains(
                " error agent: it failed a=event b=provided c=logger error.detail=Failure()\n"),
            "\(text)")
    }
}
