import Foundation
import SegmentStore
import Signing
import Testing

/// The mark beside a database, and what is refused because of it.
@Suite struct FoundingMarkTests {
    /// A database with one stream and its mark, closed.
    private struct Founded {
        let folder: ScratchFolder
        let stream: StreamRow

        init(seed: UInt64) throws {
            folder = try ScratchFolder()
            let database = try LogDatabase(path: folder.database, migrations: [])
            var written = try TestStream(seed: seed)
            for _ in 0..<5 { try written.commit(to: database) }
            stream = try #require(written.row)
            try FoundingMark.keep(stream, beside: folder.database)
            #expect(database.close() == nil)
        }

        var path: String { folder.database }
        var mark: String { FoundingMark.path(of: path) }

        func files() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        }

        func verify() throws -> VerifyReport {
            try LogVerifier(hasher: SHA256Hasher(), scratch: NSTemporaryDirectory())
                .verify(database: path)
        }
    }

    @Test func `a mark says in a line which stream was founded, and is made once`() throws {
        let founded = try Founded(seed: 1)
        let text = try String(contentsOfFile: founded.mark, encoding: .utf8)
        #expect(text == "\(founded.stream.tag) \(founded.stream.genesisHash)\n")
        try FoundingMark.keep(try Founded(seed: 2).stream, beside: founded.path)
        #expect(try String(contentsOfFile: founded.mark, encoding: .utf8) == text)
        try FoundingMark.check(founded.path, holds: founded.stream)
        #expect(try founded.verify().isSound)
    }

    @Test(arguments: [true, false])
    func `a database that is empty or gone beside its mark is not begun anew`(isGone: Bool) throws {
        let founded = try Founded(seed: 3)
        try FileManager.default.removeItem(atPath: founded.path)
        if !isGone { try Data().write(to: URL(filePath: founded.path)) }
        let before = try founded.files()
        let said = isGone ? "it is gone" : "it is empty"
        #expect {
            try LogDatabase(path: founded.path, migrations: [])
        } throws: { error in
            "\(error)".contains(said) && "\(error)".contains(founded.path)
                && "\(error)".contains("stream \(founded.stream.tag) was founded")
        }
        #expect(try founded.files() == before)
        let report = try founded.verify()
        #expect(!report.isSound && report.findings[0].what.contains(said), "\(report.findings)")
    }

    @Test func `a database of another stream than its mark says is refused`() throws {
        let founded = try Founded(seed: 4)
        let other = try Founded(seed: 5)
        for path in [founded.path, founded.mark] {
            try FileManager.default.removeItem(atPath: path)
        }
        try FileManager.default.copyItem(atPath: other.path, toPath: founded.path)
        try FoundingMark.keep(founded.stream, beside: founded.path)
        #expect { try FoundingMark.check(founded.path, holds: other.stream) } throws: { error in
            "\(error)".contains("its stream is \(other.stream.tag)")
        }
        #expect { try FoundingMark.check(founded.path, holds: nil) } throws: { error in
            "\(error)".contains("it has no stream")
        }
        #expect(try !founded.verify().isSound)
    }

    @Test(arguments: ["", "till-1\n", String(repeating: "0", count: 74)])
    func `what is no mark is said to be none, and not taken for one`(text: String) throws {
        let founded = try Founded(seed: 6)
        try Data(text.utf8).write(to: URL(filePath: founded.mark))
        #expect {
            try FoundingMark.check(founded.path, holds: founded.stream)
        } throws: { "\($0)".contains("\(founded.mark) is damaged") }
    }
}
