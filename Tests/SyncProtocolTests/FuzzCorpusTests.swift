import Foundation
import FuzzChecks
import TestSupport
import Testing

/// The inputs that fuzzing has kept, each of which once reached code that none before it had.
@Suite struct FuzzCorpusTests {
    @Test(arguments: ["frame", "segment", "message"])
    func `every kept input passes the checks of its fuzzer`(target: String) throws {
        let check =
            switch target {
            case "frame": FuzzChecks.frame
            case "segment": FuzzChecks.segment
            default: FuzzChecks.message
            }
        let inputs = try FuzzCorpusTests.corpus(target)
        #expect(inputs.count > 100)
        for input in inputs { check(input) }
    }

    private static func corpus(_ target: String) throws -> [[UInt8]] {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Fuzz/Corpus/\(target).hex").standardized
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
            try HexFile(text: String($0)).bytes
        }
    }
}
