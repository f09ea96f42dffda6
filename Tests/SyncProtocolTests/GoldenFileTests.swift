import Foundation
import LedgerCore
import SyncProtocol
import TestSupport
import Testing

/// The format, byte for byte. Where one of these fails, data in the field can no longer be read:
/// bring the old bytes back, or make a new version of the format (`WireFormat`, "Changing the
/// format").
///
/// To write the files anew, deliberately: `TRIBUTARY_WRITE_GOLDEN=1 swift test --filter
/// GoldenFileTests`. The test then fails all the same, so that no run with the variable set passes
/// for a check.
@Suite struct GoldenFileTests {
    @Test
    func
        `every value encodes to its golden file, which decodes and encodes to the same bytes again`()
        throws
    {
        for sample in try GoldenSamples.all() {
            if ProcessInfo.processInfo.environment["TRIBUTARY_WRITE_GOLDEN"] == "1" {
                try write(sample)
                Issue.record(
                    "\(sample.name) was written anew; run again without TRIBUTARY_WRITE_GOLDEN")
            } else {
                let golden = try HexFile(text: text(of: sample.name)).bytes
                #expect(golden.hexadecimal == sample.encoded.hexadecimal, "\(sample.name)")
                #expect(
                    try sample.again(golden).hexadecimal == golden.hexadecimal, "\(sample.name)")
            }
        }
    }

    @Test func `no golden file is left over`() throws {
        let folder = try #require(Bundle.module.url(forResource: "Golden", withExtension: nil))
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(Set(files) == Set(try GoldenSamples.all().map { $0.name + ".hex" }))
    }

    @Test func `the hashes of the golden chain are what they always were`() throws {
        let origin = try GoldenSamples.agentGenesis().hash(PlainSHA256())
        let (first, second) = try GoldenSamples.chain()
        #expect(StreamTag(genesisHash: origin).description == "vjjnakte")
        #expect(
            origin.description == "dca5554f4e59461dc07b5a4dbbe944b9118f780f5131a09cfdd341d7eb81b4a8"
        )
        #expect(
            first.hash(PlainSHA256()).description
                == "f8c66bd5b39e139e818ca68f579d46a27e2a588db1c8c3066549da27facc63f2")
        #expect(
            second.hash(PlainSHA256()).description
                == "5e82c444e94eb4bcda528fac11e183e78d79c784dfd7f6d36c5f07c44d779bf4")
        #expect(second.header.dictionary.rolling.hexadecimal == "153506aea9a9ed4106659160be863fc9")
    }

    @Test func `the dump in the WireFormat article is the golden segment`() throws {
        let article = try String(contentsOf: articleURL, encoding: .utf8)
        let dump = try #require(
            article.components(separatedBy: "<!-- segment-transfer.hex -->").dropFirst().first)
        let block = try #require(dump.components(separatedBy: "```").dropFirst().first)
        let lines = block.split(separator: "\n").map { line in
            line.split(separator: "|").first.map(String.init) ?? ""
        }
        let dumped = try HexFile(text: lines.joined(separator: "\n")).bytes
        #expect(dumped.hexadecimal == (try GoldenSamples.chain()).0.bytes.hexadecimal)
    }

    // MARK: Files

    private func text(of name: String) throws -> String {
        let url = try #require(
            Bundle.module.url(forResource: name, withExtension: "hex", subdirectory: "Golden"))
        return try String(contentsOf: url, encoding: .utf8)
    }

    private func write(_ sample: GoldenSamples.Sample) throws {
        let text = HexFile(bytes: sample.encoded).text(comment: sample.comment)
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Golden")
        try text.write(
            to: folder.appendingPathComponent(sample.name + ".hex"), atomically: true,
            encoding: .utf8)
    }

    private var articleURL: URL {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent()
        return tests.deletingLastPathComponent()
            .appendingPathComponent("Shared/SyncProtocol/Documentation.docc/WireFormat.md")
    }
}

/// Bytes as hex digits, with whitespace between them as one likes, and comments from `#` to the end
/// of a line.
struct HexFile {
    let bytes: [UInt8]

    struct Unreadable: Error {
        let digits: String
    }

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    init(text: String) throws {
        let lines = text.split(separator: "\n").map { $0.prefix { $0 != "#" } }
        let digits = lines.joined().filter { !$0.isWhitespace }
        var bytes: [UInt8] = []
        var rest = digits[...]
        while !rest.isEmpty {
            guard let byte = UInt8(rest.prefix(2), radix: 16), rest.count >= 2 else {
                throw Unreadable(digits: String(rest.prefix(2)))
            }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        self.bytes = bytes
    }

    func text(comment: String) -> String {
        let rows = stride(from: 0, to: bytes.count, by: 16).map { start in
            bytes[start..<min(start + 16, bytes.count)].map { [$0].hexadecimal }.joined(
                separator: " ")
        }
        return "# \(comment)\n# \(bytes.count) bytes.\n" + rows.joined(separator: "\n") + "\n"
    }
}
